"""Tells whether a live Kubernetes object still is what was applied, so that nothing is written twice."""

from __future__ import annotations

import hashlib
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

import msgspec

from logits_core.entities.model import JsonObject
from logits_core.reconcile.fields import child, value

FINGERPRINT: Final = "logits.ai/applied"
"""Annotation with the digest of the manifest that was applied last."""


def with_fingerprint(manifest: JsonObject) -> JsonObject:
    """The manifest with its own digest as an annotation."""
    digest = hashlib.sha256(msgspec.json.encode(manifest, order="sorted")).hexdigest()[:16]
    metadata = manifest["metadata"]
    annotations = {**child(manifest, "metadata", "annotations"), FINGERPRINT: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def same_manifest(live: JsonObject, manifest: JsonObject) -> bool:
    """Whether the live object was applied from this very manifest (which carries its fingerprint)."""
    return value(live, "metadata", "annotations", FINGERPRINT) == manifest["metadata"]["annotations"][FINGERPRINT]


def covers(live: Any, wanted: Any) -> bool:
    """Whether ``live`` has all that ``wanted`` says; servers and others may have added more.

    Lists of named things are compared by name, other lists in order; quantities by value,
    because servers write 1024Mi as 1Gi.
    """
    if isinstance(wanted, dict):
        wanted_object = cast("JsonObject", wanted)
        if not isinstance(live, dict):
            return not wanted_object and live is None  # servers leave empty objects out
        live_object = cast("JsonObject", live)
        return all(covers(live_object.get(key), value) for key, value in wanted_object.items())
    if isinstance(wanted, list):
        return _covers_list(cast("list[Any]", live or []), cast("list[Any]", wanted))
    return live == wanted or _same_quantity(live, wanted)


def _covers_list(live: list[Any], wanted: list[Any]) -> bool:
    if not _named(wanted):
        return len(live) == len(wanted) and all(covers(have, want) for have, want in zip(live, wanted, strict=True))
    objects = [cast("JsonObject", item) for item in live if isinstance(item, dict)]
    by_name = {item["name"]: item for item in objects if "name" in item}
    return all(covers(by_name.get(want["name"]), want) for want in wanted)


def _named(items: list[Any]) -> bool:
    names = [cast("JsonObject", item).get("name") for item in items if isinstance(item, dict)]
    return bool(items) and len(names) == len(items) == len(set(names)) and None not in names


_SUFFIXES: Final = {"m": Decimal("0.001"), "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    f"{letter}i": 1024**power for power, letter in enumerate("KMGTP", start=1)
}


def quantity(text: Any) -> Decimal | None:
    """The value of a Kubernetes quantity such as ``500m`` or ``1Gi``; None when it is none."""
    if isinstance(text, bool) or not isinstance(text, (str, int)):
        return None
    digits = str(text)
    suffix = next((known for known in _SUFFIXES if digits.endswith(known)), "")
    try:
        number = Decimal(digits.removesuffix(suffix))
    except InvalidOperation:
        return None
    return number * _SUFFIXES.get(suffix, 1) if number.is_finite() else None


def _same_quantity(live: Any, wanted: Any) -> bool:
    value = quantity(wanted)
    return value is not None and value == quantity(live)
