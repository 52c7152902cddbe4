"""The unreadable room: what breaks HTTP never becomes a request, so it is counted and recorded here.

Such an attempt has no record of its own; the number of them is recorded, with the address of the last one.
"""

from __future__ import annotations

import asyncio

import anyio
import msgspec
from prometheus_client import CollectorRegistry, Counter

from logits_core.audit import ANONYMOUS
from logits_core.errors import ErrorCode, LogitsError
from logits_gateway.errors import status_of_rejection
from logits_gateway.journal import Journal
from logits_shell.relay import Headers, Refusal, Rejection, RelayOptions, RequestHead, strict_protocol

HEAD_BYTES = 32 * 1024
RECORD_SECONDS = 1.0
"""Shortest time between two records of unreadable requests."""

_HEADERS: Headers = ((b"content-type", b"application/json"),)


class Unreadable:
    """Counts what broke HTTP, and records it now and then.

    Args:
        journal: the audit verbs.
        registry: for the counter.
    """

    def __init__(self, journal: Journal, registry: CollectorRegistry) -> None:
        self._journal = journal
        self._total = Counter(
            "logits_gateway_unreadable_requests", "Requests refused because they broke HTTP.", registry=registry
        )
        self._new = 0
        self._source = ""
        self._rang = anyio.Event()

    def seen(self, _: Rejection, source: str) -> None:
        """Count one."""
        self._total.inc()
        self._new += 1
        self._source = source
        self._rang.set()

    async def run(self) -> None:
        """Record new ones, for ever."""
        while True:
            await self._rang.wait()
            self._rang = anyio.Event()
            count, self._new = self._new, 0
            act = self._journal.act("unreadable", "", subject=ANONYMOUS, source=self._source)
            act.notes["count"] = str(count)
            error = LogitsError(ErrorCode.MALFORMED, "not HTTP as the Gateway reads it")
            await self._journal.refusal(act, error, 400, rule="")
            await anyio.sleep(RECORD_SECONDS)

    def protocol(self) -> type[asyncio.Protocol]:
        """The server's protocol: strict, and refusing in Kubernetes' words.

        Odd paths reach the door: they are requests that can be read, so each gets a record of its own.
        """
        return strict_protocol(RelayOptions(head_bytes=HEAD_BYTES, odd_paths=True, reject=_status, on_reject=self.seen))


def _status(rejection: Rejection, _: RequestHead | None) -> Refusal:
    return Refusal(rejection.status, msgspec.json.encode(status_of_rejection(rejection)), _HEADERS)
