"""How the Ops API answers errors: problem documents for programs, pages for operators."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.response import Redirect, Template

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.log import Logger
from logits_shell.problems import Handler, problem, problem_handlers

AnyRequest = Request[Any, Any, Any]


class SignInRequired(Exception):  # noqa: N818 - the answer is a way forward, no failure
    """A page was asked for without a session."""


def error_handlers(log: Logger) -> dict[type[Exception] | int, Handler]:
    """Exception handlers of the app."""

    def refused(request: AnyRequest, error: LogitsError) -> Response[Any]:
        if request.url.path.startswith("/fleet"):
            context = {"message": error.message}
            return Template("refused.html", context=context, status_code=error.status)
        response = problem(error.code, error.message, field=error.field, retry_after=error.retry_after)
        if error.code is ErrorCode.UNAUTHENTICATED:
            response.headers["www-authenticate"] = 'Bearer realm="logits-ops-api"'
        return response

    def sign_in(_: AnyRequest, __: SignInRequired) -> Redirect:
        return Redirect("/fleet/sign-in", status_code=303)

    handlers = problem_handlers(log)
    handlers.update({LogitsError: refused, SignInRequired: sign_in})
    return handlers
