"""The Kubernetes API server: requests built from scratch, with the Gateway's own token, to one origin only."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy.responses import JSON, JWKS
from logits_gateway.adapters.upstream_exchange import Exchange, StaleError
from logits_shell.kubernetes import ClusterAccess
from logits_shell.relay import Headers, UnreachableError, Upstream, UpstreamPool

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
        place = urlsplit(access.base_url)
        secure = place.scheme == "https"
        self._upstream = Upstream(place.hostname or "", place.port or (443 if secure else 80))
        self._host = place.netloc
        self._credentials = access.credentials
        trusted = access.verify if isinstance(access.verify, ssl.SSLContext) else ssl.create_default_context()
        self._pool = UpstreamPool(idle_per_upstream=16, tls=trusted if secure else None)
        self._places = asyncio.Semaphore(max_watches + 64)

    async def aclose(self) -> None:
        """Close all connections."""
        self._pool.close()

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
        silence = WATCH_SILENCE_SECONDS if watch else READ_SECONDS
        async with self._place():
            exchange = await self._sent(request)
            try:
                try:
                    status, headers = await exchange.head(silence)
                except StaleError:
                    exchange = await self._sent(request, new=True)
                    status, headers = await exchange.head(silence)
                _check_head(status, headers)
                async with aclosing(exchange.chunks(silence)) as chunks:
                    yield UpstreamAnswer(status, chunks)
            finally:
                exchange.leave()

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise _unreachable("too many requests are open") from None
        try:
            yield
        finally:
            self._places.release()

    async def _sent(self, request: UpstreamRequest, *, new: bool = False) -> Exchange:
        # A change is never sent twice, so it doesn't go over a connection that may be closing.
        connection = None if new else self._pool.idle(self._upstream, fresh=request.method != "GET")
        if connection is None:
            try:
                connection = await self._pool.connect(self._upstream, CONNECT_SECONDS)
            except UnreachableError as error:
                raise _unreachable(error.kind.value) from None
        exchange = Exchange(connection, replayable=request.method == "GET")
        exchange.send(self._written(request))
        return exchange

    def _written(self, request: UpstreamRequest) -> bytes:
        lines = [
            f"{request.method} {request.target} HTTP/1.1",
            f"host: {self._host}",
            f"authorization: Bearer {self._credentials.token()}",
            f"accept: {request.accept}",
            "accept-encoding: identity",
            f"audit-id: {request.audit_id}",
            "user-agent: logits-gateway",
        ]
        if request.content is not None:
            lines += [f"content-type: {request.content_type}", f"content-length: {len(request.content)}"]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + (request.content or b"")


def _unreachable(why: str) -> LogitsError:
    return LogitsError(ErrorCode.UNAVAILABLE, f"the API server can't be reached ({why}); try again", retry_after=1)


def _check_head(status: int, headers: Headers) -> None:
    stated = next((value for name, value in headers if name == b"content-type"), b"")
    media_type = stated.decode("latin-1").partition(";")[0].strip()
    if 300 <= status < 400 or status < 200 or media_type not in JSON_TYPES:
        raise LogitsError(
            ErrorCode.UPSTREAM_FAILED, f"the API server's answer {status} is no plain JSON; it was dropped"
        )


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
