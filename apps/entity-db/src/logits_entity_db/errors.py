"""Errors of the Entity DB's edge: every refusal as a Kubernetes Status document."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import ClientException, HTTPException, ValidationException

from logits_core.entities.status import status_of
from logits_core.errors import ErrorCode, LogitsError
from logits_shell.decoding import invalid_parameters
from logits_shell.log import Logger

Handler = Callable[..., Response[bytes]]

_OF_THE_ROUTER: Final = {
    404: (ErrorCode.NOT_FOUND, "There is nothing at this path. GET /entities lists the kinds."),
    405: (
        ErrorCode.METHOD_NOT_ALLOWED,
        "This path doesn't offer that method. The header Allow names those it has.",
    ),
    413: (ErrorCode.TOO_LARGE, "The body is larger than this Entity DB accepts. Send less."),
}


def refusal(error: LogitsError) -> Response[bytes]:
    """Return the answer that tells of ``error``."""
    headers = {} if error.retry_after is None else {"retry-after": str(max(1, round(error.retry_after)))}
    return Response(
        msgspec.json.encode(status_of(error)),
        status_code=error.status,
        media_type="application/json",
        headers=headers,
    )


def exception_handlers(log: Logger) -> dict[type[Exception] | int, Handler]:
    """Return Litestar's exception handlers.

    Args:
        log: takes what was not foreseen.
    """

    def refused(_: Request[Any, Any, Any], error: LogitsError) -> Response[bytes]:
        return refusal(error)

    def invalid(_: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
        message, field = invalid_parameters(error)
        return refusal(LogitsError(ErrorCode.MALFORMED, f"{message}. Change it and send it again.", field=field))

    def routed(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        code, message = _OF_THE_ROUTER.get(error.status_code, (ErrorCode.MALFORMED, error.detail))
        answer = refusal(LogitsError(code, message))
        answer.headers.update(error.headers or {})
        return answer

    def unforeseen(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        message = f"An unexpected error; the pod's log has it under {log.incident(error)}."
        return refusal(LogitsError(ErrorCode.INTERNAL, message))

    return {
        LogitsError: refused,
        ValidationException: invalid,
        ClientException: routed,
        HTTPException: routed,
        Exception: unforeseen,
    }
