"""Access: who may call which route; a route without a mark answers nobody."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler

from logits_accounts.adapters.people import People, SignedIn
from logits_accounts.errors import SignInRequired
from logits_core.errors import ErrorCode, LogitsError
from logits_shell.web.origin import require_same_origin

Connection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = Request[Any, Any, Any]

ASSET = {"access": "asset"}
PUBLIC = {"access": "public"}
MEMBER = {"access": "member"}


class Access:
    """The app's guard: refuses cross-site requests and finds out who is signed in.

    Args:
        people: where sessions are looked up.
        secure: whether cookies insist on https.
        session_seconds: how long a sign-in lasts.
    """

    def __init__(self, people: People, *, secure: bool, session_seconds: float) -> None:
        self._people = people
        self._secure = secure
        self._session_seconds = session_seconds

    @property
    def cookie_name(self) -> str:
        """The session cookie's name; over https a prefix that browsers hold to this very host."""
        return "__Host-logits-accounts-session" if self._secure else "logits-accounts-session"

    def cookie(self, token: str) -> Cookie:
        """The session cookie for a token; an empty token removes it."""
        return Cookie(
            key=self.cookie_name,
            value=token,
            max_age=round(self._session_seconds) if token else 0,
            path="/",
            httponly=True,
            samesite="lax",
            secure=self._secure,
        )

    def token(self, connection: Connection) -> str:
        """The session token that the browser sent."""
        return connection.cookies.get(self.cookie_name, "")

    async def guard(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Let the request pass or refuse it.

        Raises:
            LogitsError: FORBIDDEN for cross-site requests and for routes without a mark.
            SignInRequired: nobody is signed in.
        """
        access = handler.opt.get("access")
        if access == "asset":
            return
        if access not in ("public", "member"):
            raise LogitsError(ErrorCode.FORBIDDEN, "this route is closed")
        method = connection.scope["method"] if connection.scope["type"] == "http" else "GET"
        require_same_origin(method, connection.headers)
        token = self.token(connection)
        connection.scope["user"] = await self._people.signed_in(token) if token else None
        if access == "member" and connection.scope["user"] is None:
            path = connection.url.path if method == "GET" else "/"
            raise SignInRequired(f"/sign-in?next={quote(path, safe='/')}")


def visitor(request: AnyRequest) -> SignedIn | None:
    """The person who is signed in, if any."""
    return cast("SignedIn | None", request.scope["user"])


def person(request: AnyRequest) -> SignedIn:
    """The person who is signed in.

    Raises:
        SignInRequired: nobody is.
    """
    found = visitor(request)
    if found is None:
        raise SignInRequired("/sign-in")
    return found
