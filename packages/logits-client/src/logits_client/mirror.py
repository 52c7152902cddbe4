"""The mirror: audit logs of a platform as files on disk, fetched once and only ever added to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from logits_client.calls import Call
from logits_client.sync import Logits
from logits_client.verify import WIDTH, VerifyError, read_checkpoint, tile_path


class LogFacts(msgspec.Struct, frozen=True):
    """Where a log is, what it is called, and the key that the platform names for it."""

    prefix: str
    origin: str
    key: str
    current: bool


class Logs(msgspec.Struct, frozen=True):
    """Every log of a platform, oldest first."""

    logs: list[LogFacts]


@dataclass(frozen=True)
class MirroredLog:
    """A log on disk; ``key`` is what the platform names, which proves nothing by itself."""

    directory: Path
    key: str


def logs_of(client: Logits) -> list[LogFacts]:
    """Every log of a platform, oldest first."""
    return client.run(Call("GET", "/audit/logs", Logs)).logs


def fetch(client: Logits, facts: LogFacts, path: str) -> bytes:
    """A file of a log."""
    return client.run(Call("GET", f"{facts.prefix}/{path}", bytes))


def pull(client: Logits, directory: Path) -> list[MirroredLog]:
    """Fetch what is new of every log.

    Raises:
        VerifyError: what was fetched before is not the beginning of what is there now.
    """
    found: list[MirroredLog] = []
    for facts in logs_of(client):
        place = directory / facts.prefix.rpartition("/")[2]
        place.mkdir(parents=True, exist_ok=True)
        _pull_one(client, facts, place)
        (place / "key").write_text(facts.key + "\n", encoding="utf-8")
        found.append(MirroredLog(place, facts.key))
    return found


def stored(directory: Path) -> list[MirroredLog]:
    """The logs that were pulled into a directory, or the one log that it is."""
    places = [directory] if (directory / "checkpoint").exists() else sorted(directory.glob("[0-9]*/"))
    keys = [place / "key" for place in places]
    return [
        MirroredLog(place, key.read_text(encoding="utf-8").strip() if key.exists() else "")
        for place, key in zip(places, keys, strict=True)
    ]


def _pull_one(client: Logits, facts: LogFacts, place: Path) -> None:
    note = fetch(client, facts, "checkpoint").decode()
    size = read_checkpoint(note).size
    for index in range(-(-size // WIDTH)):
        width = min(WIDTH, size - index * WIDTH)
        path = tile_path(index, width)
        target = place / path
        if target.exists():
            continue
        data = fetch(client, facts, path)
        for shorter in _partials(place, index):
            if not data.startswith(shorter.read_bytes()):
                raise VerifyError(f"bundle {index} of {facts.origin} changed since it was fetched: the log was forked")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    (place / "checkpoint").write_text(note, encoding="utf-8")


def _partials(place: Path, index: int) -> Iterator[Path]:
    full = place / tile_path(index)
    yield from full.parent.glob(f"{full.name}.p/*")
