"""Routes below ``/egress``: what left for the vendor, for the Console and through it for the customer."""

from __future__ import annotations

from typing import Annotated, Any

import anyio.to_thread
import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from logits_gateway.adapters.egress_ledger import MAX_PAGE, EgressLedger
from logits_gateway.exports import plain_of

Before = Annotated[str, QueryParameter(description="Cursor that the page ends before; empty for the newest calls.")]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE, description="Most calls to return.")]


@get("/egress/entries", operation_id="egressEntries")
async def egress_entries(
    ledger: NamedDependency[EgressLedger], before: Before = "", limit: Limit = 50
) -> dict[str, Any]:
    """Calls to the vendor, newest first."""
    found = await anyio.to_thread.run_sync(ledger.page, before, limit)
    entries = [{"cursor": cursor, **msgspec.to_builtins(departure)} for cursor, departure in found]
    return {"entries": entries, "keptDays": ledger.keep_days}


@get("/egress/bodies/{cursor:str}", operation_id="egressBody")
async def egress_body(
    ledger: NamedDependency[EgressLedger],
    cursor: FromPath[str],
    plain: Annotated[bool, QueryParameter(description="Whether to decompress a compressed body.")] = False,
) -> Response[bytes]:
    """The bytes that were sent, or the text that they are."""

    def read() -> bytes:
        departure, content = ledger.body(cursor)
        return plain_of(content) if plain and departure.encoding == "zstd" else content

    return Response(await anyio.to_thread.run_sync(read), media_type="application/octet-stream")
