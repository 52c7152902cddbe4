"""Errors of the API Server's edge: every refusal in the OpenAI envelope, whoever made it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import HTTPException

from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction import Identifier
from logits_core.wire import envelope, envelope_of
from logits_core.wire.errors import type_of_status
from logits_shell.log import Logger
from logits_shell.relay import Headers, Refusal, Rejection, RequestHead

JSON: Final = b"application/json"
Handler = Callable[..., Response[bytes]]


def refusal(error: LogitsError) -> Refusal:
    """Return one of our refusals as a relay answer."""
    status, body = envelope_of(error)
    return Refusal(status, body, _fields(error.retry_after))


def rejected(rejection: Rejection, head: RequestHead | None) -> Refusal:
    """Return what the relay itself refuses as a relay answer."""
    body = envelope(rejection.message, type_of_status(rejection.status), code=rejection.reason.replace("-", "_"))
    return Refusal(rejection.status, body, _fields(rejection.retry_after))


def _fields(retry_after: float | None) -> Headers:
    fields: Headers = ((b"content-type", JSON),)
    if retry_after is not None:
        fields += ((b"retry-after", b"%d" % max(1, round(retry_after))),)
    return fields


def _response(error: LogitsError) -> Response[bytes]:
    answer = refusal(error)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, status_code=answer.status, headers=headers, media_type="application/json")


def exception_handlers(log: Logger, offered: Callable[[str], bool]) -> dict[type[Exception] | int, Handler]:
    """Return Litestar's exception handlers.

    Args:
        log: Takes what was not foreseen.
        offered: Says whether POST is offered at a path.
    """

    def refused(_: Request[Any, Any, Any], error: LogitsError) -> Response[bytes]:
        return _response(error)

    def routed(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        path = request.scope["path"]
        if error.status_code == 404 and offered(path):
            answer = _response(
                LogitsError(ErrorCode.METHOD_NOT_ALLOWED, f"{path} takes only POST. Send the request as POST.")
            )
            answer.headers["allow"] = "POST"
            return answer
        answer = _response(_of_the_router(request, error))
        answer.headers.update(error.headers or {})
        return answer

    def unforeseen(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        incident = secrets.token_hex(6)
        log.error(
            "unexpected error {incident} of type {kind}: {error}",
            incident=incident,
            kind=Identifier(type(error).__name__.lower()[:48]),
            error=repr(error),
        )
        message = f"An unexpected error; the pod's log has it under {incident}."
        return _response(LogitsError(ErrorCode.INTERNAL, message))

    return {LogitsError: refused, HTTPException: routed, Exception: unforeseen}


def _of_the_router(request: Request[Any, Any, Any], error: HTTPException) -> LogitsError:
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
