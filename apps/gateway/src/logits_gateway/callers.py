"""Callers: from a bearer token to a component, by the cluster's keys and the pod that lives now."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from logits_core.audit import Subject
from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy import CALLERS, Identity, KeySet, verify_token
from logits_core.policy.admission import COMPONENT_LABEL
from logits_core.policy.pods import COMPONENT_ACCOUNT, GATEWAY_AUDIENCE
from logits_core.policy.rules import GATEWAY
from logits_core.policy.tokens import unverified_issuer
from logits_shell.kubernetes import Reflector

KEY_REFRESH_SECONDS = 5.0
"""Shortest time between two fetches of the cluster's keys, so that forged key ids cause no storm."""
POD_WAIT_SECONDS = 2.0
"""How long a caller's pod may be missing from the watched pods: a new pod may call before we hear of it."""
OWN_LIFETIME = 1e9

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who proved to be a component.

    Attributes:
        component: value of its pod's label ``logits.ai/component``.
        subject: how the audit log names it.
        expires_at: when its token ends, in seconds since the epoch.
    """

    component: str
    subject: Subject
    expires_at: float


MAX_VERIFIED = 1024
"""Tokens whose signatures are remembered as good; far more than there are pods of Logits."""


class SigningKeys:
    """The cluster's token keys, fetched when a key id is unknown.

    Args:
        fetch: reads the JWKS document.
        own_token: the Gateway's own token; the kubelet put it there, so its issuer is the cluster's.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Any]],
        own_token: Callable[[], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetch = fetch
        self._own_token = own_token
        self._clock = clock
        self._keys = KeySet({})
        self._fetched_at = 0.0
        self._lock = anyio.Lock()
        self._own = self._issuer = ""
        self._verified: dict[bytes, tuple[Identity, float]] = {}

    async def verify(self, token: str) -> Identity:
        """Verify a token, with fresh keys if it needs them.

        Raises:
            LogitsError: UNAUTHENTICATED, or UNAVAILABLE when the keys can't be fetched.
        """
        issuer, digest, now = self._current_issuer(), hashlib.sha256(token.encode()).digest(), self._clock()
        # The signature of the very same token needs no second look while neither keys nor issuer changed.
        if (known := self._verified.get(digest)) and known[1] <= now < known[0].expires_at:
            return known[0]
        identity = await self._verify(token, issuer)
        if len(self._verified) >= MAX_VERIFIED:
            self._verified.clear()
        self._verified[digest] = (identity, now)
        return identity

    def _current_issuer(self) -> str:
        if (own := self._own_token()) != self._own:
            self._issuer, self._own = unverified_issuer(own), own
            self._verified.clear()
        return self._issuer

    async def _verify(self, token: str, issuer: str) -> Identity:
        try:
            return self._check(token, issuer)
        except LogitsError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
        await self._refresh()
        try:
            return self._check(token, issuer)
        except LogitsError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
            raise unauthenticated("none of the cluster's keys signed it") from None

    def _check(self, token: str, issuer: str) -> Identity:
        return verify_token(token, self._keys, issuer=issuer, audience=GATEWAY_AUDIENCE, now=self._clock())

    async def _refresh(self) -> None:
        async with self._lock:
            if self._clock() - self._fetched_at < KEY_REFRESH_SECONDS:
                return
            self._keys = KeySet.from_jwks(await self._fetch())
            self._verified.clear()
            self._fetched_at = self._clock()


class Callers:
    """Tells who sends a request.

    Args:
        keys: the cluster's token keys.
        pods: the namespace's pods, kept current.
        namespace: the release's namespace.
        own_token: what the Gateway's own loops send; made anew for each process.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        keys: SigningKeys,
        pods: Reflector,
        namespace: str,
        *,
        own_token: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._pods = pods
        self._namespace = namespace
        self._clock = clock
        self._own_token = own_token

    async def identify(self, headers: Headers) -> Caller:
        """Find out who calls.

        Args:
            headers: of the request, with names in lower case.

        Raises:
            LogitsError: UNAUTHENTICATED when it isn't proved, UNAVAILABLE when it can't be checked now.
        """
        token = _bearer(headers)
        if hmac.compare_digest(token.encode(), self._own_token.encode()):
            # The Gateway's own loops come through the same door as everybody else.
            return Caller(GATEWAY, Subject(GATEWAY, "logits:gateway"), self._clock() + OWN_LIFETIME)
        identity = await self._keys.verify(token)
        if identity.namespace != self._namespace or identity.service_account != COMPONENT_ACCOUNT:
            raise unauthenticated("its ServiceAccount is not that of a component of this release")
        component = _component(await self._live_pod(identity))
        subject = Subject(component, identity.username, identity.pod_name, identity.pod_uid)
        return Caller(component, subject, identity.expires_at)

    async def _live_pod(self, identity: Identity) -> dict[str, Any]:
        if not self._pods.synced.is_set():
            raise LogitsError(ErrorCode.UNAVAILABLE, "the Gateway doesn't know the pods yet; try again", retry_after=1)
        if pod := self._pod(identity):
            return pod
        with anyio.move_on_after(POD_WAIT_SECONDS):
            while True:
                seen = self._pods.changes.count
                if pod := self._pod(identity):
                    return pod
                await self._pods.wait_change(seen)
        raise unauthenticated("the pod that it is bound to is gone")

    def _pod(self, identity: Identity) -> dict[str, Any] | None:
        pod = self._pods.get(identity.pod_name, self._namespace)
        return pod if pod is not None and pod["metadata"].get("uid") == identity.pod_uid else None


def unauthenticated(why: str) -> LogitsError:
    """A refusal of a token that says why, and nothing of the token."""
    return LogitsError(
        ErrorCode.UNAUTHENTICATED,
        f"the bearer token is refused: {why}; send the projected token for audience {GATEWAY_AUDIENCE}",
        reason="Unauthorized",
    )


def _bearer(headers: Headers) -> str:
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) != 1:
        raise unauthenticated("there must be exactly one Authorization header")
    scheme, _, token = values[0].partition(b" ")
    if scheme.lower() != b"bearer" or not token or not token.isascii() or token != token.strip():
        raise unauthenticated("the Authorization header must read 'Bearer TOKEN'")
    return token.decode("ascii")


def _component(pod: dict[str, Any]) -> str:
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    spec: dict[str, Any] = pod.get("spec") or {}
    status: dict[str, Any] = pod.get("status") or {}
    component = labels.get(COMPONENT_LABEL, "")
    phase, account = status.get("phase", ""), spec.get("serviceAccountName", "")
    if phase in ("Succeeded", "Failed") or account != COMPONENT_ACCOUNT:
        raise unauthenticated("the pod that it is bound to has ended or runs under another account")
    if component not in CALLERS or component == GATEWAY:
        raise unauthenticated("the pod that it is bound to is of no component that may call")
    return component
