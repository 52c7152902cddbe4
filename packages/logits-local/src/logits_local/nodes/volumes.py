"""A pod's volumes as directories: configuration, secrets, tokens, scratch space and claims."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio

from logits_core.errors import ErrorCode, LogitsError
from logits_local.controllers.objects import name, namespace, part, uid
from logits_local.files import write_private
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


def contents(item: KubernetesObject) -> dict[str, bytes]:
    """What the keys of a ConfigMap or Secret hold."""
    data: dict[str, str] = part(item, "data")
    if item.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in data.items()}
    return {key: value.encode() for key, value in data.items()}


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
        entries: list[dict[str, str]] = container.get("volumeMounts") or []
        return [Mount(entry["mountPath"], self._places[entry["name"]]) for entry in entries]

    async def refresh_tokens(self) -> None:
        """Renew projected tokens for ever, each time four fifths of the shortest life have passed."""
        while self._tokens:
            await anyio.sleep(self._refresh_in)
            try:
                await self._write_tokens()
            except LogitsError as failure:
                self._refresh_in = _RETRY_SECONDS
                text = "a token of pod {pod} was not renewed: {failure}"
                self._settings.log.warning(text, pod=name(self._pod), failure=str(failure))

    async def _make(self, volume: Mapping[str, Any]) -> Path:
        if "persistentVolumeClaim" in volume:
            return await self._claim(volume["persistentVolumeClaim"]["claimName"])
        place = self._root / volume["name"]
        place.mkdir(parents=True, exist_ok=True)
        if "projected" in volume:
            for source in volume["projected"].get("sources") or ():
                await self._source(place, source)
        elif "emptyDir" not in volume:
            await self._source(place, volume)
        return place

    async def _source(self, place: Path, source: Mapping[str, Any]) -> None:
        """Fill a volume from one source of files."""
        if "serviceAccountToken" in source:
            spec = source["serviceAccountToken"]
            self._tokens.append((place / spec["path"], spec))
        elif "configMap" in source:
            await self._keys(place, CONFIG_MAPS, source["configMap"]["name"], source["configMap"])
        elif "secret" in source:
            secret = source["secret"]
            await self._keys(place, SECRETS, secret.get("secretName") or secret["name"], secret)
        elif "downwardAPI" in source:
            for item in source["downwardAPI"].get("items") or ():
                write_private(place / item["path"], field(self._pod, self._address, item["fieldRef"]["fieldPath"]))
        else:
            kinds = ", ".join(sorted(source.keys() - {"name"})) or "no source"
            raise ConfigError(f"a volume of this kind isn't offered here: {kinds}")

    async def _keys(self, place: Path, resource: Resource, source: str, wanted: Mapping[str, Any]) -> None:
        item = await fetch(self._settings.client, resource, source, namespace(self._pod))
        if item is None:
            raise ConfigError(f'{resource.kind.lower()} "{source}" not found')
        files = contents(item)
        for entry in wanted.get("items") or [{"key": key, "path": key} for key in files]:
            if entry["key"] not in files:
                raise ConfigError(f"{resource.kind} {source} has no key {entry['key']}")
            write_private(place / entry["path"], files[entry["key"]])

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
            write_private(path, answer["token"])
            ends = datetime.fromisoformat(answer["expirationTimestamp"])
            lives.append((ends - self._settings.clock()).total_seconds())
        self._refresh_in = max(_RETRY_SECONDS, min(lives, default=0.0) * _REFRESH_SHARE)

    async def _request_token(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        bound = {"apiVersion": "v1", "kind": "Pod", "name": name(self._pod), "uid": uid(self._pod)}
        wanted: dict[str, Any] = {"expirationSeconds": spec["expirationSeconds"], "boundObjectRef": bound}
        if spec.get("audience"):
            wanted["audiences"] = [spec["audience"]]
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": wanted}
        account = self._pod["spec"]["serviceAccountName"]
        answer = await self._settings.client.create_subresource(
            SERVICE_ACCOUNTS, account, "token", request, namespace=namespace(self._pod)
        )
        return answer["status"]
