"""Audit records for tests, and logs on disk made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from logits_core.audit import (
    WIDTH,
    Act,
    Checkpoint,
    LogKey,
    canonical,
    encode_entry,
    event,
    frontier_of,
    leaf_hash,
    tile_path,
)

KEY = LogKey("logits.ai/audit/e/1.test", Ed25519PrivateKey.from_private_bytes(b"k" * 32))


def record(number: int, verb: str = "get", notes: dict[str, str] | None = None) -> dict[str, Any]:
    """The record of a read, one a second."""
    act = Act(f"id-{number}", float(number), verb, f"/api/v1/namespaces/logits/pods/p-{number}", notes=notes or {})
    return event(act, "ResponseComplete", now=float(number), code=200)


def pair(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The intent and the outcome of a change."""
    act = Act(f"id-{number}", float(number), "patch", "/api/v1/namespaces/logits/configmaps/logits-a")
    return event(act, "RequestReceived", now=float(number)), event(act, "ResponseComplete", now=number + 0.5, code=200)


def signed(entries: list[bytes], key: LogKey = KEY) -> str:
    """A checkpoint over entries."""
    root = frontier_of(leaf_hash(entry) for entry in entries).root
    return key.sign_note(Checkpoint(key.name, len(entries), root).text())


def write_log(directory: Path, entries: list[bytes], note: str | None = None) -> Path:
    """Lay a log out as a verifier reads it."""
    for index in range(0, len(entries), WIDTH):
        bundle = entries[index : index + WIDTH]
        path = directory / tile_path(None, index // WIDTH, len(bundle))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(encode_entry(entry) for entry in bundle))
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "checkpoint").write_text(note if note is not None else signed(entries))
    return directory


def encoded(count: int) -> list[bytes]:
    """As many records as entries."""
    return [canonical(record(number)) for number in range(1, count + 1)]
