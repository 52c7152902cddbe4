"""A pod's volumes as directories: configuration, secrets, tokens, scratch space and claims."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio

from logits_core.errors import ErrorCode, LogitsError
from logits_local.controllers.objects import name, namespace, part, uid
from logits_local.nodes.environment import ConfigError, Mount, field
from logits_local.nodes.settings import KubeletSettings
from logits_shell.kubernetes.client import KubernetesClient
from logits_shell.kubernetes.resources import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    SECRETS,
    SERVICE_ACCOUNTS,
    KubernetesObject,
    Resource,
)

_REFRESH_SHARE = 0.8
_RETRY_SECONDS = 10.0


async def fetch(client: KubernetesClient, resource: Resource, item: str, where: str) -> KubernetesObject | None:
    """An object, or None when there is none.

    Raises:
        LogitsError: the API server failed otherwise.
    """
    try:
        return await client.get(resource, item, namespace=where)
    except LogitsError as failure:
        if failure.code is ErrorCode.NOT_FOUND:
            return None
        raise


def write_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put a file in place in one step, so that a reader sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode)
    fresh.write_bytes(content)
    fresh.replace(path)


class Volumes:
    """The volumes of one pod; ConfigMaps and Secrets are read when the pod starts.

    Args:
        pod: the pod.
        address: its address, for downward API files.
        settings: the kubelet's settings.
    """

    def __init__(self, pod: KubernetesObject, address: str, settings: KubeletSettings) -> None:
        self._pod = pod
        self._address = address
        self._settings = settings
        self._root = settings.pod_directory(uid(pod)) / "volumes"
        self._places: dict[str, Path] = {}
        self._tokens: list[tuple[Path, dict[str, Any]]] = []
        self._refresh_in = _RETRY_SECONDS

    async def prepare(self) -> None:
        """Make every volume.

        Raises:
            ConfigError: something that a volume needs is missing.
            LogitsError: the API server failed.
        """
        self._tokens.clear()
        for volume in self._pod["spec"].get("volumes") or ():
            self._places[volume["name"]] = await self._make(volume)
        await self._write_tokens()

    def mounts(self, container: Mapping[str, Any]) -> list[Mount]:
        """Where a container's mount paths really are."""
        return [
            Mount(entry["mountPath"], self._places[entry["name"]] / entry.get("subPath", ""))
            for entry in container.get("volumeMounts") or ()
        ]

    async def refresh_tokens(self) -> None:
        """Renew projected tokens for ever, each time four fifths of the shortest life have passed."""
        while self._tokens:
            await anyio.sleep(self._refresh_in)
            try:
                await self._write_tokens()
            except LogitsError as failure:
                self._refresh_in = _RETRY_SECONDS
                self._settings.log.warning(
                    "a token of pod {pod} was not renewed: {failure}",
                    pod=name(self._pod),
                    failure=str(failure),
                )

    async def _make(self, volume: Mapping[str, Any]) -> Path:
        place = self._root / volume["name"]
        place.mkdir(parents=True, exist_ok=True)
        if "configMap" in volume:
            source = volume["configMap"]
            await self._keys(place, CONFIG_MAPS, source, source["name"])
        elif "secret" in volume:
            source = volume["secret"]
            await self._keys(place, SECRETS, source, source["secretName"])
        elif "projected" in volume:
            for source in volume["projected"].get("sources") or ():
                await self._project(place, source)
        elif "downwardAPI" in volume:
            self._downward(place, volume["downwardAPI"].get("items") or ())
        elif "persistentVolumeClaim" in volume:
            return await self._claim(volume["persistentVolumeClaim"]["claimName"])
        elif "emptyDir" not in volume:
            kinds = ", ".join(sorted(volume.keys() - {"name"})) or "no source"
            raise ConfigError(f'volume "{volume["name"]}" ({kinds}) isn\'t offered here')
        return place

    async def _project(self, place: Path, source: Mapping[str, Any]) -> None:
        if "serviceAccountToken" in source:
            spec = source["serviceAccountToken"]
            self._tokens.append((place / spec["path"], dict(spec)))
        elif "configMap" in source:
            await self._keys(place, CONFIG_MAPS, source["configMap"], source["configMap"]["name"])
        elif "secret" in source:
            await self._keys(place, SECRETS, source["secret"], source["secret"]["name"])
        elif "downwardAPI" in source:
            self._downward(place, source["downwardAPI"].get("items") or ())

    def _downward(self, place: Path, items: Iterable[Mapping[str, Any]]) -> None:
        for item in items:
            text = field(self._pod, self._address, item["fieldRef"]["fieldPath"])
            write_file(place / item["path"], text.encode())

    async def _keys(self, place: Path, resource: Resource, source: Mapping[str, Any], source_name: str) -> None:
        item = await fetch(self._settings.client, resource, source_name, namespace(self._pod))
        if item is None:
            if resource is CONFIG_MAPS and source_name == "kube-root-ca.crt":
                # Every namespace of a real cluster has this one from its controller manager.
                write_file(place / "ca.crt", self._settings.ca_file.read_bytes())
            elif not source.get("optional"):
                raise ConfigError(f'{resource.kind.lower()} "{source_name}" not found')
            return
        files = _file_contents(item)
        wanted = source.get("items") or [{"key": key, "path": key} for key in files]
        for entry in wanted:
            if entry["key"] in files:
                write_file(place / entry["path"], files[entry["key"]])
            elif not source.get("optional"):
                raise ConfigError(f"{resource.kind} {source_name} has no key {entry['key']}")

    async def _claim(self, claim: str) -> Path:
        item = await fetch(self._settings.client, PERSISTENT_VOLUME_CLAIMS, claim, namespace(self._pod))
        if item is None:
            raise ConfigError(f'persistentvolumeclaim "{claim}" not found')
        # The uid keeps a new claim of an old name apart; deleted claims' data stays (Retain).
        place = self._settings.directory / "volumes" / namespace(self._pod) / f"{claim}-{uid(item)[:8]}"
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        return place

    async def _write_tokens(self) -> None:
        lives: list[float] = []
        for path, spec in self._tokens:
            answer = await self._request_token(spec)
            write_file(path, answer["token"].encode())
            ends = datetime.fromisoformat(answer["expirationTimestamp"])
            lives.append((ends - self._settings.clock()).total_seconds())
        self._refresh_in = max(_RETRY_SECONDS, min(lives, default=0.0) * _REFRESH_SHARE)

    async def _request_token(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        bound = {"apiVersion": "v1", "kind": "Pod", "name": name(self._pod), "uid": uid(self._pod)}
        wanted: dict[str, Any] = {
            "expirationSeconds": int(spec.get("expirationSeconds") or 3600),
            "boundObjectRef": bound,
        }
        if spec.get("audience"):
            wanted["audiences"] = [spec["audience"]]
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": wanted}
        account = self._pod["spec"].get("serviceAccountName") or "default"
        answer = await self._settings.client.create_subresource(
            SERVICE_ACCOUNTS, account, "token", request, namespace=namespace(self._pod)
        )
        return answer["status"]


def _file_contents(item: KubernetesObject) -> dict[str, bytes]:
    data: dict[str, str] = part(item, "data")
    if item.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in data.items()}
    binary: dict[str, str] = part(item, "binaryData")
    return {key: value.encode() for key, value in data.items()} | {
        key: base64.b64decode(value) for key, value in binary.items()
    }
