"""The relay policy of the Ingress Proxy: the path decides, bodies and events stream through."""

from __future__ import annotations

import hashlib
import hmac

from logits_ingress_proxy.errors import rejected, unauthenticated
from logits_ingress_proxy.metrics import Metrics
from logits_ingress_proxy.table import RoutingTable
from logits_shell.relay import (
    Forward,
    Outcome,
    PassiveObserver,
    Refusal,
    Rejection,
    RequestHead,
)


class IngressPolicy:
    """Relays every request to the system that serves its path.

    Args:
        table: Which system serves what.
        metrics: Counts.
        token_sha256: Hex digest of the access token; "" for open access.
    """

    def __init__(self, table: RoutingTable, metrics: Metrics, token_sha256: str) -> None:
        self._table = table
        self._metrics = metrics
        self._token_sha256 = token_sha256

    def relays(self, method: str, path: str) -> bool:
        """Take every request."""
        return True

    def wants_body(self, head: RequestHead) -> int | None:
        """Stream all bodies through."""
        return None

    async def decide(self, head: RequestHead, body: bytes | None) -> Forward | Refusal:
        """Check the access token and pick the system."""
        if self._token_sha256 and not self._is_known(head.header(b"authorization")):
            self._metrics.refusals.labels("invalid-api-key").inc()
            return unauthenticated(head)
        system, upstream = self._table.route(head.path)
        drop = frozenset({b"authorization"}) if self._token_sha256 else frozenset[bytes]()
        return Forward(upstream, head.target, observer=_Counted(self._metrics, system), drop=drop)

    def _is_known(self, authorization: bytes | None) -> bool:
        scheme, _, token = (authorization or b"").partition(b" ")
        digest = hashlib.sha256(token.strip()).hexdigest()
        return hmac.compare_digest(digest, self._token_sha256) and scheme.lower() == b"bearer"

    def reject(self, rejection: Rejection, head: RequestHead | None) -> Refusal:
        """Count and render what the relay refuses."""
        self._metrics.refusals.labels(rejection.reason).inc()
        return rejected(rejection, head)


class _Counted(PassiveObserver):
    """Counts how one request ended."""

    def __init__(self, metrics: Metrics, system: str) -> None:
        self._metrics = metrics
        self._system = system

    def on_end(self, outcome: Outcome) -> bytes | None:
        status = "none" if outcome.status is None else f"{outcome.status // 100}xx"
        self._metrics.requests.labels(self._system, outcome.kind.value, status).inc()
        return None
