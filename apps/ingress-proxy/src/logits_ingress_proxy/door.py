"""The door: who may pass to the Console and the Entity DB, and as whom."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Coroutine
from typing import Any, Protocol
from urllib.parse import quote

from logits_core.errors import LogitsError
from logits_ingress_proxy.errors import forbidden, sign_in_first
from logits_ingress_proxy.sessions import Sessions
from logits_ingress_proxy.users import Users
from logits_shell.relay import Refusal, RequestHead
from logits_shell.web.origin import require_same_origin

SIGN_IN = "/sign-in"
PATHS = frozenset({SIGN_IN, "/sign-in/callback", "/sign-out"})
"""What this app answers itself while authentication is on."""


class Door(Protocol):
    """Says who a request comes from."""

    def admit(self, head: RequestHead) -> str | Refusal | Coroutine[Any, Any, str | Refusal]:
        """Return the user's name, or what to answer instead; a coroutine when a password must be hashed."""
        ...


class SessionDoor:
    """Lets in who has a session, or shows name and password as programs do.

    Args:
        sessions: Read the cookies.
        users: Checks names and passwords; None when people sign in elsewhere.
    """

    def __init__(self, sessions: Sessions, users: Users | None) -> None:
        self._sessions = sessions
        self._users = users

    def admit(self, head: RequestHead) -> str | Refusal | Coroutine[Any, Any, str | Refusal]:
        """Take a session first; a cookie alone changes something only from our own pages."""
        user = self._sessions.user(cookies_of(head))
        if user is not None:
            return self._from_our_pages(head, user)
        credentials = _basic(head.header(b"authorization"))
        if self._users is None or credentials is None:
            return self._refused(head)
        if self._users.is_known(*credentials):
            return credentials[0]
        return self._verified(head, self._users, *credentials)

    async def _verified(self, head: RequestHead, users: Users, name: str, password: str) -> str | Refusal:
        return name if await users.verify(name, password) else self._refused(head)

    def _from_our_pages(self, head: RequestHead, user: str) -> str | Refusal:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        try:
            require_same_origin(head.method, headers)
        except LogitsError as error:
            return forbidden(head, error.message)
        return user

    def _refused(self, head: RequestHead) -> Refusal:
        page = head.method == "GET" and b"text/html" in (head.header(b"accept") or b"")
        there = f"{SIGN_IN}?next={quote(head.target, safe='')}" if page else ""
        return sign_in_first(head, there, basic=self._users is not None)


def cookies_of(head: RequestHead) -> bytes:
    """Return all cookies of a request in one field's form."""
    return b"; ".join(value for name, value in head.headers if name == b"cookie")


def _basic(authorization: bytes | None) -> tuple[str, str] | None:
    scheme, _, encoded = (authorization or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, password


def is_local(target: str) -> bool:
    """Say whether a target to go to after the sign-in is a path of this installation."""
    return target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
