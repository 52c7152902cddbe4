"""Problem documents: how Litestar apps answer an error (RFC 9457)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from logits_core.errors import HTTP_STATUS, TITLES, ErrorCode, LogitsError
from logits_shell.decoding import invalid_parameters
from logits_shell.log import Logger

PROBLEM_JSON = "application/problem+json"
Handler = Callable[..., Response[Any]]
"""What Litestar calls with the request and the exception."""
_OF_THE_ROUTER = {
    404: "there is nothing at this path; the reference of routes lists what there is",
    405: "this path doesn't offer that method; the header Allow names those it has",
    413: "the body is larger than this path takes; send less at once",
}
_BY_STATUS = {status: code for code, status in reversed(HTTP_STATUS.items())}


def problem(
    code: ErrorCode, detail: str, *, field: str | None = None, retry_after: float | None = None
) -> Response[bytes]:
    """A problem document as a response; ``field`` names the value at fault."""
    body: dict[str, Any] = {
        "type": f"urn:logits:error:{code}",
        "title": TITLES[code],
        "status": HTTP_STATUS[code],
        "detail": detail,
    }
    if field:
        body["field"] = field
    headers = {"retry-after": str(max(1, round(retry_after)))} if retry_after is not None else {}
    return Response(msgspec.json.encode(body), status_code=HTTP_STATUS[code], media_type=PROBLEM_JSON, headers=headers)


def problem_handlers(log: Logger) -> dict[type[Exception] | int, Handler]:
    """Exception handlers for ``Litestar(exception_handlers=...)``.

    What isn't mapped becomes an opaque 500 with an id that the Pod log repeats.
    """

    def refused(_: Request[Any, Any, Any], error: LogitsError) -> Response[bytes]:
        return problem(error.code, error.message, field=error.field, retry_after=error.retry_after)

    def invalid(_: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
        message, field = invalid_parameters(error)
        return problem(ErrorCode.MALFORMED, message, field=field)

    def http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        code = _BY_STATUS.get(
            error.status_code, ErrorCode.INTERNAL if error.status_code >= 500 else ErrorCode.MALFORMED
        )
        response = problem(code, _OF_THE_ROUTER.get(error.status_code, error.detail))
        response.headers.update(error.headers or {})
        return response

    return {
        LogitsError: refused,
        ValidationException: invalid,
        HTTPException: http,
        Exception: unexpected(log),
    }


def unexpected(log: Logger) -> Callable[[Request[Any, Any, Any], Exception], Response[bytes]]:
    """The handler of last resort: an opaque 500 whose id leads to the Pod log."""

    def handle(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        return problem(ErrorCode.INTERNAL, f"an unexpected error; the pod's log has it under {log.incident(error)}")

    return handle
