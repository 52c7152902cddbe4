"""The components that the Controller deploys, as a table, and the objects that each row becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from logits_core.entities.model import JsonObject
from logits_core.reconcile.manifests import (
    DATA_DIRECTORY,
    Site,
    Workload,
    deployment,
    service,
    volume_claim,
)
from logits_core.reconcile.state import Release

ENTITY_DB_URL: Final = "http://logits-entity-db:8080"
_GATEWAY_URL: Final = "http://logits-gateway:8080"
_API_SERVER_URL: Final = "http://logits-api-server:8080"
_CONSOLE_URL: Final = "http://logits-console:8080"


@dataclass(frozen=True, slots=True)
class Component:
    """One row: a component that runs once and has a Service.

    Attributes:
        name: value of the label ``logits.ai/component`` and key in the release's images.
        env: the settings that its app needs; the app stops at unknown ones, so keep them exact.
        volume: size of its volume as a quantity; empty for none.
        gateway_token: whether it talks to the Gateway.
        port: of its Service.
    """

    name: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    volume: str = ""
    gateway_token: bool = False
    port: int = 8080


COMPONENTS: Final = (
    Component("entity-db", {"LOGITS_DATA_DIRECTORY": DATA_DIRECTORY}, volume="1Gi"),
    Component("api-server", {"LOGITS_ENTITY_DB_URL": ENTITY_DB_URL}),
    Component(
        "console",
        {
            "LOGITS_ENTITY_DB_URL": ENTITY_DB_URL,
            "LOGITS_API_SERVER_URL": _API_SERVER_URL,
            "LOGITS_GATEWAY_URL": _GATEWAY_URL,
        },
        gateway_token=True,
    ),
    Component(
        "collector",
        {"LOGITS_GATEWAY_URL": _GATEWAY_URL, "LOGITS_SPOOL_DIRECTORY": DATA_DIRECTORY},
        volume="1Gi",
        gateway_token=True,
    ),
    Component(
        "ingress-proxy",
        {
            "LOGITS_CONSOLE_URL": _CONSOLE_URL,
            "LOGITS_API_SERVER_URL": _API_SERVER_URL,
            "LOGITS_ENTITY_DB_URL": ENTITY_DB_URL,
        },
        port=80,
    ),
)
"""In the order in which they are applied: the Entity DB first, because the others wait for it."""


def component_objects(release: Release, site: Site) -> list[JsonObject]:
    """All objects of all components that the release has an image for, volumes first."""
    present = [component for component in COMPONENTS if component.name in release.images]
    claims = [
        volume_claim(f"logits-{component.name}", component.name, component.volume, site)
        for component in present
        if component.volume
    ]
    services = [service(component.name, component.port, site) for component in present]
    deployments = [deployment(_workload(component, release.images[component.name]), site) for component in present]
    return claims + services + deployments


def _workload(component: Component, image: str) -> Workload:
    return Workload(
        name=f"logits-{component.name}",
        component=component.name,
        image=image,
        env=component.env,
        claim=f"logits-{component.name}" if component.volume else None,
        gateway_token=component.gateway_token,
        exclusive=bool(component.volume),  # two pods must never write to one volume
    )
