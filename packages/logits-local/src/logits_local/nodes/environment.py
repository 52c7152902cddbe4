"""A container's environment and arguments: references resolved, mounted paths made real."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logits_local.controllers.objects import part
from logits_shell.kubernetes.resources import KubernetesObject

Source = tuple[str, str]
"""Kind (``ConfigMap`` or ``Secret``) and name of an object that variables come from."""
Sources = Mapping[Source, Mapping[str, str] | None]
"""The data of each source; None where there is no such object."""

_VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(Exception):
    """The container can't be made from what the cluster holds; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted volume: where the container looks for it, and where it really is."""

    path: str
    real: Path


def sources_of(container: Mapping[str, Any]) -> set[Source]:
    """The ConfigMaps and Secrets that a container's variables need."""
    found: set[Source] = set()
    for entry in container.get("envFrom") or ():
        for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if key in entry:
                found.add((kind, entry[key]["name"]))
    for entry in container.get("env") or ():
        value_from = part(entry, "valueFrom")
        for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if key in value_from:
                found.add((kind, value_from[key]["name"]))
    return found


def source_data(item: KubernetesObject) -> dict[str, str]:
    """The text of a ConfigMap's or Secret's keys."""
    data: dict[str, str] = part(item, "data")
    if item.get("kind") == "Secret":
        return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
    return data


def environment(
    container: Mapping[str, Any],
    pod: KubernetesObject,
    address: str,
    sources: Sources,
    *,
    start: Mapping[str, str],
    mounts: Iterable[Mount],
) -> dict[str, str]:
    """The variables of a container's process.

    Args:
        container: the container's spec.
        pod: its pod.
        address: the pod's address, for ``status.podIP``.
        sources: the data of all its sources.
        start: what the node and the image set; the container's own variables win.
        mounts: paths to make real in the container's own values.

    Raises:
        ConfigError: a source or a key that isn't optional is missing, or a reference isn't known.
    """
    variables = dict(start)
    for entry in container.get("envFrom") or ():
        variables.update(_from_source(entry, sources))
    for entry in container.get("env") or ():
        if "valueFrom" in entry:
            value = _value_from(entry, pod, address, sources)
            if value is None:
                continue
        else:
            value = expand(entry.get("value") or "", variables)
        variables[entry["name"]] = real_paths(value, mounts)
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by the variable; ``$$`` is a dollar, unknown names stay as they are."""

    def replacement(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return "$"
        return variables.get(match.group(1), match.group(0))

    return _VARIABLE.sub(replacement, text)


def real_paths(text: str, mounts: Iterable[Mount]) -> str:
    """Replace mount paths in a value by the directories behind them.

    A path counts when the value is that path or lies under it, or when the path follows ``=``,
    ``,``, ``:`` or the slashes of a URL such as ``sqlite:///``.
    """
    for mount in sorted(mounts, key=lambda mount: len(mount.path), reverse=True):
        pattern = rf"(^|[=,:]|:///){re.escape(mount.path.rstrip('/'))}(?=$|[/,:])"
        replaced = re.sub(pattern, lambda match, mount=mount: match.group(1) + str(mount.real), text)
        if replaced != text:
            return replaced
    return text


def field(pod: KubernetesObject, address: str, path: str) -> str:
    """The value of a downward API field.

    Raises:
        ConfigError: the field isn't offered.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    values = {
        "metadata.name": metadata.get("name"),
        "metadata.namespace": metadata.get("namespace"),
        "metadata.uid": metadata.get("uid"),
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.podIP": address,
        "status.podIPs": address,
        "status.hostIP": "127.0.0.1",
    }
    if path in values:
        return str(values[path])
    if path in ("metadata.labels", "metadata.annotations"):
        pairs: dict[str, str] = metadata.get(path.removeprefix("metadata.")) or {}
        return "".join(f'{key}="{value}"\n' for key, value in sorted(pairs.items()))
    if match := _SUBSCRIPT.fullmatch(path):
        return str(part(metadata, match.group(1)).get(match.group(2), ""))
    raise ConfigError(f"the field {path!r} isn't offered to containers here")


def _from_source(entry: Mapping[str, Any], sources: Sources) -> dict[str, str]:
    reference = entry.get("configMapRef") or part(entry, "secretRef")
    kind = "ConfigMap" if "configMapRef" in entry else "Secret"
    data = sources.get((kind, reference["name"]))
    if data is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    return {entry.get("prefix", "") + key: value for key, value in data.items()}


def _value_from(entry: Mapping[str, Any], pod: KubernetesObject, address: str, sources: Sources) -> str | None:
    value_from = entry["valueFrom"]
    if "fieldRef" in value_from:
        return field(pod, address, value_from["fieldRef"]["fieldPath"])
    for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if key in value_from:
            return _key_of(value_from[key], kind, sources)
    raise ConfigError(f"the variable {entry['name']} has a source that isn't offered here")


def _key_of(reference: Mapping[str, Any], kind: str, sources: Sources) -> str | None:
    data = sources.get((kind, reference["name"]))
    value = None if data is None else data.get(reference["key"])
    if value is None and not reference.get("optional"):
        if data is None:
            raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
        raise ConfigError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    return value
