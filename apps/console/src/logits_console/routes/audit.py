"""Audit: the Gateway's log as a page, and as the files that the verifier and the witness read."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Template

from logits_console.views import audit_rows
from logits_console.world import World

PAGE_ROWS = 50


@get("/audit", operation_id="audit")
async def audit_page(world: NamedDependency[World], before: Annotated[int, QueryParameter(ge=0)] = 0) -> Template:
    """One page of the log, newest first; ``before`` is the index that the page ends before."""
    size = await world.audit_size()
    end = min(before, size) if before else size
    first = max(0, end - PAGE_ROWS)
    found: list[dict[str, Any]] = (await world.gateway.entries(first, end - first))["entries"] if end else []
    context = {"page": "audit", "rows": audit_rows(found), "size": size, "older": first, "live": not before}
    return Template("audit.html", context=context)


@get("/audit/entries", operation_id="auditEntries")
async def entries(
    world: NamedDependency[World],
    after: Annotated[int, QueryParameter(ge=0)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 500,
) -> dict[str, Any]:
    """Entries as the Gateway keeps them."""
    return await world.gateway.entries(after, limit)


@get("/audit/logs", operation_id="auditLogs")
async def logs(world: NamedDependency[World]) -> dict[str, Any]:
    """Every log, for ``logits audit pull``."""
    return await world.gateway.logs()


@get("/audit/log/{epoch:str}/{file:path}", operation_id="auditLogFile")
async def log_file(world: NamedDependency[World], epoch: FromPath[str], file: FromPath[str]) -> Response[bytes]:
    """A checkpoint, bundle or tile, as C2SP tlog-tiles names them."""
    content = await world.gateway.log_file(epoch, file.removeprefix("/"))
    return Response(content, media_type="application/octet-stream")
