"""GET /status: what the Collector follows and what waits to be sent."""

from __future__ import annotations

import msgspec
from litestar import get
from litestar.datastructures import State

from logits_collector.loop import Collector


class SpoolStatus(msgspec.Struct, frozen=True):
    """Batches and bytes that wait on disk, and the streams that were read."""

    batches: int
    bytes: int
    streams: int


@get("/status", operation_id="status", sync_to_thread=True)
def status(state: State) -> SpoolStatus:
    """How far the Collector is."""
    collector: Collector = state["collector"]
    return SpoolStatus(
        batches=sum(1 for _ in collector.spool.waiting()),
        bytes=collector.spool.size(),
        streams=len(collector.positions.snapshot()),
    )
