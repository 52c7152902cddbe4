"""How the Console answers errors: a page or a message for people, problem documents for programs."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Template

from logits_core.errors import LogitsError
from logits_shell.log import Logger
from logits_shell.problems import Handler, problem, problem_handlers

NOT_FOUND = 404
AnyRequest = Request[Any, Any, Any]


def wants_page(request: AnyRequest) -> bool:
    """Whether a person in a browser asks, and not a program."""
    return "text/html" in request.headers.get("accept", "") or is_fragment(request)


def is_fragment(request: AnyRequest) -> bool:
    """Whether htmx asks: it takes a piece of a page in place of a redirect."""
    return request.headers.get("hx-request") == "true"


def error_handlers(log: Logger) -> dict[type[Exception] | int, Handler]:
    """Exception handlers of the app."""

    def refused(request: AnyRequest, error: LogitsError) -> Response[Any]:
        if is_fragment(request):
            # htmx only shows good answers; the message itself says what went wrong.
            return Template("toast.html", context={"good": False, "message": error.message}, status_code=200)
        if wants_page(request):
            return Template("refused.html", context={"message": error.message}, status_code=error.status)
        return problem(error.code, error.message, field=error.field, retry_after=error.retry_after)

    handlers = problem_handlers(log)
    document = handlers[HTTPException]

    def routed(request: AnyRequest, error: HTTPException) -> Response[Any]:
        if not wants_page(request):
            return document(request, error)
        message = "This page does not exist." if error.status_code == NOT_FOUND else error.detail
        return Template("refused.html", context={"message": message}, status_code=error.status_code)

    handlers.update({LogitsError: refused, HTTPException: routed})
    return handlers
