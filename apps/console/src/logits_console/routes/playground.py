"""Playground: relays one chat completion, so that the page works wherever the Console is opened."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency

from logits_console.adapters.api_server import ROUTE
from logits_console.world import World
from logits_shell.streaming import ClosingStream
from logits_shell.web.origin import require_same_origin


@post("/playground/chat", operation_id="playgroundChat", status_code=200)
async def chat(request: Request[Any, Any, Any], world: NamedDependency[World]) -> ClosingStream:
    """Pass the request on and its answer back, unbuffered; a reader who leaves aborts it."""
    require_same_origin("POST", request.headers)
    answer = await world.api_server.chat(await request.body())
    headers = {ROUTE: answer.route} if answer.route else {}
    return ClosingStream(answer.chunks, media_type=answer.media_type, headers=headers, status_code=answer.status)
