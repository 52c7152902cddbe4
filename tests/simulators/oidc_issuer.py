"""A simulated OpenID Connect issuer: it signs in whoever comes, as the test says, and checks what it's sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from litestar import Litestar, Request, get, post

from live_server import live

CLIENT_ID = "logits"
AnyRequest = Request[Any, Any, Any]


@dataclass
class SimulatedIssuer:
    """What the issuer says and has seen.

    Attributes:
        url: Its base URL.
        claims: Replace or add to those of the next ID token; None takes one away.
        header: Replaces the header of the next ID token.
        key: Signs ID tokens.
        codes: What belongs to the codes that it gave out.
    """

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "1"})
    key: Any = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    published: Any = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def authorize(self, url: str) -> str:
        """Sign somebody in at an authorization URL; returns where the browser is sent back to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["code_challenge_method"] == "S256"
        assert query["response_type"] == "code"
        self.codes["the-code"] = query
        return f"{query['redirect_uri']}?code=the-code&state={query['state']}"

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        """Redeem a code once, by whoever knows its verifier."""
        query = self.codes.pop(form["code"])
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == query["code_challenge"]
        now = int(time.time())
        claims: dict[str, Any] = {"iss": self.url, "sub": "4711", "aud": CLIENT_ID, "iat": now, "exp": now + 60}
        claims |= {"nonce": query["nonce"], "email": "ada@example.com", "email_verified": True, **self.claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        return {"access_token": "at", "token_type": "Bearer", "id_token": self._encode(claims)}

    def _encode(self, claims: dict[str, Any]) -> str:
        if self.header["alg"] != "HS256":
            return jwt.encode(self.header, claims, self.key)
        # The classic forgery: the public key, which everybody has, taken as a shared secret.
        parts = [json.dumps(part).encode() for part in (self.header, claims)]
        signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        digest = hmac.digest(self.published.as_pem(private=False), signed, "sha256")
        return (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()


@asynccontextmanager
async def simulated_issuer() -> AsyncGenerator[SimulatedIssuer]:
    """Serve an issuer inside the block."""
    issuer = SimulatedIssuer()
    issuer.published = issuer.key

    @get("/.well-known/openid-configuration")
    async def configuration() -> dict[str, Any]:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": issuer.url, **{name: f"{issuer.url}/{path}" for name, path in names.items()}}

    @post("/token", status_code=200)
    async def token(request: AnyRequest) -> dict[str, Any]:
        form = parse_qs((await request.body()).decode())
        return issuer.token({name: values[0] for name, values in form.items()})

    @get("/keys")
    async def keys() -> dict[str, Any]:
        return {"keys": [issuer.published.as_dict(private=False, use="sig", alg="RS256")]}

    async with live(Litestar([configuration, token, keys], openapi_config=None)) as url:
        issuer.url = url
        yield issuer
