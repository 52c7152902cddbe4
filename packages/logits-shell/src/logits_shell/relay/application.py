"""Uvicorn's side of a client connection: its transport, its tasks, and the requests that aren't relayed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class ApplicationProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which begins only once a head has been read and checked."""

    parser: httptools.HttpRequestParser  # pyright: ignore[reportIncompatibleVariableOverride]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set up the connection; the kernel finds out when its other end is no more."""
        super().connection_made(transport)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in {socket.AF_INET, socket.AF_INET6}:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def application_busy(self) -> bool:
        """Say whether the application has a request that it hasn't answered whole."""
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def application_receiving(self) -> bool:
        """Say whether it waits for the rest of a body."""
        return self.application_busy() and self.cycle.more_body

    def serve_application(self, *, continues: bool) -> None:
        """Hand the head that has been read to the application.

        Args:
            continues: Whether the client waits for a sign before it sends the body.
        """
        url, headers = self.url, self.headers
        HttpToolsProtocol.on_message_begin(self)
        self.url = url
        self.headers.extend(headers)
        self.expect_100_continue = continues and self.parser.get_http_version() == "1.1"
        HttpToolsProtocol.on_headers_complete(self)

    def leave_application(self) -> None:
        """Tell the application that its client has gone."""
        if self.application_busy():
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def hold_reading(self, held: bool) -> None:
        """Stop or resume reading from the client."""
        if held:
            self.flow.pause_reading()
        elif self.flow.read_paused and not self.transport.is_closing():
            self.flow.resume_reading()

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `work` in a task that the server waits for when it drains."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task
