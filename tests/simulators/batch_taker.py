"""A simulated Gateway as far as the Collector sends to it: takes batches, or refuses them while told to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from litestar import Litestar, Request, Response, post

from logits_collector.adapters.zstd import zstd


@dataclass
class BatchTaker:
    """What arrived, by idempotency key, and how to answer next.

    Attributes:
        status: the answer to every batch.
        batches: accepted bodies, uncompressed, by key: a replay is stored once.
        attempts: how many requests came.
    """

    status: int = 200
    batches: dict[str, bytes] = field(default_factory=dict[str, bytes])
    attempts: int = 0

    def records(self) -> list[dict[str, Any]]:
        """Every log record that was accepted."""
        lines = [line for body in self.batches.values() for line in body.splitlines()]
        return [record for line in lines if "sequence" in (record := json.loads(line))]

    def app(self) -> Litestar:
        """The simulated Gateway."""

        @post(["/ops/v1/logs", "/ops/v1/metrics"], status_code=200)
        async def take(request: Request[Any, Any, Any]) -> Response[str]:
            self.attempts += 1
            if self.status == 200:
                self.batches[request.headers["idempotency-key"]] = zstd.decompress(await request.body())
            return Response("", status_code=self.status)

        return Litestar([take], openapi_config=None, logging_config=None)
