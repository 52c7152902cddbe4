"""What a watch says: server-sent events of the Entity DB, taken apart."""

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Final, Literal, cast

import msgspec

from logits_core.entities.model import Entity, JsonObject
from logits_core.entities.status import error_of
from logits_core.errors import ErrorCode, LogitsError

EVENT_LIMIT: Final = 4 * 1024 * 1024
"""Bytes that one event may have before the stream is given up."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One event of a watch.

    Attributes:
        type: what happened; a bookmark only says how far the watch has seen.
        resource_version: a new watch from here misses nothing and repeats nothing.
        entity: the entity concerned; None for a bookmark.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    resource_version: str
    entity: Entity | None


class _Event(msgspec.Struct, frozen=True):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: JsonObject


async def notices(chunks: AsyncIterable[bytes]) -> AsyncGenerator[Notice, None]:
    """Yield the events in a stream of bytes, however they are cut.

    Raises:
        LogitsError: what an ERROR event tells of, or ``UPSTREAM_FAILED`` for bytes that are no such stream.
    """
    buffer = b""
    async for chunk in chunks:
        buffer += chunk
        *frames, buffer = buffer.split(b"\n\n")
        if len(buffer) > EVENT_LIMIT:
            raise _garbled()
        for frame in frames:
            if (notice := _notice(frame)) is not None:
                yield notice


def _notice(frame: bytes) -> Notice | None:
    data = b"\n".join(line[5:].removeprefix(b" ") for line in frame.split(b"\n") if line.startswith(b"data:"))
    if not data:
        return None
    try:
        event = msgspec.json.decode(data, type=_Event)
        if event.type == "ERROR":
            raise error_of(event.object)
        metadata = cast("JsonObject", event.object["metadata"])
        entity = None if event.type == "BOOKMARK" else Entity.model_validate(event.object)
        return Notice(event.type, str(metadata["resourceVersion"]), entity)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise _garbled() from error


def _garbled() -> LogitsError:
    return LogitsError(
        ErrorCode.UPSTREAM_FAILED, "The Entity DB's watch sent something that is no event. Connect again."
    )
