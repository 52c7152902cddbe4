"""The way out: batches go to the Gateway, which checks, records and passes them on."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from logits_collector.adapters.spool import Waiting
from logits_core.errors import LogitsError
from logits_shell.kubernetes import Credentials


@dataclass(frozen=True)
class Answer:
    """What came back: None as status when nothing did; ``retry_after`` in seconds."""

    status: int | None
    retry_after: float | None = None


class BatchSender:
    """Sends one batch at a time.

    Args:
        http: the client.
        base_url: the Gateway.
        credentials: the Collector's own projected token.
    """

    def __init__(self, http: httpx.AsyncClient, base_url: str, credentials: Credentials) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials

    async def send(self, waiting: Waiting) -> Answer:
        """One attempt; transport failures are an answer without a status."""
        try:
            answer = await self._http.post(
                f"{self._base_url}/ops/v1/{waiting.header.kind}",
                content=waiting.body(),
                headers={
                    "authorization": f"Bearer {self._credentials.token()}",
                    "content-type": "application/x-ndjson",
                    "content-encoding": "zstd",
                    "idempotency-key": waiting.header.key,
                },
            )
        except (httpx.HTTPError, LogitsError):
            return Answer(None)
        return Answer(answer.status_code, _seconds(answer.headers.get("retry-after")))


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isdigit() else None
