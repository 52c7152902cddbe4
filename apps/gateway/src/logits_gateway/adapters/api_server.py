"""The Kubernetes API server: requests built from scratch, with the Gateway's own token, to one origin only."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy.responses import JSON, JWKS
from logits_shell.kubernetes import ClusterAccess

MAX_ANSWER_BYTES = 32 << 20
JSON_TYPES = (JSON, JWKS)
CONNECT_SECONDS = 5.0
READ_SECONDS = 35.0
WATCH_SILENCE_SECONDS = 320.0
"""A little more than the longest watch; the API server ends every watch before."""


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """What is sent to the API server: nothing of the caller's but what was checked."""

    method: str
    target: str
    accept: str
    audit_id: str
    content: bytes | None = None
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """The API server's answer: its status and its bytes as they arrive."""

    status: int
    chunks: AsyncGenerator[bytes, None]


class ApiServer:
    """Sends requests to the API server of this cluster.

    Args:
        access: address, trust and the ServiceAccount's token, which is read again when it changes.
        max_watches: how many streams may be open besides ordinary requests.
    """

    def __init__(self, access: ClusterAccess, *, max_watches: int) -> None:
        self._origin = access.base_url.rstrip("/")
        self._credentials = access.credentials
        self._http = httpx.AsyncClient(
            verify=access.verify,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=max_watches + 64, max_keepalive_connections=16, keepalive_expiry=4.0),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    def own_token(self) -> str:
        """The Gateway's own token, for the issuer that it names."""
        return self._credentials.token() or ""

    @asynccontextmanager
    async def stream(self, request: UpstreamRequest, *, watch: bool) -> AsyncGenerator[UpstreamAnswer]:
        """Send a request and give the answer as it arrives; leaving the block closes the connection.

        Raises:
            LogitsError: UNAVAILABLE without an answer, UPSTREAM_TIMEOUT after silence, UPSTREAM_FAILED
                for an answer that is no plain JSON, such as a redirect.
        """
        headers = {
            "Authorization": f"Bearer {self._credentials.token()}",
            "Accept": request.accept,
            "Accept-Encoding": "identity",
            "Audit-ID": request.audit_id,
            "User-Agent": "logits-gateway",
        }
        if request.content is not None:
            headers["Content-Type"] = request.content_type
        silence = WATCH_SILENCE_SECONDS if watch else READ_SECONDS
        timeout = httpx.Timeout(silence, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS)
        try:
            async with self._http.stream(
                request.method,
                self._origin + request.target,
                content=request.content,
                headers=headers,
                timeout=timeout,
            ) as response:
                _check_head(response)
                yield UpstreamAnswer(response.status_code, _chunks(response))
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _failure(error) from None


def _failure(error: Exception) -> LogitsError:
    if isinstance(error, httpx.ReadTimeout):
        return LogitsError(ErrorCode.UPSTREAM_TIMEOUT, "the API server was silent for too long; try again")
    return LogitsError(
        ErrorCode.UNAVAILABLE,
        f"the API server can't be reached ({type(error).__name__}); try again",
        retry_after=1,
    )


def _check_head(response: httpx.Response) -> None:
    status = response.status_code
    media_type = response.headers.get("content-type", "").partition(";")[0].strip()
    if 300 <= status < 400 or status < 200 or media_type not in JSON_TYPES:
        raise LogitsError(
            ErrorCode.UPSTREAM_FAILED, f"the API server's answer {status} is no plain JSON; it was dropped"
        )


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise _failure(error) from None


async def read_whole(answer: UpstreamAnswer) -> bytes:
    """Read an answer into memory.

    Raises:
        LogitsError: UPSTREAM_FAILED when it is larger than 32 MiB.
    """
    content = bytearray()
    async for chunk in answer.chunks:
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise LogitsError(
                ErrorCode.UPSTREAM_FAILED,
                f"the answer has more than {MAX_ANSWER_BYTES} bytes; list with limit=500",
                field="limit",
            )
    return bytes(content)
