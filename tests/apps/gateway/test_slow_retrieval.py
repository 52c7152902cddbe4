"""Slow and endless retrieval: an Ops API that trickles or floods holds nothing and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from prometheus_client import CollectorRegistry

from logits_core.errors import ErrorCode, LogitsError
from logits_gateway.adapters.audit_log import AuditLog
from logits_gateway.adapters.egress_ledger import EgressLedger
from logits_gateway.adapters.ops_api import OpsApi
from logits_gateway.board import Board
from logits_gateway.journal import Journal
from simulators.gateway_site import served

pytestmark = pytest.mark.anyio


class Source:
    """An ASGI app whose answers never end.

    Args:
        chunk: what comes again and again.
        pause: seconds between two of them.
    """

    def __init__(self, chunk: bytes, pause: float) -> None:
        self.chunk = chunk
        self.pause = pause
        self.sent = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with anyio.move_on_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(self._gone, receive, group.cancel_scope)
                while True:
                    await send({"type": "http.response.body", "body": self.chunk, "more_body": True})
                    self.sent += len(self.chunk)
                    await anyio.sleep(self.pause)

    async def _gone(self, receive: Any, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


@asynccontextmanager
async def link(place: Path, source: Source, answer_seconds: float) -> AsyncGenerator[tuple[OpsApi, Board]]:
    log = AuditLog(place / "audit", "e", lambda _: None)
    board = Board("e", "0.1.0")
    journal = Journal(log, b"k" * 32, CollectorRegistry(), lambda: 0.0)
    ledger = EgressLedger(place / "egress", 30, lambda: 0.0)
    async with served(source) as url:
        ops = OpsApi(url, "e", "key", journal=journal, ledger=ledger, board=board, answer_seconds=answer_seconds)
        try:
            yield ops, board
        finally:
            await ops.aclose()
            log.close()


async def test_slow_retrieval_ends(tmp_path: Path) -> None:
    source = Source(b"x", 0.02)
    async with link(tmp_path, source, 0.5) as (ops, board):
        with anyio.fail_after(15), pytest.raises(LogitsError) as caught:
            await ops.desired("", 0)
        assert caught.value.code is ErrorCode.UNAVAILABLE
        assert not board.contact.reachable
    assert 0 < source.sent < 1000


async def test_endless_data_is_cut_off(tmp_path: Path) -> None:
    source = Source(b"x" * 65_536, 0.0)
    async with link(tmp_path, source, 60.0) as (ops, _):
        with anyio.fail_after(15), pytest.raises(LogitsError) as caught:
            await ops.desired("", 0)
        assert "too large" in caught.value.message
    assert source.sent < 20 << 20
