"""The cluster view: pods, limits and the Controller as the cluster has them, kept current by watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy import Limits, Mode, mode_of
from logits_core.reconcile.manifests import Site
from logits_core.reconcile.state import Anchor, Customizations
from logits_core.rollout import Controls, Progress
from logits_core.rollout.controls import approvals_of
from logits_core.rollout.manifest import NAME as CONTROLLER_NAME
from logits_shell.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PODS,
    Changes,
    KubernetesClient,
    KubernetesObject,
    Reflector,
)

LIMITS_NAME = "logits-customizations"
ANCHOR_NAME = "logits-anchor"


class _Parsed:
    """The customer's limits, read once for each version of their ConfigMap that is heard of."""

    def __init__(self) -> None:
        self._source: KubernetesObject | None = None
        self._limits = Customizations()

    def of(self, source: KubernetesObject | None) -> Customizations:
        """What a ConfigMap says; nothing without one.

        Raises:
            LogitsError: CORRUPT when it makes no sense.
        """
        if source is not self._source:
            self._limits = Customizations() if source is None else Customizations.parse(source)
            self._source = source
        return self._limits


@dataclass(frozen=True)
class ClusterView:
    """What the Gateway watches.

    Attributes:
        namespace: the release's namespace.
        pods: pods of Logits, to check that callers live.
        limits_map: the customer's limits.
        anchor: the owner of everything that Logits makes.
        controller: the Controller's Deployment.
        changes: rung when limits, anchor or Controller change.
        parsed: the limits as they were last read.
    """

    namespace: str
    pods: Reflector
    limits_map: Reflector
    anchor: Reflector
    controller: Reflector
    changes: Changes
    parsed: _Parsed = field(default_factory=_Parsed)

    @classmethod
    def of(cls, client: KubernetesClient, namespace: str, on_failure: Callable[[LogitsError], None]) -> ClusterView:
        """A view through a client; start ``reflectors`` as background tasks."""
        changes = Changes()

        def one(resource: Any, name: str) -> Reflector:
            return Reflector(
                client,
                resource,
                namespace=namespace,
                field_selector=f"metadata.name={name}",
                changes=changes,
                on_failure=on_failure,
            )

        pods = Reflector(
            client,
            PODS,
            namespace=namespace,
            label_selector="app.kubernetes.io/part-of=logits",
            on_failure=on_failure,
        )
        return cls(
            namespace=namespace,
            pods=pods,
            limits_map=one(CONFIG_MAPS, LIMITS_NAME),
            anchor=one(CONFIG_MAPS, ANCHOR_NAME),
            controller=one(DEPLOYMENTS, CONTROLLER_NAME),
            changes=changes,
        )

    @property
    def reflectors(self) -> tuple[Reflector, ...]:
        """All of them."""
        return self.pods, self.limits_map, self.anchor, self.controller

    @property
    def synced(self) -> bool:
        """Whether everything was listed once."""
        return all(reflector.synced.is_set() for reflector in self.reflectors)

    def customizations(self) -> Customizations:
        """The customer's limits.

        Raises:
            LogitsError: UNAVAILABLE before they are known, CORRUPT when they make no sense.
        """
        if not self.limits_map.synced.is_set():
            raise LogitsError(ErrorCode.UNAVAILABLE, "the customer's limits aren't known yet; try again", retry_after=1)
        return self.parsed.of(self.limits_map.get(LIMITS_NAME))

    def controls(self) -> Controls:
        """What the customer decided about releases.

        Raises:
            LogitsError: UNAVAILABLE before it is known, INVALID when it makes no sense.
        """
        self.customizations()
        data: dict[str, str] = (self.limits_map.get(LIMITS_NAME) or {}).get("data") or {}
        return Controls.parse(data.get("releases", ""))

    def approvals(self) -> tuple[str, ...]:
        """The customer's signatures on releases."""
        found = self.limits_map.get(LIMITS_NAME)
        return approvals_of(None if found is None else found["metadata"].get("annotations"))

    def mode(self, chart: Mode) -> Mode:
        """The customer's mode, by the chart and the annotation.

        Raises:
            LogitsError: UNAVAILABLE before it is known.
        """
        if not self.limits_map.synced.is_set():
            raise LogitsError(ErrorCode.UNAVAILABLE, "the customer's mode isn't known yet; try again", retry_after=1)
        found = self.limits_map.get(LIMITS_NAME)
        return mode_of(chart, None if found is None else found["metadata"].get("annotations") or {})

    def limits(self, progress: Progress) -> Limits:
        """What admission allows now: the images in force, within the customer's limits.

        Raises:
            LogitsError: as ``customizations``.
        """
        images: dict[str, frozenset[str]] = {}
        for accepted in progress.in_force:
            for component, reference in accepted.release.images.items():
                images[component] = images.get(component, frozenset()) | {reference}
        return Limits(self.namespace, images, self.customizations())

    def owner(self) -> Anchor | None:
        """What goes with the chart takes everything that Logits made with it; None while it isn't there."""
        anchor = self.anchor.get(ANCHOR_NAME)
        return Anchor(name=ANCHOR_NAME, uid=anchor["metadata"]["uid"]) if anchor else None

    def site(self, release_version: str, image_pull_policy: str) -> Site | None:
        """What the Controller's manifest needs to know, or None while the anchor isn't there."""
        owner = self.owner()
        if owner is None:
            return None
        return Site(self.namespace, owner, self.customizations(), release_version, image_pull_policy)
