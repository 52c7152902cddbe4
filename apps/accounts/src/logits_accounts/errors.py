"""How Accounts answers errors: pages that say what happened and how to go on."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException
from litestar.response import Redirect, Template

from logits_core.errors import TITLES, ErrorCode, LogitsError
from logits_shell.log import Logger
from logits_shell.problems import Handler

AnyRequest = Request[Any, Any, Any]


class SignInRequired(Exception):  # noqa: N818 - the answer is a way forward, no failure
    """A page is for signed-in people; carries where to sign in."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


def error_handlers(log: Logger) -> dict[type[Exception] | int, Handler]:
    """Exception handlers of the app."""

    def refused(_: AnyRequest, error: LogitsError) -> Template:
        headers = {"retry-after": str(round(error.retry_after))} if error.retry_after else {}
        return _page(error.status, TITLES[error.code], error.message, headers)

    def sign_in(_: AnyRequest, error: SignInRequired) -> Redirect:
        return Redirect(error.location, status_code=303)

    def http(_: AnyRequest, error: HTTPException) -> Template:
        texts = {
            404: ("This page does not exist", "The address may be old or misspelt."),
            405: (TITLES[ErrorCode.METHOD_NOT_ALLOWED], "Open the page and use its form."),
            413: (TITLES[ErrorCode.TOO_LARGE], "Send less at once."),
        }
        title, message = texts.get(
            error.status_code, (TITLES[ErrorCode.MALFORMED], "Open the page and send its form again.")
        )
        return _page(error.status_code, title, message, {})

    def unexpected(_: AnyRequest, error: Exception) -> Template:
        message = f"It is our fault and written down as {log.incident(error)}. Try again in a moment."
        return _page(500, TITLES[ErrorCode.INTERNAL], message, {})

    return {LogitsError: refused, SignInRequired: sign_in, HTTPException: http, Exception: unexpected}


def _page(status: int, title: str, message: str, headers: dict[str, str]) -> Template:
    context = {"title": title, "message": message, "user": None}
    return Template("refused.html", context=context, status_code=status, headers=headers)
