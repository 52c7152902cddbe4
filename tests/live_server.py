"""A live server for tests: a real ASGI app on a free loopback port, in the test's own event loop."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import uvicorn

from logits_shell.serve import WaitingServer


@asynccontextmanager
async def live(app: Any) -> AsyncGenerator[str]:
    """Serve ``app`` inside the block; yields its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, loop="none", ws="none", timeout_graceful_shutdown=1
        )
        server = WaitingServer(config)
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listener])
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.stop()
