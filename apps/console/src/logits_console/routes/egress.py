"""What left: every call to the vendor with its text, as a page and for the command line."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Template

from logits_console.views import departure_rows
from logits_console.world import World
from logits_core.errors import LogitsError

PAGE_ROWS = 50
MAX_SHOWN = 256 * 1024

Before = Annotated[str, QueryParameter(max_length=24, description="Cursor that the page ends before.")]


@get("/egress", operation_id="egress")
async def egress_page(world: NamedDependency[World], before: Before = "") -> Template:
    """One page of calls to the vendor, newest first."""
    found: dict[str, Any] = {"entries": [], "keptDays": 0, "why": ""}
    try:
        found |= await world.gateway.departures(before, PAGE_ROWS)
    except LogitsError as error:
        found["why"] = error.message
    rows = departure_rows(found["entries"])
    older = rows[-1]["cursor"] if len(rows) == PAGE_ROWS else ""
    context = {"page": "egress", "rows": rows, "days": found["keptDays"], "older": older, "why": found["why"]}
    return Template("egress.html", context=context)


@get("/egress/text/{cursor:str}", operation_id="egressText")
async def egress_text(world: NamedDependency[World], cursor: FromPath[str]) -> Template:
    """The text of one call."""
    content = await world.gateway.departed(cursor, plain=True)
    text = content[:MAX_SHOWN].decode("utf-8", "replace")
    context = {"page": "egress", "cursor": cursor, "text": text, "size": len(content), "cut": len(content) > MAX_SHOWN}
    return Template("egress_text.html", context=context)


@get("/egress/entries", operation_id="egressEntries")
async def egress_entries(
    world: NamedDependency[World],
    before: Before = "",
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """The same as JSON, for ``logits egress``."""
    return await world.gateway.departures(before, limit)


@get("/egress/bodies/{cursor:str}", operation_id="egressBody")
async def egress_body(
    world: NamedDependency[World],
    cursor: FromPath[str],
    plain: Annotated[bool, QueryParameter(description="Whether to decompress it.")] = False,
) -> Response[bytes]:
    """What one call carried, to be saved: never shown by a browser as a page of ours."""
    headers = {"content-disposition": "attachment"}
    content = await world.gateway.departed(cursor, plain=plain)
    return Response(content, media_type="application/octet-stream", headers=headers)
