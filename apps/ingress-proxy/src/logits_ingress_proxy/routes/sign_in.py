"""Routes ``/sign-in`` and ``/sign-out``: a form for static users, or the way to the issuer and back."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from logits_core.errors import ErrorCode, LogitsError
from logits_ingress_proxy.adapters.issuer import Issuer
from logits_ingress_proxy.door import is_local
from logits_ingress_proxy.page import POLICY, sign_in_page
from logits_ingress_proxy.sessions import COOKIE, Sessions
from logits_ingress_proxy.users import Users
from logits_shell.web.origin import require_same_origin

AnyRequest = Request[Any, Any, Any]
FORM_BYTES = 8192


@dataclass(frozen=True)
class SignIn:
    """What the routes need: cookies, and one of the two ways to know people.

    Attributes:
        sessions: Cookies.
        users: Static users, or None.
        issuer: The issuer, or None.
        domains: Domains of the e-mail addresses that get in; empty for all.
    """

    sessions: Sessions
    users: Users | None = None
    issuer: Issuer | None = None
    domains: frozenset[str] = frozenset()


@get("/sign-in", summary="Show the form, or send the browser to the issuer")
async def begin(request: AnyRequest, sign_in: NamedDependency[SignIn]) -> Response[bytes]:
    """Remember where the browser wanted to go."""
    target = _target(request.query_params.get("next", "/"))
    if sign_in.issuer is None:
        return _page(sign_in_page(target))
    remembered = {"state": secrets.token_urlsafe(24), "nonce": secrets.token_urlsafe(24)}
    remembered["verifier"] = secrets.token_urlsafe(48)
    url = await sign_in.issuer.begin(**remembered)
    return _redirect(url, sign_in.sessions.issue_sign_in({**remembered, "next": target}))


@post("/sign-in", summary="Sign in by name and password", status_code=303)
async def finish_form(request: AnyRequest, sign_in: NamedDependency[SignIn]) -> Response[bytes]:
    """Begin a session, or show the form again."""
    require_same_origin("POST", request.headers)
    if sign_in.users is None:
        raise LogitsError(ErrorCode.NOT_FOUND, "people sign in at the issuer here; open /sign-in")
    form = await _form(request)
    name, target = form.get("name", ""), _target(form.get("next", "/"))
    if not await sign_in.users.verify(name, form.get("password", "")):
        return _page(sign_in_page(target, "This name and password don't belong together."), status=401)
    return _redirect(target, sign_in.sessions.issue(name))


@get("/sign-in/callback", summary="Come back from the issuer")
async def come_back(request: AnyRequest, sign_in: NamedDependency[SignIn]) -> Response[bytes]:
    """Check what the issuer says, and begin a session."""
    if sign_in.issuer is None:
        raise LogitsError(ErrorCode.NOT_FOUND, "nobody comes back from elsewhere here; open /sign-in")
    remembered = sign_in.sessions.sign_in(request.headers.get("cookie", "").encode("latin-1"))
    state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
    if not remembered or not secrets.compare_digest(state.encode(), remembered["state"].encode()):
        raise LogitsError(ErrorCode.UNAUTHENTICATED, "this sign-in wasn't begun here, or too long ago; begin again")
    if not code:
        raise LogitsError(ErrorCode.UNAUTHENTICATED, "the issuer did not sign you in; begin again")
    claims = await sign_in.issuer.finish(code=code, nonce=remembered["nonce"], verifier=remembered["verifier"])
    return _redirect(remembered["next"], sign_in.sessions.issue(_user(claims, sign_in.domains)))


@post("/sign-out", summary="End the session", status_code=303)
async def sign_out(request: AnyRequest, sign_in: NamedDependency[SignIn]) -> Response[bytes]:
    """Forget the cookie."""
    require_same_origin("POST", request.headers)
    return _redirect("/", sign_in.sessions.forget(COOKIE))


def _user(claims: dict[str, Any], domains: frozenset[str]) -> str:
    # Anybody can claim an address; only one that the issuer has verified says which domain somebody is of.
    address = str(claims.get("email", "")) if claims.get("email_verified") is True else ""
    name, _, domain = address.rpartition("@")
    if domains and (not name or "@" in name or domain.lower() not in domains):
        raise LogitsError(ErrorCode.FORBIDDEN, "your address isn't of a domain that may use this installation")
    return address or str(claims["sub"])


def _target(target: str) -> str:
    return target if is_local(target) else "/"


async def _form(request: AnyRequest) -> dict[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise LogitsError(ErrorCode.TOO_LARGE, f"the form has more than {FORM_BYTES} bytes")
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=8)
    return {name: values[0] for name, values in fields.items()}


def _redirect(target: str, cookie: str) -> Response[bytes]:
    headers = {"location": target, "set-cookie": cookie, "cache-control": "no-store"}
    return Response(b"", status_code=303, headers=headers, media_type="text/plain")


def _page(page: bytes, status: int = 200) -> Response[bytes]:
    headers = {"content-security-policy": POLICY}
    return Response(page, status_code=status, headers=headers, media_type="text/html; charset=utf-8")
