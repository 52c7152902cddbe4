"""Live: one event stream per page, of the cells that changed."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from logits_console.world import View, World
from logits_shell.web.events import EventStream


@get("/live", operation_id="live", sync_to_thread=False)
def live(world: NamedDependency[World], view: FromQuery[View]) -> EventStream:
    """Changed cells as they change."""
    return EventStream(world.frames(view))
