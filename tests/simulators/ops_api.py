"""A simulated Ops API: the Gateway's side of the protocol, scripted by a test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import anyio
import msgspec

from logits_core.rollout import Offer

ENVIRONMENT = "123e4567-e89b-42d3-a456-426614174000"
KEY = "abcdefgh.ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


class SimulatedOpsApi:
    """An ASGI app that answers for one environment and remembers what it was told.

    Set ``away`` and every call is answered with 503; set the offer through ``want``.
    """

    def __init__(self) -> None:
        self.away = False
        self.registrations: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        self.batches: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self._offer: Offer | bytes = Offer()
        self._news = anyio.Event()

    def want(self, offer: Offer | bytes) -> None:
        """Answer with this from now on, word for word if it is bytes."""
        self._offer = offer
        self.ring()

    def close(self) -> None:
        """Answer everybody who waits, before the server stops."""
        self.away = True
        self.ring()

    def ring(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def until(self, met: Callable[[], bool], *, seconds: float = 20) -> None:
        with anyio.fail_after(seconds):
            while not met():
                await self._news.wait()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.requests.append((scope["method"], scope["path"]))
        status, answer, extra = await self._answer(scope, headers, body)
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode() if answer is not None else b""
        await send({"type": "http.response.start", "status": status, "headers": extra})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Any, headers: dict[str, str], body: bytes) -> tuple[int, Any, Any]:
        if self.away:
            return 503, {"detail": "away"}, []
        if headers.get("authorization") != f"Bearer {KEY}":
            return 401, {"detail": "wrong key"}, []
        what = scope["path"].removeprefix(f"/v1/environments/{ENVIRONMENT}/")
        if what == "desired":
            return await self._desired(scope, headers)
        if what in ("logs", "metrics"):
            duplicate = headers["idempotency-key"] in self.batches
            self.batches[headers["idempotency-key"]] = body
            self.ring()
            return 200, {"accepted": 0 if duplicate else 1, "duplicate": duplicate}, []
        known = {"registration": self.registrations, "reports": self.reports}
        if what not in known:
            return 404, {"detail": "no such path"}, []
        known[what].append(json.loads(body))
        self.ring()
        return 200, {"environment": ENVIRONMENT}, []

    async def _desired(self, scope: Any, headers: dict[str, str]) -> tuple[int, Any, Any]:
        wait = float(parse_qs(scope["query_string"].decode())["wait"][0])
        if headers.get("if-none-match") == self._etag():
            with anyio.move_on_after(wait):
                while headers.get("if-none-match") == self._etag() and not self.away:
                    await self._news.wait()
        etag = self._etag()
        unchanged = headers.get("if-none-match") == etag
        extra = [(b"etag", etag.encode())]
        return (304, None, extra) if unchanged else (200, self._content(), extra)

    def _content(self) -> bytes:
        return self._offer if isinstance(self._offer, bytes) else msgspec.json.encode(self._offer)

    def _etag(self) -> str:
        return '"' + hashlib.sha256(self._content()).hexdigest()[:16] + '"'
