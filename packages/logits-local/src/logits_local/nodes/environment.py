"""A container's environment and arguments: references resolved, mounted paths made real."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logits_local.controllers.objects import part
from logits_shell.kubernetes.resources import KubernetesObject

Secrets = Mapping[str, Mapping[str, bytes] | None]
"""The data of each Secret by its name; None where there is no such Secret."""

_VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")


class ConfigError(Exception):
    """The container can't be made from what the cluster holds; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted volume: where the container looks for it, and where it really is."""

    path: str
    real: Path


def require_offered(pod: KubernetesObject) -> None:
    """Refuse a pod that asks for what this kubelet would silently leave out.

    Raises:
        ConfigError: names every such field.
    """
    spec = pod["spec"]
    lacking = ["initContainers"] if spec.get("initContainers") else []
    lacking += ["restartPolicy OnFailure"] if spec.get("restartPolicy") == "OnFailure" else []
    for container in spec["containers"]:
        lacking += [name for name in ("startupProbe", "envFrom", "lifecycle") if container.get(name)]
        probes = (name for name in ("readinessProbe", "livenessProbe") if name in container)
        lacking += [f"{name} without httpGet" for name in probes if "httpGet" not in container[name]]
        lacking += ["subPath" for mount in container.get("volumeMounts") or () if mount.get("subPath")]
    if lacking:
        raise ConfigError(f"not offered to pods here: {', '.join(lacking)}")


def secrets_of(container: Mapping[str, Any]) -> set[str]:
    """The names of the Secrets that a container's variables need."""
    sources = [part(entry, "valueFrom") for entry in container.get("env") or ()]
    return {source["secretKeyRef"]["name"] for source in sources if "secretKeyRef" in source}


def environment(
    container: Mapping[str, Any],
    pod: KubernetesObject,
    address: str,
    secrets: Secrets,
    *,
    start: Mapping[str, str],
    mounts: Iterable[Mount],
) -> dict[str, str]:
    """The variables of a container's process.

    Args:
        container: the container's spec.
        pod: its pod.
        address: the pod's address, for ``status.podIP``.
        secrets: the data of all Secrets that it names.
        start: what the node and the image set; the container's own variables win.
        mounts: paths to make real in the container's own values.

    Raises:
        ConfigError: a Secret or a key is missing, or a reference isn't offered here.
    """
    variables = dict(start)
    for entry in container.get("env") or ():
        source = part(entry, "valueFrom")
        if "fieldRef" in source:
            value = field(pod, address, source["fieldRef"]["fieldPath"])
        elif "secretKeyRef" in source:
            value = _secret_key(source["secretKeyRef"], secrets)
        elif source:
            raise ConfigError(f"the variable {entry['name']} has a source that isn't offered here")
        else:
            value = expand(entry.get("value") or "", variables)
        variables[entry["name"]] = real_paths(value, mounts)
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by the variable; ``$$`` is a dollar, unknown names stay as they are."""

    def replacement(match: re.Match[str]) -> str:
        return "$" if match[1] is None else variables.get(match[1], match[0])

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
    section, _, name = path.partition(".")
    if path in ("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"):
        return str(pod[section].get(name))
    if path == "status.podIP":
        return address
    raise ConfigError(f"the field {path!r} isn't offered to containers here")


def _secret_key(reference: Mapping[str, Any], secrets: Secrets) -> str:
    data = secrets.get(reference["name"])
    if data is None:
        raise ConfigError(f'secret "{reference["name"]}" not found')
    if reference["key"] not in data:
        raise ConfigError(f"couldn't find key {reference['key']} in Secret {reference['name']}")
    return data[reference["key"]].decode(errors="replace")
