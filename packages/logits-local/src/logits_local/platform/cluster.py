"""The parts that make an API server a cluster: controllers, scheduler, network and kubelet, together."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from logits_local.controllers.loop import ControllerLoop
from logits_local.network.endpoints import HostForward
from logits_local.network.loop import NetworkLoop
from logits_local.nodes.kubelet import Kubelet, reset_statuses
from logits_local.nodes.machine import GPU_NODE, NODE, register
from logits_local.nodes.settings import KubeletSettings
from logits_shell.kubernetes.changes import Changes
from logits_shell.kubernetes.reflector import Reflector
from logits_shell.kubernetes.resources import (
    DEPLOYMENTS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Resource,
)

_CACHED = (DEPLOYMENTS, REPLICA_SETS, PODS, NODES, SERVICES)


class EmbeddedCluster:
    """One cluster: everything but the API server itself, as clients of its API.

    Args:
        kubelet: the kubelet's settings, with the client that all parts use.
        forwards: host ports.
        gpus: pretended GPUs.
    """

    def __init__(self, kubelet: KubeletSettings, forwards: tuple[HostForward, ...], gpus: int) -> None:
        self._settings = kubelet
        self._gpus = gpus
        changes = Changes()
        self._caches: dict[Resource, Reflector] = {
            resource: Reflector(kubelet.client, resource, changes=changes) for resource in _CACHED
        }
        self._controllers = ControllerLoop(kubelet.client, self._caches, changes, clock=kubelet.clock, log=kubelet.log)
        self._network = NetworkLoop(
            self._caches[SERVICES],
            self._caches[PODS],
            changes,
            hosts_file=kubelet.hosts_file,
            forwards=forwards,
            log=kubelet.log,
        )
        self._kubelet = Kubelet(kubelet, (NODE, GPU_NODE), self._caches[PODS], changes)

    async def open(self) -> None:
        """Take the host ports, once, before ``run``.

        Raises:
            LogitsError: CONFLICT, one is in use.
        """
        await self._network.open()

    async def run(self, started: Callable[[], None]) -> None:
        """Run until ``close``.

        Args:
            started: called once the nodes are registered and the caches are filled.
        """
        await register(self._settings.client, self._gpus, self._settings.clock())
        async with anyio.create_task_group() as caches:
            for cache in self._caches.values():
                caches.start_soon(cache.run)
            await reset_statuses(self._settings, self._caches[PODS])
            for cache in self._caches.values():
                await cache.synced.wait()
            caches.start_soon(self._network.run)
            async with anyio.create_task_group() as writers:
                # Writers are never cancelled, so that no request breaks off in the middle.
                writers.start_soon(self._controllers.run)
                started()
                await self._kubelet.run()
                self._controllers.close()
            caches.cancel_scope.cancel()

    def close(self) -> None:
        """End every process; ``run`` returns when they are gone."""
        self._kubelet.close()
