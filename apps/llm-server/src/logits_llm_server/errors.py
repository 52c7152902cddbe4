"""Errors of the LLM Server's edge: every refusal in OpenAI's shape."""

from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from logits_core.errors import LogitsError
from logits_core.wire import OPERATIONS, plain_error
from logits_shell.log import Logger

Handler = Callable[..., Response[bytes]]


def exception_handlers(log: Logger) -> dict[type[Exception] | int, Handler]:
    """Return Litestar's exception handlers.

    Args:
        log: takes what was not foreseen.
    """

    def refused(_: Request[Any, Any, Any], error: LogitsError) -> Response[bytes]:
        return _answer(error.status, error.message, error.code.value, error.field)

    def routed(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        if error.status_code in {404, 405}:
            paths = ", ".join(sorted({operation.engine_path for operation in OPERATIONS}))
            message = f"The LLM Server doesn't offer this. It relays: {paths}."
            return _answer(error.status_code, message, "unknown_url", None)
        return _answer(error.status_code, error.detail, None, None)

    def unforeseen(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        return _answer(500, f"An unexpected error; the pod's log has it under {log.incident(error)}.", "internal", None)

    return {LogitsError: refused, HTTPException: routed, Exception: unforeseen}


def _answer(status: int, message: str, code: str | None, param: str | None) -> Response[bytes]:
    body = plain_error(status, message, code=code, param=param)
    return Response(body, status_code=status, media_type="application/json")
