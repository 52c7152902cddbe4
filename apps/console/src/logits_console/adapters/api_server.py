"""The API Server as the playground uses it: one chat completion, relayed byte for byte."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import httpx

from logits_core.errors import ErrorCode, LogitsError

ROUTE = "x-logits-route"
DEADLINE = httpx.Timeout(10.0, read=600.0)


@dataclass(frozen=True)
class Answer:
    """An answer whose body is still to be read.

    Attributes:
        status: HTTP status.
        media_type: of the body.
        chunks: the body.
        route: which LLM Server answered and why, in the API Server's words; empty when it doesn't say.
    """

    status: int
    media_type: str
    chunks: AsyncGenerator[bytes, None]
    route: str = ""


class ApiServer:
    """Sends chat completions.

    Args:
        http: the client.
        base_url: the API Server.
    """

    def __init__(self, http: httpx.AsyncClient, base_url: str) -> None:
        self._http = http
        self._url = f"{base_url.rstrip('/')}/api/v1/chat/completions"

    async def chat(self, body: bytes) -> Answer:
        """Open a chat completion; closing ``chunks`` aborts it upstream."""
        headers = {"content-type": "application/json", ROUTE: "1"}
        request = self._http.build_request("POST", self._url, content=body, headers=headers, timeout=DEADLINE)
        try:
            response = await self._http.send(request, stream=True)
        except httpx.HTTPError as error:
            raise LogitsError(
                ErrorCode.UNAVAILABLE, "the API Server cannot be reached; try again shortly", retry_after=2
            ) from error
        return Answer(
            response.status_code,
            response.headers.get("content-type", "application/json"),
            _chunks(response),
            response.headers.get(ROUTE, ""),
        )


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx.HTTPError:
        yield b'data: {"error":{"message":"the connection to the API Server broke"}}\n\ndata: [DONE]\n\n'
    finally:
        await response.aclose()
