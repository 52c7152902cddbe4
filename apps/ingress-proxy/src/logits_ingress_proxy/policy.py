"""The relay policy of the Ingress Proxy: the path decides, bodies and events stream through."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Coroutine
from typing import Any, Final
from urllib.parse import quote

from logits_ingress_proxy.door import PATHS, Door, cookies_of
from logits_ingress_proxy.errors import rejected, unauthenticated
from logits_ingress_proxy.metrics import Metrics
from logits_ingress_proxy.sessions import without_ours
from logits_ingress_proxy.table import RoutingTable, is_inference
from logits_shell.relay import (
    Decision,
    Forward,
    Headers,
    Outcome,
    PassiveObserver,
    Refusal,
    Rejection,
    RequestHead,
)

USER: Final = b"x-logits-user"
"""Who has signed in, for the systems behind this one; percent-encoded beyond ASCII."""

IDENTITY: Final = frozenset({USER})
"""Fields that say who somebody is; from outside they are never passed on."""


class IngressPolicy:
    """Relays every request to the system that serves its path.

    Args:
        table: Which system serves what.
        metrics: Counts.
        token_sha256: Hex digest of the access token; "" for open access.
        door: Says who may use the Console and the Entity DB; None when everybody may.
    """

    def __init__(self, table: RoutingTable, metrics: Metrics, token_sha256: str, door: Door | None = None) -> None:
        self._table = table
        self._metrics = metrics
        self._token_sha256 = token_sha256
        self._door = door
        self._drop = IDENTITY | {b"authorization"} if token_sha256 else IDENTITY

    def relays(self, method: str, path: str) -> bool:
        """Take every request but those of the sign-in."""
        return self._door is None or path not in PATHS

    def wants_body(self, head: RequestHead) -> int | None:
        """Stream all bodies through."""
        return None

    def decide(self, head: RequestHead, body: bytes | None) -> Decision | Coroutine[Any, Any, Decision]:
        """Check who asks and pick the system."""
        if self._token_sha256 and not self._is_known(head.header(b"authorization")):
            self._metrics.refusals.labels("invalid-api-key").inc()
            return unauthenticated(head)
        system, upstream = self._table.route(head.path)
        if self._door is None or is_inference(head.path):
            return Forward(upstream, head.target, observer=_Counted(self, system), drop=self._drop)
        admitted = self._door.admit(head)
        if isinstance(admitted, (str, Refusal)):
            return self._admitted(head, admitted)
        return self._once_admitted(head, admitted)

    async def _once_admitted(self, head: RequestHead, admitting: Coroutine[Any, Any, str | Refusal]) -> Decision:
        return self._admitted(head, await admitting)

    def _admitted(self, head: RequestHead, admitted: str | Refusal) -> Decision:
        if isinstance(admitted, Refusal):
            self._metrics.refusals.labels("sign-in-required").inc()
            return admitted
        system, upstream = self._table.route(head.path)
        fields: Headers = ((USER, quote(admitted, safe="@.+ ").encode("ascii")),)
        cookies = without_ours(cookies_of(head))
        if cookies:
            fields += ((b"cookie", cookies),)
        drop = self._drop | {b"cookie", b"authorization"}
        return Forward(upstream, head.target, fields, observer=_Counted(self, system), drop=drop)

    def _is_known(self, authorization: bytes | None) -> bool:
        scheme, _, token = (authorization or b"").partition(b" ")
        digest = hashlib.sha256(token.strip()).hexdigest()
        return hmac.compare_digest(digest, self._token_sha256) and scheme.lower() == b"bearer"

    def ended(self, system: str, outcome: Outcome) -> None:
        """Count how a request ended."""
        self._metrics.ended(system, outcome.kind, outcome.status)

    def reject(self, rejection: Rejection, head: RequestHead | None) -> Refusal:
        """Count and render what the relay refuses."""
        self._metrics.refusals.labels(rejection.reason).inc()
        return rejected(rejection, head)


class _Counted(PassiveObserver):
    """Counts how one request ended."""

    __slots__ = ("_policy", "_system")

    def __init__(self, policy: IngressPolicy, system: str) -> None:
        self._policy = policy
        self._system = system

    def on_end(self, outcome: Outcome) -> bytes | None:
        self._policy.ended(self._system, outcome)
        return None
