"""The OpenID Connect issuer: where people sign in elsewhere, by authlib, with PKCE and nonce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from logits_core.errors import ErrorCode, LogitsError

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by keys of the issuer's own; never `none`, never a secret that both sides have."""

TIMEOUT_SECONDS: Final = 10.0
LEEWAY_SECONDS: Final = 60


@dataclass(frozen=True)
class Client:
    """This installation at the issuer.

    Attributes:
        issuer: URL of the issuer.
        client_id: Its name for this installation.
        client_secret: "" for a public client.
        redirect_url: Where the issuer sends browsers back to.
    """

    issuer: str
    client_id: str
    client_secret: str
    redirect_url: str


class Issuer:
    """Speaks with one issuer; what it publishes about itself is asked for at each sign-in."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin(self, *, state: str, nonce: str, verifier: str) -> str:
        """Return the URL at which a browser signs in.

        Raises:
            LogitsError: UNAVAILABLE, the issuer doesn't answer.
        """
        async with self._session() as session:
            metadata = await self._document(
                session, self._client.issuer.rstrip("/") + "/.well-known/openid-configuration"
            )
            url, _ = session.create_authorization_url(
                metadata["authorization_endpoint"], state=state, code_verifier=verifier, nonce=nonce
            )
        return str(url)

    async def finish(self, *, code: str, nonce: str, verifier: str) -> dict[str, Any]:
        """Redeem a code; returns the claims of the ID token once its signature and they are checked.

        Raises:
            LogitsError: UNAVAILABLE, the issuer doesn't answer; UNAUTHENTICATED, its answer doesn't hold.
        """
        import httpx2
        from authlib.common.errors import AuthlibBaseError

        async with self._session() as session:
            metadata = await self._document(
                session, self._client.issuer.rstrip("/") + "/.well-known/openid-configuration"
            )
            try:
                token: dict[str, Any] = await session.fetch_token(
                    metadata["token_endpoint"], code=code, code_verifier=verifier, grant_type="authorization_code"
                )
            except AuthlibBaseError:
                raise _refused("the issuer did not take the code") from None
            except httpx2.HTTPError:
                raise _away() from None
            keys = await self._document(session, metadata["jwks_uri"])
        return self._claims(token, keys, str(metadata["issuer"]), nonce)

    def _session(self) -> Any:
        # Untyped by its authors. Late: only installations that sign in elsewhere pay for the client.
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        return AsyncOAuth2Client(
            client_id=self._client.client_id,
            client_secret=self._client.client_secret or None,
            token_endpoint_auth_method="client_secret_basic" if self._client.client_secret else "none",
            scope="openid email profile",
            redirect_uri=self._client.redirect_url,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
        )

    async def _document(self, session: Any, url: str) -> dict[str, Any]:
        import httpx2

        try:
            answer = await session.request("GET", url, withhold_token=True)
            answer.raise_for_status()
            return cast("dict[str, Any]", answer.json())
        except (httpx2.HTTPError, ValueError):
            raise _away() from None

    def _claims(self, token: dict[str, Any], keys: dict[str, Any], issuer: str, nonce: str) -> dict[str, Any]:
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        if issuer.rstrip("/") != self._client.issuer.rstrip("/"):
            raise _refused("the issuer calls itself otherwise than the setting does")
        options = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": self._client.client_id},
            "nonce": {"essential": True, "value": nonce},
        }
        parameters = {"nonce": nonce, "client_id": self._client.client_id, "access_token": token.get("access_token")}
        try:
            decoded = jwt.decode(
                str(token.get("id_token", "")), KeySet.import_key_set(cast("Any", keys)), list(ALGORITHMS)
            )
            claims = CodeIDToken(decoded.claims, decoded.header, options, parameters)
            claims.validate(leeway=LEEWAY_SECONDS)  # pyright: ignore[reportUnknownMemberType]
        except (JoseError, ValueError):
            raise _refused("the issuer's ID token doesn't hold") from None
        return dict(decoded.claims)


def _away() -> LogitsError:
    return LogitsError(ErrorCode.UNAVAILABLE, "the issuer of sign-ins can't be reached; try again", retry_after=5)


def _refused(why: str) -> LogitsError:
    return LogitsError(ErrorCode.UNAUTHENTICATED, f"the sign-in failed: {why}; begin again")
