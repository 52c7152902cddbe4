"""The kubelet's loop: one runner per pod that is bound to this machine."""

from __future__ import annotations

from collections.abc import Collection

import anyio
from anyio.abc import TaskGroup

from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction import Count
from logits_local.controllers.objects import deleting, name, namespace, part, pod_finished, uid
from logits_local.network.addresses import pod_address
from logits_local.nodes.orphans import end_orphans
from logits_local.nodes.pod import PodRunner, clean_up
from logits_local.nodes.settings import KubeletSettings
from logits_shell.kubernetes.changes import Changes
from logits_shell.kubernetes.reflector import Reflector
from logits_shell.kubernetes.resources import PODS, KubernetesObject

_DEFAULT_GRACE_SECONDS = 30.0
_SHUTDOWN_GRACE_SECONDS = 8.0


class Kubelet:
    """Runs the pods of its nodes; all nodes of the embedded cluster are this one machine.

    Args:
        settings: paths, client, clock and log.
        nodes: names of the nodes whose pods it runs.
        pods: a cache of all pods.
        changes: what the cache rings.
    """

    def __init__(self, settings: KubeletSettings, nodes: Collection[str], pods: Reflector, changes: Changes) -> None:
        self._settings = settings
        self._nodes = nodes
        self._pods = pods
        self._changes = changes
        self._runners: dict[str, PodRunner] = {}
        self._closing = False

    def close(self) -> None:
        """End all pods' processes and keep the pods; ``run`` returns when they are gone."""
        self._closing = True
        self._changes.ring()

    async def run(self) -> None:
        """Follow the pods until closed."""
        await self._pods.synced.wait()
        orphans = end_orphans(self._settings.directory)
        if orphans:
            self._settings.log.warning("ended {count} processes of an earlier run", count=Count(orphans))
        self._forget_files()
        async with anyio.create_task_group() as group:
            while not self._closing:
                seen = self._changes.count
                self._follow(group)
                await self._changes.wait(seen)
            for runner in self._runners.values():
                runner.stop(_SHUTDOWN_GRACE_SECONDS, remove=False)

    def _forget_files(self) -> None:
        """Remove what pods left that were deleted while no kubelet ran."""
        known = {uid(pod) for pod in self._pods.objects.values()}
        places = self._settings.directory / "pods"
        for place in places.iterdir() if places.is_dir() else ():
            if place.name not in known:
                clean_up(self._settings, place.name)

    def _follow(self, group: TaskGroup) -> None:
        here = {uid(pod): pod for pod in self._pods.objects.values() if pod["spec"].get("nodeName") in self._nodes}
        for pod_uid, pod in here.items():
            runner = self._runners.get(pod_uid)
            if runner is None:
                if not pod_finished(pod) or deleting(pod):
                    self._start(group, pod)
            elif _newer(pod, runner.pod):
                runner.pod = pod
            if deleting(pod) and (runner := self._runners.get(pod_uid)) is not None:
                grace = pod["metadata"].get("deletionGracePeriodSeconds")
                runner.stop(_DEFAULT_GRACE_SECONDS if grace is None else float(grace), remove=True)
        for pod_uid in self._runners.keys() - here.keys():
            self._runners[pod_uid].stop(0.0, remove=True)  # deleted without us, by force

    def _start(self, group: TaskGroup, pod: KubernetesObject) -> None:
        taken = {runner.address for runner in self._runners.values()}
        preferred = part(pod, "status").get("podIP")
        address = pod_address(uid(pod), taken, preferred=preferred)
        runner = PodRunner(pod, address, self._settings)
        self._runners[uid(pod)] = runner
        group.start_soon(self._run, runner)

    async def _run(self, runner: PodRunner) -> None:
        pod_uid = uid(runner.pod)
        try:
            await runner.run()
        except Exception as failure:  # noqa: BLE001 - one pod's failure must not end the others
            self._settings.log.error(
                "pod {namespace}/{pod} failed: {failure}",
                namespace=namespace(runner.pod),
                pod=name(runner.pod),
                failure=repr(failure),
            )
        finally:
            self._runners.pop(pod_uid, None)


def _newer(pod: KubernetesObject, known: KubernetesObject) -> bool:
    """Whether a cached pod is at least as new as the one a runner got back from its own write."""
    versions = (item["metadata"].get("resourceVersion") or "0" for item in (pod, known))
    return int(next(versions)) >= int(next(versions))


async def reset_statuses(settings: KubeletSettings, pods: Reflector) -> None:
    """Mark every pod as not ready before anything routes to processes that no longer run."""
    await pods.synced.wait()
    for pod in list(pods.objects.values()):
        conditions = part(pod, "status").get("conditions") or ()
        ready = any(c["type"] in ("Ready", "ContainersReady") and c["status"] == "True" for c in conditions)
        if not ready or pod_finished(pod):
            continue
        changed = [
            {**c, "status": "False", "reason": "ContainersNotReady"} if c["type"] in ("Ready", "ContainersReady") else c
            for c in conditions
        ]
        try:
            await settings.client.patch_status(PODS, name(pod), {"conditions": changed}, namespace=namespace(pod))
        except LogitsError as failure:
            if failure.code is not ErrorCode.NOT_FOUND:
                raise
