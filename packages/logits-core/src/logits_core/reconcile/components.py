"""The components that the Controller deploys, as a table, and the objects that each row becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from logits_core.entities.model import JsonObject
from logits_core.reconcile.manifests import (
    DATA_DIRECTORY,
    SECRET_DIRECTORY,
    Site,
    Workload,
    deployment,
    service,
    volume_claim,
)
from logits_core.reconcile.state import Customizations, Ingress, Release

ENTITY_DB_URL: Final = "http://logits-entity-db:8080"
INGRESS_SECRET: Final = "logits-ingress"  # noqa: S105 - a name
_GATEWAY_URL: Final = "http://logits-gateway:8080"
_API_SERVER_URL: Final = "http://logits-api-server:8080"
_CONSOLE_URL: Final = "http://logits-console:8080"
_LAME_DUCK: Final = {"LOGITS_LAME_DUCK_SECONDS": "3"}
"""Nodes hear that a pod of a Service ends at the same time as the pod does, and some later than others."""


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
    Component("api-server", {"LOGITS_ENTITY_DB_URL": ENTITY_DB_URL, **_LAME_DUCK}),
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
            **_LAME_DUCK,
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
    deployments = [
        deployment(_workload(component, release.images[component.name], site.customizations), site)
        for component in present
    ]
    return claims + services + deployments


def _decided(component: Component, customizations: Customizations) -> dict[str, str]:
    """Settings that the customer decides."""
    if component.name == "api-server" and customizations.api_keys_required:
        return {"LOGITS_KEYS_REQUIRED": "true"}
    if component.name == "ingress-proxy":
        return ingress_settings(customizations.ingress)
    return {}


def ingress_settings(ingress: Ingress) -> dict[str, str]:
    """Settings of the Ingress Proxy's door; files are those of the customer's Secret ``logits-ingress``."""
    settings: dict[str, str] = {}
    if ingress.tls:
        settings["LOGITS_TLS_CERTIFICATE_FILE"] = f"{SECRET_DIRECTORY}/tls.crt"
        settings["LOGITS_TLS_KEY_FILE"] = f"{SECRET_DIRECTORY}/tls.key"
    if ingress.authentication == "none":
        return settings
    settings["LOGITS_AUTHENTICATION"] = ingress.authentication
    settings["LOGITS_SESSION_KEY_FILE"] = f"{SECRET_DIRECTORY}/session-key"
    if ingress.public_url:
        settings["LOGITS_PUBLIC_URL"] = ingress.public_url
    if ingress.authentication == "users":
        settings["LOGITS_USERS_FILE"] = f"{SECRET_DIRECTORY}/users"
        return settings
    settings["LOGITS_OIDC_ISSUER"] = ingress.oidc.issuer
    settings["LOGITS_OIDC_CLIENT_ID"] = ingress.oidc.client_id
    settings["LOGITS_OIDC_EMAIL_DOMAINS"] = ",".join(ingress.oidc.email_domains)
    if ingress.oidc.client_secret:
        settings["LOGITS_OIDC_CLIENT_SECRET_FILE"] = f"{SECRET_DIRECTORY}/oidc-client-secret"
    return settings


def _workload(component: Component, image: str, customizations: Customizations) -> Workload:
    return Workload(
        name=f"logits-{component.name}",
        component=component.name,
        image=image,
        env={**component.env, **_decided(component, customizations)},
        claim=f"logits-{component.name}" if component.volume else None,
        gateway_token=component.gateway_token,
        secret=INGRESS_SECRET if _wants_secret(component, customizations.ingress) else None,
        exclusive=bool(component.volume),  # two pods must never write to one volume
    )


def _wants_secret(component: Component, ingress: Ingress) -> bool:
    return component.name == "ingress-proxy" and (ingress.tls or ingress.authentication != "none")
