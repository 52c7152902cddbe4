"""Access: who may call which route; a route without a row here answers nobody."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from logits_core.errors import ErrorCode, LogitsError
from logits_ops_api.adapters.environments import Environments
from logits_ops_api.adapters.operator_sessions import OperatorSessions
from logits_ops_api.errors import SignInRequired
from logits_shell.web.origin import require_same_origin

Connection = ASGIConnection[Any, Any, Any, Any]

PUBLIC = {"access": "public"}
ENVIRONMENT = {"access": "environment"}
OPERATOR = {"access": "operator"}
SERVICE = {"access": "service"}
PAGE = {"access": "page"}
FORM = {"access": "form"}

SESSION_COOKIE = "logits-fleet-session"


def matches_sha256(presented: str, expected: str) -> bool:
    """Whether the hex SHA-256 of ``presented`` is ``expected``, in constant time."""
    return hmac.compare_digest(hashlib.sha256(presented.encode()).hexdigest(), expected)


class Access:
    """The app's guard: looks up a route's mark and proves the caller.

    Args:
        environments: where environment keys are checked.
        sessions: where browser sign-ins are checked.
        operator_sha256: hex SHA-256 of the operator token.
        service_sha256: hex SHA-256 of the token that Accounts calls with.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        environments: Environments,
        sessions: OperatorSessions,
        *,
        operator_sha256: str,
        service_sha256: str,
        clock: Any,
    ) -> None:
        self._environments = environments
        self._sessions = sessions
        self._operator_sha256 = operator_sha256
        self._service_sha256 = service_sha256
        self._clock = clock

    async def guard(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Let the request pass or refuse it.

        Raises:
            LogitsError: UNAUTHENTICATED or FORBIDDEN.
            SignInRequired: a page is asked for without a session.
        """
        match handler.opt.get("access"):
            case "public":
                return
            case "environment":
                await self._environment(connection)
            case "operator":
                _require_token(connection, self._operator_sha256, "operator token")
            case "service":
                _require_token(connection, self._service_sha256, "service token")
            case "page":
                require_same_origin(_method(connection), connection.headers)
                await self._page(connection)
            case "form":
                require_same_origin(_method(connection), connection.headers)
            case _:
                raise LogitsError(ErrorCode.FORBIDDEN, "this route is closed")

    async def _environment(self, connection: Connection) -> None:
        environment = str(connection.path_params.get("environment", ""))
        if not await self._environments.authenticate(environment, bearer(connection)):
            # One answer for an unknown environment and for a wrong key: it must not tell which.
            raise LogitsError(
                ErrorCode.UNAUTHENTICATED,
                "the envID and envKey do not belong together; compare both with the environment's page",
                field="Authorization",
            )

    async def _page(self, connection: Connection) -> None:
        token = connection.cookies.get(SESSION_COOKIE, "")
        if not await self._sessions.is_open(token, self._clock()):
            raise SignInRequired


def _method(connection: Connection) -> str:
    return connection.scope["method"] if connection.scope["type"] == "http" else "GET"


def _require_token(connection: Connection, expected: str, what: str) -> None:
    if not matches_sha256(bearer(connection), expected):
        raise LogitsError(
            ErrorCode.UNAUTHENTICATED,
            f"send the {what} as Authorization: Bearer <token>",
            field="Authorization",
        )


def bearer(connection: Connection) -> str:
    """The bearer token of a request, empty without one."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
