"""The chain: entries linked by hashes, so that any edit, drop, insertion or reorder shows.

The format is simple enough to verify with a dozen lines of any language:

- ``event`` is canonical JSON: UTF-8, keys sorted, no spaces, non-ASCII characters escaped, no floats.
- ``leaf = SHA-256(0x00 || event)``
- ``hash = SHA-256(0x01 || previous hash || index as 8 bytes big-endian || leaf)``
- the first entry has index 1 and links to 32 zero bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from logits_core.errors import ErrorCode, LogitsError

Event = Mapping[str, Any]
GENESIS = bytes(32)
MAX_EVENT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: how many entries it has and the hash of the last one."""

    size: int = 0
    digest: bytes = GENESIS


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the chain.

    Attributes:
        index: position, counted from 1.
        previous: hash of the entry before, 32 bytes.
        event: the canonical JSON of the event.
        digest: this entry's hash, 32 bytes.
    """

    index: int
    previous: bytes
    event: bytes
    digest: bytes

    def line(self) -> bytes:
        """The entry as one line of JSON with its newline, as it is stored, served and printed."""
        head = f'{{"index":{self.index},"previous":"{self.previous.hex()}","hash":"{self.digest.hex()}"'
        return head.encode() + b',"event":' + self.event + b"}\n"


def canonical(event: Event) -> bytes:
    """The one spelling of an event that is hashed.

    Raises:
        LogitsError: TOO_LARGE when it has more than 64 KiB.
    """
    encoded = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
    if len(encoded) > MAX_EVENT_BYTES:
        raise LogitsError(ErrorCode.TOO_LARGE, f"an audit event has more than {MAX_EVENT_BYTES} bytes")
    return encoded


def link(head: Head, event: Event) -> Entry:
    """The next entry of a chain that ends at ``head``."""
    encoded = canonical(event)
    index = head.size + 1
    return Entry(index, head.digest, encoded, entry_digest(head.digest, index, encoded))


def entry_digest(previous: bytes, index: int, event: bytes) -> bytes:
    """The hash of an entry, 32 bytes."""
    leaf = hashlib.sha256(b"\x00" + event).digest()
    return hashlib.sha256(b"\x01" + previous + index.to_bytes(8, "big") + leaf).digest()


def parse_line(line: bytes) -> Entry:
    """Read a stored line; whether it fits into the chain is for ``verify`` to say.

    Raises:
        LogitsError: CORRUPT when it isn't an entry.
    """
    try:
        value: dict[str, Any] = json.loads(line)
        event = value["event"]
        if set(value) != {"index", "previous", "hash", "event"} or not isinstance(event, dict):
            raise ValueError("other fields than an entry has")
        previous, digest = bytes.fromhex(value["previous"]), bytes.fromhex(value["hash"])
        entry = Entry(int(value["index"]), previous, canonical(cast("Event", event)), digest)
    except (ValueError, KeyError, TypeError, AttributeError, LogitsError, RecursionError) as error:
        raise LogitsError(ErrorCode.CORRUPT, f"a line of the audit log is no entry: {error}"[:200]) from None
    if entry.line() != line.rstrip(b"\n") + b"\n":
        raise LogitsError(ErrorCode.CORRUPT, "a line of the audit log is not in its canonical form")
    return entry
