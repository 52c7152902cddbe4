"""Route ``/audit/entries``: the audit log, for the Console."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from logits_gateway.adapters.audit_log import MAX_READ_ENTRIES, AuditLog

After = Annotated[int, QueryParameter(ge=0, description="Index of the last entry already known, 0 for none.")]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_READ_ENTRIES, description="Most entries to return.")]


@get("/audit/entries", operation_id="auditEntries")
async def audit_entries(audit_log: NamedDependency[AuditLog], after: After = 0, limit: Limit = 100) -> Response[bytes]:
    """Entries after an index, oldest first, exactly as they are stored."""
    lines = await audit_log.read(after, limit)
    body = b'{"entries":[' + b",".join(lines) + b'],"size":%d}' % audit_log.head.size
    return Response(body, media_type="application/json")
