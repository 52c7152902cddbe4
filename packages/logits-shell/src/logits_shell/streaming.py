"""Streamed responses that close their generator as soon as the client is gone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import Send

Chunks = AsyncGenerator[bytes, None]


class ClosingStream(ASGIStreamingResponse):
    """An unbuffered response body from an async generator.

    Litestar never closes the generator of its own stream, so clean-up would wait for the garbage
    collector when a client leaves in the middle of a write; this one closes it before the request ends.
    Return it from a handler annotated ``-> ClosingStream``.
    """

    __slots__ = ("_chunks",)

    def __init__(
        self,
        chunks: Chunks,
        *,
        media_type: str,
        headers: Mapping[str, str] | None = None,
        status_code: int = 200,
    ) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            iterator=chunks, media_type=media_type, headers=dict(headers or {}), status_code=status_code
        )
        self._chunks = chunks

    async def _stream(self, send: Send) -> None:
        async with aclosing(self._chunks):
            await super()._stream(send)
