"""The mock engine of the data-path figures: one process, several ports, answers of fixed size.

``python bench/data_path/mock_engine.py PORT [PORT …]`` serves until it's stopped. A body that holds
``"stream":true`` gets 64 server-sent events, each written in a turn of the loop of its own, one millisecond
apart, so that a proxy sees them one by one; every other POST gets one completion of about 400 bytes.
Of streams whose ``"user"`` is ``"paced"`` an event comes every 20 ms, as from a busy GPU; of ``"slow"`` ones each
second, without end; ``"silent"`` gets nothing.
It stands for an engine whose own work costs nothing, so that what is left is the proxy's.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

import uvloop

MODEL = "mock"
CHUNKS = 64
PAUSE_SECONDS = 0.001
PACED_SECONDS = 0.02
SLOW_SECONDS = 1.0


def _chunk(number: int, finish: str | None) -> bytes:
    delta = {"content": f" word{number:02d}"} if finish is None else {}
    document = {
        "id": "chatcmpl-mock",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


EVENTS = [_framed(_chunk(number, None)) for number in range(CHUNKS - 1)]
EVENTS.append(_framed(_chunk(CHUNKS, "stop") + b"data: [DONE]\n\n") + b"0\r\n\r\n")
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _whole(document: object) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


COMPLETION = _whole(
    {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "word " * 24}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 250, "completion_tokens": 24, "total_tokens": 274},
    }
)
MODELS = _whole({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "mock"}]})
FINE = _whole({"status": "ok", "model_path": MODEL, "is_generation": True})


class Engine(asyncio.Protocol):
    """One connection; requests come one after the other and carry a Content-Length."""

    def __init__(self) -> None:
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop a stream."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get"):
            self._transport.write(MODELS if b"models" in head.split(b"\r\n", 1)[0] else FINE)
        elif b'"user":"silent"' in body:
            return
        elif b'"stream":true' in body.replace(b" ", b""):
            self._transport.write(STREAM_HEAD)
            if b'"user":"slow"' in body:
                self._slowly()
            else:
                self._next(0, PACED_SECONDS if b'"user":"paced"' in body else PAUSE_SECONDS)
        else:
            self._transport.write(COMPLETION)

    def _slowly(self) -> None:
        self._transport.write(EVENTS[0])
        self._timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._slowly)

    def _next(self, number: int, pause: float) -> None:
        self._transport.write(EVENTS[number])
        if number + 1 < len(EVENTS):
            self._timer = asyncio.get_running_loop().call_later(pause, self._next, number + 1, pause)


async def main(ports: list[int]) -> None:
    """Serve on every port until the process is stopped."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Engine, "127.0.0.1", port, backlog=2048) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    uvloop.run(main([int(argument) for argument in sys.argv[1:]]))
