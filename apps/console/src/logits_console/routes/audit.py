"""Audit: the Gateway's log as a page, and as JSON for the verifier."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Template

from logits_console.views import audit_rows
from logits_console.world import World

PAGE_ROWS = 50


@get("/audit", operation_id="audit")
async def audit_page(world: NamedDependency[World], before: Annotated[int, QueryParameter(ge=0)] = 0) -> Template:
    """One page of the log, newest first; ``before`` is the index that the page ends before."""
    size = await world.audit_size()
    last = min(before - 1, size) if before else size
    found: list[dict[str, Any]] = (
        (await world.gateway.entries(max(0, last - PAGE_ROWS), PAGE_ROWS))["entries"] if last > 0 else []
    )
    rows = audit_rows(entry for entry in found if entry["index"] <= last)
    older = max(0, last - PAGE_ROWS)
    context = {"page": "audit", "rows": rows, "size": size, "older": older + 1 if older else 0, "live": not before}
    return Template("audit.html", context=context)


@get("/audit/entries", operation_id="auditEntries")
async def entries(
    world: NamedDependency[World],
    after: Annotated[int, QueryParameter(ge=0)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 500,
) -> dict[str, Any]:
    """Entries as the Gateway keeps them, for ``logits audit verify``."""
    return await world.gateway.entries(after, limit)
