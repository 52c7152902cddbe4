"""One pod on this machine: volumes, containers, status, and an orderly end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import Any

import anyio
from anyio.abc import TaskGroup

from logits_core.errors import ErrorCode, LogitsError
from logits_local.controllers.objects import name, namespace, part, uid
from logits_local.nodes.container import ContainerRunner, Launch
from logits_local.nodes.environment import (
    ConfigError,
    environment,
    expand,
    real_paths,
    require_offered,
    secrets_of,
)
from logits_local.nodes.images import Image
from logits_local.nodes.probes import ProbeTarget
from logits_local.nodes.settings import KubeletSettings
from logits_local.nodes.status import ContainerRecord, Waiting, pod_status
from logits_local.nodes.volumes import Volumes, contents, fetch
from logits_shell.kubernetes.resources import PODS, SECRETS, KubernetesObject

MARKER = "EMBEDDED_CLUSTER"
"""The variable by which a later kubelet recognises processes that an earlier one left behind."""
_LONGEST_RETRY_SECONDS = 10.0


class PodRunner:
    """Runs one pod.

    Args:
        pod: the pod as first seen; ``pod`` is replaced whenever it changes.
        address: its own loopback address.
        settings: the kubelet's settings.
    """

    def __init__(self, pod: KubernetesObject, address: str, settings: KubeletSettings) -> None:
        self.pod = pod
        self.address = address
        self._settings = settings
        self._volumes = Volumes(pod, address, settings)
        self._began = settings.clock()
        known = _restart_counts(pod)
        self._records = [_record(spec, known) for spec in pod["spec"]["containers"]]
        self._dirty = anyio.Event()
        self._dirty.set()
        self._preparing = anyio.CancelScope()
        self._running: list[ContainerRunner] = []
        self._stopping = self._ended = False
        self._grace = 30.0
        self._remove = False

    def stop(self, grace: float, *, remove: bool) -> None:
        """Begin to end the pod.

        Args:
            grace: seconds between SIGTERM and SIGKILL.
            remove: whether the pod's object and files go too, as for a deleted pod.
        """
        self._remove = self._remove or remove
        if self._stopping:
            return
        self._stopping = True
        self._grace = grace
        self._preparing.cancel()
        for runner in self._running:
            runner.stop(grace)

    async def run(self) -> None:
        """Run the pod to its end and leave its last status behind."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._report)
            async with anyio.create_task_group() as background:
                await self._live(background)
                background.cancel_scope.cancel()
            self._ended = True
            self._changed()
        if self._remove:
            await self._delete()

    async def _live(self, background: TaskGroup) -> None:
        with self._preparing:
            await self._prepare_volumes()
        background.start_soon(self._volumes.refresh_tokens)
        if self._stopping:
            return
        async with anyio.create_task_group() as group:
            for spec, record in zip(self.pod["spec"]["containers"], self._records, strict=True):
                group.start_soon(self._runner(spec, record).run)

    def _runner(self, spec: Mapping[str, Any], record: ContainerRecord) -> ContainerRunner:
        runner = ContainerRunner(
            spec,
            record,
            prepare=self._launch,
            logs=self._settings.log_directory / uid(self.pod) / record.name,
            restarts=self.pod["spec"].get("restartPolicy") != "Never",
            settings=self._settings,
            changed=self._changed,
        )
        self._running.append(runner)
        return runner

    # -- preparation

    async def _prepare_volumes(self) -> None:
        pause = self._settings.first_back_off
        while True:
            try:
                require_offered(self.pod)
                await self._volumes.prepare()
                return
            except (ConfigError, LogitsError) as failure:
                for record in self._records:
                    record.state = Waiting("ContainerCreating", str(failure))
                self._changed()
            await anyio.sleep(pause)
            pause = min(_LONGEST_RETRY_SECONDS, 2 * pause)

    async def _launch(self, spec: Mapping[str, Any]) -> Launch:
        """Resolve one container.

        Raises:
            ConfigError: a Secret or key is missing.
            LogitsError: the image is unknown, or the API server failed.
        """
        image = self._settings.images.find(spec["image"])
        if image is None:
            raise LogitsError(
                ErrorCode.NOT_FOUND,
                f'Container image "{spec["image"]}" is not present with pull policy of Never',
                reason="ErrImageNeverPull",
            )
        mounts = self._volumes.mounts(spec)
        home = self._settings.pod_directory(uid(self.pod)) / "home" / spec["name"]
        home.mkdir(parents=True, exist_ok=True)
        temporary = next((str(mount.real) for mount in mounts if mount.path == "/tmp"), str(home))  # noqa: S108
        env = environment(
            spec,
            self.pod,
            self.address,
            {secret: await self._secret(secret) for secret in secrets_of(spec)},
            start=self._node_environment(image, str(home), temporary),
            mounts=mounts,
        )
        # The image's own command is a path of this machine, also when it lies below a mount path.
        own = [] if spec.get("command") else list(image.command)
        words = [*(spec.get("command") or ()), *(spec.get("args") or ())]
        argv = [*own, *(real_paths(expand(word, env), mounts) for word in words)]
        return Launch(argv, env, home, ProbeTarget(self.address, _ports(spec)))

    def _node_environment(self, image: Image, home: str, temporary: str) -> dict[str, str]:
        """What every container gets; nothing of the host's own environment is in it."""
        api_port = str(self._settings.api_port)
        return {
            "PATH": self._settings.path,
            "HOME": home,
            "TMPDIR": temporary,
            "LANG": "C.UTF-8",
            "HOSTNAME": name(self.pod),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": api_port,
            "KUBERNETES_SERVICE_PORT_HTTPS": api_port,
            "PYTHONPATH": str(self._settings.shim_directory),
            "PYTHONUNBUFFERED": "1",
            "EMBEDDED_HOSTS_FILE": str(self._settings.hosts_file),
            "EMBEDDED_NAMESPACE": namespace(self.pod),
            "EMBEDDED_KUBELET_PID": str(os.getpid()),
            MARKER: str(self._settings.directory),
            **image.env,
        }

    async def _secret(self, secret: str) -> dict[str, bytes] | None:
        item = await fetch(self._settings.client, SECRETS, secret, namespace(self.pod))
        return None if item is None else contents(item)

    # -- status

    def _changed(self) -> None:
        self._dirty.set()

    async def _report(self) -> None:
        """Publish after every change, for the last time after the end."""
        while not self._ended or self._dirty.is_set():
            await self._dirty.wait()
            self._dirty = anyio.Event()
            await self._publish()

    async def _publish(self) -> None:
        """Write the status if it differs; retried while the API server is away."""
        pause = 0.2
        while True:
            status = pod_status(self.pod, self.address, self._began, self._records, self._settings.clock())
            known = part(self.pod, "status")
            if all(known.get(key) == value for key, value in status.items()):
                return
            try:
                patched = self._settings.client.patch_status
                self.pod = await patched(PODS, name(self.pod), status, namespace=namespace(self.pod))
                return
            except LogitsError as failure:
                if failure.code is not ErrorCode.UNAVAILABLE or self._stopping:
                    self._settings.log.debug("status of {pod}: {why}", pod=name(self.pod), why=str(failure))
                    return
            await anyio.sleep(pause)
            pause = min(_LONGEST_RETRY_SECONDS, 2 * pause)

    async def _delete(self) -> None:
        clean_up(self._settings, uid(self.pod))
        delete, where, own = self._settings.client.delete, namespace(self.pod), uid(self.pod)
        try:
            await delete(PODS, name(self.pod), namespace=where, uid=own, grace_seconds=0)
        except LogitsError as failure:
            if failure.code not in (ErrorCode.NOT_FOUND, ErrorCode.CONFLICT):
                raise


def clean_up(settings: KubeletSettings, pod_uid: str) -> None:
    """Remove the files of a pod that is gone: volumes other than claims, homes and logs."""
    for place in (settings.pod_directory(pod_uid), settings.log_directory / pod_uid):
        shutil.rmtree(place, ignore_errors=True)


def _record(spec: Mapping[str, Any], restarts: Mapping[str, int]) -> ContainerRecord:
    return ContainerRecord(
        spec["name"], spec["image"], Waiting("ContainerCreating"), restarts=restarts.get(spec["name"], 0)
    )


def _restart_counts(pod: KubernetesObject) -> dict[str, int]:
    """Counts to go on with: a container that an earlier kubelet ran is now restarted once more."""
    statuses: list[dict[str, Any]] = part(pod, "status").get("containerStatuses") or []
    return {held["name"]: int(held.get("restartCount") or 0) + bool(held.get("containerID")) for held in statuses}


def _ports(spec: Mapping[str, Any]) -> dict[str, int]:
    return {port["name"]: int(port["containerPort"]) for port in spec.get("ports") or () if port.get("name")}
