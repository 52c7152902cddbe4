"""The lines of a watch stream as typed events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

from logits_shell.kubernetes.errors import malformed, status_failure
from logits_shell.kubernetes.resources import KubernetesObject


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch; a bookmark's object carries nothing but its resourceVersion."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: KubernetesObject


def checked(item: Any) -> KubernetesObject:
    """The value itself when it is an object with the metadata that caches rely on.

    Raises:
        ValueError: it isn't an object, or it has no resourceVersion.
    """
    if not isinstance(item, dict):
        raise ValueError("not an object")
    found = cast("KubernetesObject", item)
    metadata = found.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("resourceVersion"), str):  # pyright: ignore[reportUnknownMemberType]
        raise ValueError("no metadata.resourceVersion")
    return found


def decode_event(path: str, line: bytes) -> WatchEvent:
    """The event in one line.

    Raises:
        KubernetesError: the line makes no sense, or it is an ERROR event: then as its Status says.
    """
    try:
        event = msgspec.json.decode(line)
        kind, subject = event["type"], event["object"]
        if kind == "ERROR":
            raise status_failure("WATCH", path, subject)
        if kind not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK"):
            raise ValueError("unknown event type")
        found = checked(subject)
        if kind != "BOOKMARK" and not isinstance(found["metadata"].get("name"), str):
            raise ValueError("no metadata.name")
    except (msgspec.DecodeError, TypeError, KeyError, ValueError) as failure:
        raise malformed("WATCH", path) from failure
    return WatchEvent(kind, found)
