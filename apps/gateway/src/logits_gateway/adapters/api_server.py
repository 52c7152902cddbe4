"""The Kubernetes API server: requests built from scratch, with the Gateway's own token, to one origin only."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

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
TOKEN_SECONDS = 1.0
"""How long the Gateway's own token is taken for current without a look at its file."""

TakenT = TypeVar("TakenT")


class UpstreamRequest(msgspec.Struct, frozen=True):
    """What is sent to the API server: nothing of the caller's but what was checked."""

    method: str
    target: str
    accept: str
    audit_id: str
    content: bytes | None = None
    content_type: str = ""


class ApiServer:
    """Sends requests to the API server of this cluster.

    Args:
        access: address, trust and the ServiceAccount's token, which is read again when it changes.
        max_watches: how many streams may be open besides ordinary requests.
        clock: seconds since any moment.
    """

    def __init__(self, access: ClusterAccess, *, max_watches: int, clock: Callable[[], float] = time.monotonic) -> None:
        place = urlsplit(access.base_url)
        secure = place.scheme == "https"
        self._upstream = Upstream(place.hostname or "", place.port or (443 if secure else 80))
        self._host = place.netloc
        self._credentials = access.credentials
        trusted = access.verify if isinstance(access.verify, ssl.SSLContext) else ssl.create_default_context()
        self._pool = UpstreamPool(idle_per_upstream=16, tls=trusted if secure else None)
        self._places = asyncio.Semaphore(max_watches + 64)
        self._clock = clock
        self._token, self._token_until = "", 0.0

    async def aclose(self) -> None:
        """Close all connections."""
        self._pool.close()

    def own_token(self) -> str:
        """The Gateway's own token, which may be a second older than its file: it is good for minutes longer."""
        if (now := self._clock()) >= self._token_until:
            self._token, self._token_until = self._credentials.token() or "", now + TOKEN_SECONDS
        return self._token

    async def ask(self, request: UpstreamRequest) -> tuple[int, bytes]:
        """Send a request; the status and the whole body of the answer.

        Raises:
            LogitsError: UNAVAILABLE without an answer, UPSTREAM_TIMEOUT after silence, UPSTREAM_FAILED for an
                answer that is too large or no plain JSON, such as a redirect.
        """
        return await self._exchange(request, READ_SECONDS, _whole)

    async def watch(self, request: UpstreamRequest, relay: Callable[[Exchange], Awaitable[None]]) -> None:
        """Send a request and let ``relay`` read the answer as it comes; the connection is closed behind it.

        Raises:
            LogitsError: UNAVAILABLE when nothing can be sent; and what ``relay`` raises.
        """
        await self._exchange(request, WATCH_SILENCE_SECONDS, relay)

    async def _exchange(
        self, request: UpstreamRequest, silence: float, take: Callable[[Exchange], Awaitable[TakenT]]
    ) -> TakenT:
        await self._place()
        try:
            try:
                return await self._attempt(request, silence, take, new=False)
            except StaleError:
                return await self._attempt(request, silence, take, new=True)
        finally:
            self._places.release()

    async def _place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise _unreachable("too many requests are open") from None

    async def _attempt(
        self, request: UpstreamRequest, silence: float, take: Callable[[Exchange], Awaitable[TakenT]], *, new: bool
    ) -> TakenT:
        replayable = request.method == "GET"
        # A change is never sent twice, so it doesn't go over a connection that may be closing.
        connection = None if new else self._pool.idle(self._upstream, fresh=not replayable)
        if connection is None:
            try:
                connection = await self._pool.connect(self._upstream, CONNECT_SECONDS)
            except UnreachableError as error:
                raise _unreachable(error.kind.value) from None
        exchange = Exchange(connection, replayable=replayable, silence=silence)
        try:
            exchange.send(self._written(request))
            return await take(exchange)
        finally:
            exchange.leave()

    def _written(self, request: UpstreamRequest) -> bytes:
        head = (
            f"{request.method} {request.target} HTTP/1.1\r\nhost: {self._host}\r\n"
            f"authorization: Bearer {self.own_token()}\r\naccept: {request.accept}\r\n"
            f"accept-encoding: identity\r\naudit-id: {request.audit_id}\r\nuser-agent: logits-gateway\r\n"
        )
        if request.content is None:
            return f"{head}\r\n".encode("ascii")
        framing = f"content-type: {request.content_type}\r\ncontent-length: {len(request.content)}\r\n\r\n"
        return f"{head}{framing}".encode("ascii") + request.content


def _unreachable(why: str) -> LogitsError:
    return LogitsError(ErrorCode.UNAVAILABLE, f"the API server can't be reached ({why}); try again", retry_after=1)


def _check_head(status: int, headers: Headers) -> None:
    stated = next((value for name, value in headers if name == b"content-type"), b"")
    media_type = stated.decode("latin-1").partition(";")[0].strip()
    if 300 <= status < 400 or status < 200 or media_type not in JSON_TYPES:
        raise LogitsError(
            ErrorCode.UPSTREAM_FAILED, f"the API server's answer {status} is no plain JSON; it was dropped"
        )


async def began(exchange: Exchange) -> int:
    """The status of an answer that is fit to be sent on.

    Raises:
        LogitsError: as ``ApiServer.ask``.
    """
    status, headers = await exchange.head()
    _check_head(status, headers)
    return status


async def _whole(exchange: Exchange) -> tuple[int, bytes]:
    content = await exchange.whole(MAX_ANSWER_BYTES)
    return await began(exchange), content
