"""Access to the Gateway's own API: every route needs a row in the policy table, and a caller it names."""

from __future__ import annotations

from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope

from logits_core.audit import ANONYMOUS, Subject
from logits_core.errors import LogitsError
from logits_core.policy import DenialError, authorise_route
from logits_core.policy.transport import check_headers
from logits_gateway.adapters.audit_log import Entry
from logits_gateway.callers import Caller, Callers
from logits_gateway.errors import status_document
from logits_gateway.journal import Journal

Connection = ASGIConnection[Any, Any, Any, Any]
CALLER = "logits_caller"
RECEIPT = "logits_receipt"
_COMPRESSED = b"content-encoding"


class Access:
    """The app's guard: proves the caller and looks the route up; refusals are recorded.

    Args:
        callers: tells who asks.
        journal: the audit verbs.
    """

    def __init__(self, callers: Callers, journal: Journal) -> None:
        self._callers = callers
        self._journal = journal

    async def guard(self, connection: Connection, _: BaseRouteHandler) -> None:
        """Let a connection through to its handler, or raise."""
        scope = cast("dict[str, Any]", connection.scope)
        method, path = str(scope.get("method", "")), str(scope["path"])
        headers = tuple((name.lower(), value) for name, value in connection.scope["headers"])
        subject = ANONYMOUS
        try:
            # Batches come compressed; everything else that proxies trip over is refused here too.
            check_headers([pair for pair in headers if pair[0] != _COMPRESSED])
            caller = await self._callers.identify(headers)
            subject = caller.subject
            authorise_route(caller.component, method, path)
        except LogitsError as error:
            if entry := await self._refused(method, path, subject, error):
                give_receipt(connection, self._journal.receipt(entry))
            raise
        connection.scope["state"][CALLER] = caller

    async def refuse(self, connection: Connection, error: LogitsError, rule: str) -> None:
        """Record that what a known caller sent was refused, and let the answer carry the receipt."""
        scope = cast("dict[str, Any]", connection.scope)
        subject = caller_of(connection).subject
        act = self._journal.act(str(scope.get("method", "")).lower(), str(scope["path"]), subject=subject)
        entry = await self._journal.refusal(act, error, status_document(error)[0], rule=rule)
        if entry is not None:
            give_receipt(connection, self._journal.receipt(entry))

    async def _refused(self, method: str, path: str, subject: Subject, error: LogitsError) -> Entry | None:
        act = self._journal.act(method.lower(), path, subject=subject)
        rule = error.rule if isinstance(error, DenialError) else ""
        return await self._journal.refusal(act, error, status_document(error)[0], rule=rule)


def give_receipt(connection: Connection, receipt: str) -> None:
    """Let the answer carry the audit log's receipt."""
    connection.scope["state"][RECEIPT] = receipt


async def add_receipt(message: Message, scope: Scope) -> None:
    """Put the receipt on an answer that has one; for the app's ``before_send``."""
    receipt = scope["state"].get(RECEIPT)
    if message["type"] == "http.response.start" and receipt:
        message["headers"] = [*message["headers"], (b"x-audit-receipt", str(receipt).encode())]


def caller_of(connection: Connection) -> Caller:
    """Who passed the guard."""
    return connection.scope["state"][CALLER]
