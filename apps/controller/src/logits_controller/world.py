"""The world as one snapshot: the caches of cluster and Entity DB put together for the plan."""

from __future__ import annotations

from datetime import timedelta

from logits_controller.adapters.cluster import Cluster
from logits_controller.adapters.entities import Entities
from logits_controller.settings import Settings
from logits_core.errors import LogitsError
from logits_core.reconcile import Customizations, Desired, Memory, Observed, Release
from logits_shell.log import Logger


class CachedWorld:
    """Snapshots of the caches.

    Args:
        cluster: caches of Kubernetes objects.
        entities: caches of entities.
        release: what the Gateway wants to run.
        settings: namespace and patience.
        log: for limits that can't be read.
    """

    def __init__(self, cluster: Cluster, entities: Entities, release: Release, settings: Settings, log: Logger) -> None:
        self._cluster = cluster
        self._entities = entities
        self._release = release
        self._settings = settings
        self._log = log
        self._complaint = ""

    async def synced(self) -> None:
        """Wait until the cluster was seen once; the Entity DB may come later."""
        await self._cluster.synced()

    def observe(self, memory: Memory) -> Observed:
        """What is."""
        cluster, entities = self._cluster, self._entities
        return Observed(
            deployments=cluster.deployments.named(),
            services=cluster.services.named(),
            claims=cluster.claims.named(),
            pods=cluster.pods.named(),
            nodes=cluster.nodes.named(),
            pods_current=cluster.pods.connected,
            llm_servers=entities.snapshot("llmservers"),
            demands=entities.snapshot("demands"),
            components=entities.snapshot("components"),
            memory=memory,
        )

    def desired(self) -> Desired:
        """What should be."""
        return Desired(
            release=self._release,
            namespace=self._settings.namespace,
            anchor=self._cluster.anchor(),
            customizations=self._limits(),
            language_models=self._entities.snapshot("languagemodels"),
            model_deployments=self._entities.snapshot("modeldeployments"),
            image_pull_policy=self._settings.image_pull_policy,
            scale_down_after=timedelta(seconds=self._settings.scale_down_seconds),
        )

    def _limits(self) -> Customizations | None:
        try:
            return self._cluster.customizations()
        except LogitsError as error:
            if error.message != self._complaint:
                self._complaint = error.message
                self._log.error("the customer's limits can't be read: {message}", message=error.message)
            return None
