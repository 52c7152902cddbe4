"""The Ops API as Accounts sees it: announce environments, follow their registration."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from logits_accounts.adapters.environments import Announcement
from logits_core.errors import ErrorCode, LogitsError

READ_SECONDS = 60.0
"""Silence on an event stream after which it counts as broken; the Ops API speaks every 15 s."""


class OpsApi:
    """Calls the internal side of the Ops API.

    Args:
        client: with the Ops API's base URL and our service token.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @classmethod
    def connect(cls, url: str, token: str) -> OpsApi:
        """A client for an Ops API."""
        return cls(
            httpx.AsyncClient(
                base_url=url,
                headers={"authorization": f"Bearer {token}"},
                timeout=httpx.Timeout(10, read=15),
                limits=httpx.Limits(max_connections=1000, max_keepalive_connections=10),
                trust_env=False,
            )
        )

    async def announce(self, announcement: Announcement) -> None:
        """Tell the Ops API about an environment, or to forget it; safe to repeat.

        Raises:
            LogitsError: UPSTREAM_FAILED when it wasn't taken.
        """
        path = f"/internal/v1/environments/{announcement.environment}"
        try:
            if announcement.gone:
                answer = await self._client.delete(path)
            else:
                document = {
                    "name": announcement.name,
                    "keyId": announcement.key_id,
                    "keySha256": announcement.key_sha256,
                }
                answer = await self._client.put(path, json=document)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise _failed(error) from error

    async def follow(self, environment: str) -> AsyncGenerator[dict[str, Any], None]:
        """The environment's state now and after every change, until the stream ends.

        Raises:
            LogitsError: UPSTREAM_FAILED when the Ops API cannot be reached or the stream breaks.
        """
        path = f"/internal/v1/environments/{environment}/events"
        timeout = httpx.Timeout(10, read=READ_SECONDS)
        try:
            async with self._client.stream("GET", path, timeout=timeout) as answer:
                answer.raise_for_status()
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        yield json.loads(line.removeprefix("data: "))
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise _failed(error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _failed(error: Exception) -> LogitsError:
    status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
    what = f"answered {status}" if status else "cannot be reached"
    return LogitsError(ErrorCode.UPSTREAM_FAILED, f"the Ops API {what}; this mends itself when it is back")
