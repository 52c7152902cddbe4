"""Errors of what the API Server answers itself: the same envelopes as those of relayed requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from logits_api_server.answers import refusal
from logits_core.errors import ErrorCode, LogitsError
from logits_core.wire import methods_at
from logits_shell.log import Logger
from logits_shell.relay import RequestHead
from logits_shell.relay.framing import request_id

AnyRequest = Request[Any, Any, Any]
Handler = Callable[..., Response[bytes]]


def exception_handlers(log: Logger) -> dict[type[Exception] | int, Handler]:
    """Return Litestar's exception handlers.

    Args:
        log: Takes what was not foreseen.
    """

    def refused(request: AnyRequest, error: LogitsError) -> Response[bytes]:
        return _response(request, error)

    def routed(request: AnyRequest, error: HTTPException) -> Response[bytes]:
        path = request.scope["path"]
        offered = methods_at(path)
        if error.status_code == 404 and offered:
            methods = ", ".join(offered)
            message = f"{path} takes only {methods}. Send the request as {methods}."
            answer = _response(request, LogitsError(ErrorCode.METHOD_NOT_ALLOWED, message))
            answer.headers["allow"] = methods
            return answer
        answer = _response(request, _of_the_router(request, error))
        answer.headers.update(error.headers or {})
        return answer

    def unforeseen(request: AnyRequest, error: Exception) -> Response[bytes]:
        message = f"An unexpected error; the pod's log has it under {log.incident(error)}."
        return _response(request, LogitsError(ErrorCode.INTERNAL, message))

    return {LogitsError: refused, HTTPException: routed, Exception: unforeseen}


def head_of(request: AnyRequest) -> RequestHead:
    """Return a request's head as the relay would see it."""
    headers = tuple(request.scope["headers"])
    path = request.scope["path"]
    return RequestHead(request.method, path, path, headers, request_id=request_id(headers))


def _response(request: AnyRequest, error: LogitsError) -> Response[bytes]:
    answer = refusal(error, head_of(request))
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, status_code=answer.status, headers=headers, media_type="application/json")


def _of_the_router(request: AnyRequest, error: HTTPException) -> LogitsError:
    method, path = request.scope["method"], request.scope["path"]
    if error.status_code == 404:
        return LogitsError(
            ErrorCode.NOT_FOUND,
            f"There is nothing at {method} {path}. GET /v1/models lists the models; "
            "chat completions are at POST /v1/chat/completions.",
            reason="unknown_url",
        )
    if error.status_code == 405:
        return LogitsError(ErrorCode.METHOD_NOT_ALLOWED, f"{path} doesn't offer {method}.")
    code = ErrorCode.TOO_LARGE if error.status_code == 413 else ErrorCode.MALFORMED
    return LogitsError(code, error.detail)
