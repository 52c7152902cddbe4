"""Access to the Gateway's own API: every route needs a row in the policy table, and a caller it names."""

from __future__ import annotations

from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from logits_core.audit import ANONYMOUS, Subject
from logits_core.errors import LogitsError
from logits_core.policy import DenialError, authorise_route
from logits_core.policy.transport import check_headers
from logits_gateway.callers import Caller, Callers
from logits_gateway.errors import status_document
from logits_gateway.journal import Journal

Connection = ASGIConnection[Any, Any, Any, Any]
CALLER = "logits_caller"
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
            await self._refused(method, path, subject, error)
            raise
        connection.scope["state"][CALLER] = caller

    async def _refused(self, method: str, path: str, subject: Subject, error: LogitsError) -> None:
        act = self._journal.act(method.lower(), path, subject=subject)
        rule = error.rule if isinstance(error, DenialError) else ""
        await self._journal.refusal(act, error, status_document(error)[0], rule=rule)


def caller_of(connection: Connection) -> Caller:
    """Who passed the guard."""
    return connection.scope["state"][CALLER]
