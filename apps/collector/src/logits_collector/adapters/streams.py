"""Streams: the redacted log lines that a component serves, followed from a sequence number on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx

from logits_collector.adapters.targets import Target
from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction.record import MAX_LINE_BYTES

STREAM_HEADER = "x-logits-stream"


class LogSource:
    """Opens the log stream of a target.

    Args:
        http: the client; its read timeout must exceed the 15 s of an idle stream.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def stream_id(self, target: Target) -> str:
        """The id of the target's present process life."""
        async with self._http.stream("GET", f"{target.url}/logs?after={1 << 60}") as answer:
            return _stream_of(answer)

    async def follow(self, target: Target, after: int) -> AsyncGenerator[tuple[str, bytes], None]:
        """Lines after a sequence number, as (stream id, line); ends when the target closes.

        Raises:
            httpx.HTTPError: the target is away.
            LogitsError: the target answers something else than a log stream.
        """
        url = f"{target.url}/logs?after={after}&follow=true"
        async with self._http.stream("GET", url) as answer:
            stream = _stream_of(answer)
            async with aclosing(_lines(answer)) as lines:
                async for line in lines:
                    yield stream, line


def _stream_of(answer: httpx.Response) -> str:
    stream = answer.headers.get(STREAM_HEADER, "")
    if answer.status_code != 200 or not stream:
        raise LogitsError(ErrorCode.UPSTREAM_FAILED, "the component's metrics port serves no log stream")
    return stream


async def _lines(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    held = b""
    async for chunk in answer.aiter_raw():
        *complete, held = (held + chunk).split(b"\n")
        for line in complete:
            if line:
                yield line
        if len(held) > MAX_LINE_BYTES:
            raise LogitsError(ErrorCode.TOO_LARGE, "a log line of the component never ends")
