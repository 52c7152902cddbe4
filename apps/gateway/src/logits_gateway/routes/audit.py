"""Routes below ``/audit``: the audit log, for the Console and through it for the customer's verifier."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from logits_core.errors import ErrorCode, LogitsError
from logits_gateway.adapters.audit_log import MAX_READ_ENTRIES, AuditLog, LogFacts

After = Annotated[int, QueryParameter(ge=0, description="How many entries are already known.")]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_READ_ENTRIES, description="Most entries to return.")]


@get("/audit/entries", operation_id="auditEntries")
async def audit_entries(audit_log: NamedDependency[AuditLog], after: After = 0, limit: Limit = 100) -> Response[bytes]:
    """Entries of the current log behind the first ``after`` ones, oldest first, exactly as they are stored."""
    lines = await audit_log.read(after, limit)
    body = b'{"entries":[' + b",".join(lines) + b'],"size":%d}' % audit_log.size
    return Response(body, media_type="application/json")


@get("/audit/logs", operation_id="auditLogs", sync_to_thread=True)
def audit_logs(audit_log: NamedDependency[AuditLog]) -> dict[str, list[LogFacts]]:
    """All logs, oldest first: where their files are and the keys that sign them."""
    return {"logs": audit_log.logs()}


@get("/audit/log/{epoch:str}/{file:path}", operation_id="auditLogFile")
async def audit_log_file(
    audit_log: NamedDependency[AuditLog], epoch: FromPath[str], file: FromPath[str]
) -> Response[bytes]:
    """A checkpoint, bundle or tile of a log."""
    if not epoch.isdigit():
        raise LogitsError(ErrorCode.NOT_FOUND, "there is no such log")
    path = file.removeprefix("/")
    content = await audit_log.file(int(epoch), path)
    media_type = "text/plain; charset=utf-8" if path == "checkpoint" else "application/octet-stream"
    return Response(content, media_type=media_type)
