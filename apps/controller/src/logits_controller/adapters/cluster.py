"""The cluster as the Controller sees and changes it, through the Gateway."""

from __future__ import annotations

from collections.abc import Callable

from logits_core.errors import ErrorCode, LogitsError
from logits_core.reconcile import Anchor, Apply, Customizations, Delete
from logits_core.reconcile.fields import number
from logits_core.reconcile.manifests import PART_OF
from logits_shell.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SERVICES,
    Changes,
    KubernetesClient,
    KubernetesObject,
    Reflector,
    Resource,
    resource_of,
)

FIELD_MANAGER = "logits-controller"
Seen = Callable[[], bool]
"""Tells whether the caches show a write already."""


class Cluster:
    """Caches of what the Controller watches, and its writes.

    Args:
        client: speaks with the Gateway.
        namespace: the release's namespace.
        changes: rung whenever a cache changes.
        on_failure: told of each interrupted watch: the resource's plural and the error.
    """

    def __init__(
        self,
        client: KubernetesClient,
        namespace: str,
        *,
        changes: Changes,
        on_failure: Callable[[str, LogitsError], None],
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._changes = changes

        def reflect(resource: Resource, *, labels: str | None = None, name: str | None = None) -> Reflector:
            return Reflector(
                client,
                resource,
                namespace=namespace if resource.namespaced else None,
                label_selector=labels,
                field_selector=f"metadata.name={name}" if name else None,
                changes=changes,
                on_failure=lambda error: on_failure(resource.plural, error),
            )

        ours = f"{PART_OF}=logits"
        self.deployments = reflect(DEPLOYMENTS, labels=ours)
        self.services = reflect(SERVICES, labels=ours)
        self.claims = reflect(PERSISTENT_VOLUME_CLAIMS, labels=ours)
        self.pods = reflect(PODS, labels=ours)
        self.nodes = reflect(NODES)
        self._anchor = reflect(CONFIG_MAPS, name="logits-anchor")
        self._customizations = reflect(CONFIG_MAPS, name="logits-customizations")

    @property
    def reflectors(self) -> tuple[Reflector, ...]:
        """All caches, to be run as background tasks."""
        return (
            self.deployments,
            self.services,
            self.claims,
            self.pods,
            self.nodes,
            self._anchor,
            self._customizations,
        )

    async def synced(self) -> None:
        """Wait until every cache has been filled once."""
        for reflector in self.reflectors:
            await reflector.synced.wait()

    async def when_ready(self, component: str, tell: Callable[[], None]) -> None:
        """Tell whenever a component goes from no ready pod to some, for ever."""
        count, before = self._changes.count, 0
        while True:
            ready = number(self.deployments.get(f"logits-{component}"), "status", "readyReplicas")
            if ready and not before:
                tell()
            before = ready
            count = await self._changes.wait(count)

    def anchor(self) -> Anchor | None:
        """The owner of everything, once the chart has made it."""
        found = self._anchor.get("logits-anchor")
        return Anchor("logits-anchor", found["metadata"]["uid"]) if found else None

    def customizations(self) -> Customizations | None:
        """The customer's limits, once the chart has written them.

        Raises:
            LogitsError: CORRUPT when the ConfigMap makes no sense.
        """
        found = self._customizations.get("logits-customizations")
        return Customizations.parse(found) if found else None

    async def execute(self, step: Apply | Delete) -> Seen:
        """Take one step; the answer tells when the caches have caught up with it.

        Raises:
            LogitsError: the step failed.
        """
        if isinstance(step, Apply):
            return await self._apply(step.manifest)
        return await self._delete(step)

    async def _apply(self, manifest: KubernetesObject) -> Seen:
        resource, name = resource_of(manifest), manifest["metadata"]["name"]
        before = self._version(resource, name)
        answer = await self._client.apply(resource, manifest, field_manager=FIELD_MANAGER, force=True)
        written = answer["metadata"]["resourceVersion"]
        return lambda: self._version(resource, name) not in ({before} - {written})

    async def _delete(self, step: Delete) -> Seen:
        resource = resource_of({"apiVersion": step.api_version, "kind": step.kind})
        try:
            await self._client.delete(resource, step.name, namespace=self._namespace, uid=step.uid)
        except LogitsError as error:
            if error.code not in (ErrorCode.NOT_FOUND, ErrorCode.CONFLICT):  # gone, or another one by now
                raise
        before = self._version(resource, step.name)
        return lambda: before is None or self._version(resource, step.name) != before

    def _version(self, resource: Resource, name: str) -> str | None:
        cache = next(reflector for reflector in self.reflectors if reflector.resource == resource)
        found = cache.get(name)
        return found["metadata"]["resourceVersion"] if found else None
