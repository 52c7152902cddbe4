"""Route ``/kubernetes``: the Kubernetes API behind the Gateway's policy, as a raw ASGI app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import msgspec
from litestar.types import Receive, Send

from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy.authorise import is_offered
from logits_core.policy.strictjson import MAX_BODY_BYTES
from logits_gateway.door import Door, RawRequest
from logits_gateway.errors import incident, status_document
from logits_shell.log import Logger

PREFIX = "/kubernetes"
RECEIPT = b"x-audit-receipt"
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


class AsgiReply:
    """Sends an answer to an ASGI server, unbuffered."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._started = False
        self.streams = False

    async def whole(self, status: int, body: bytes, receipt: str = "") -> None:
        """Send a complete answer; after a streamed start there is nothing left to say."""
        if self._started:
            return
        length = (b"content-length", str(len(body)).encode())
        await self._start(status, [length], receipt)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def start(self, status: int, receipt: str) -> None:
        """Begin a streamed answer."""
        self.streams = True
        await self._start(status, [], receipt)

    async def chunk(self, data: bytes) -> None:
        """Send a part at once."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def disconnected(self) -> None:
        """Return when the client is gone."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return

    async def finish(self) -> None:
        """End a streamed answer, if one was begun."""
        if self.streams:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]], receipt: str) -> None:
        self._started = True
        fixed = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        if status == 401:
            fixed.append((b"www-authenticate", b'Bearer realm="logits-gateway"'))
        if receipt:
            fixed.append((RECEIPT, receipt.encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})


class KubernetesRoute:
    """Sends requests below ``/kubernetes``, and what nobody offers, to the door, the rest to the next app.

    It stands before Litestar because the door wants the path as it was sent, not as a router reads it.

    Args:
        door: the way of such a request.
        following: serves every other path.
        log: for failures that nobody expected.
    """

    def __init__(self, door: Door, following: AsgiApp, log: Logger) -> None:
        self._door = door
        self._following = following
        self._log = log

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        path = bytes(scope.get("raw_path") or b"").decode("latin-1") if scope["type"] == "http" else ""
        inside = path == PREFIX or path.startswith(PREFIX + "/")
        if not inside and (scope["type"] != "http" or is_offered(str(scope["method"]), path)):
            await self._following(scope, receive, send)
            return
        reply = AsgiReply(receive, send)
        try:
            # What nobody offers goes through the door too, so that it is refused and recorded like the rest.
            await self._door.answer(_raw_request(scope, path, receive), reply, offered=inside)
        except anyio.get_cancelled_exc_class():
            # The server is stopping: a watch that has begun ends as watches do, without an error.
            if not reply.streams:
                raise
        except Exception as error:  # noqa: BLE001 - the boundary of one request: it must be answered
            code, document = status_document(incident(self._log, error))
            await reply.whole(code, msgspec.json.encode(document))
        await reply.finish()


def _raw_request(scope: dict[str, Any], path: str, receive: Receive) -> RawRequest:
    client = scope.get("client")
    return RawRequest(
        method=str(scope.get("method", "")),
        path=path.removeprefix(PREFIX) or "/",
        query=bytes(scope.get("query_string") or b"").decode("latin-1"),
        headers=tuple(scope["headers"]),
        source=client[0] if client else "",
        read_body=lambda: _read_body(receive),
    )


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise LogitsError(ErrorCode.MALFORMED, "the request ended before its body did", field="body")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise LogitsError(ErrorCode.TOO_LARGE, f"the body has more than {MAX_BODY_BYTES} bytes", field="body")
        if not message.get("more_body", False):
            return bytes(body)
