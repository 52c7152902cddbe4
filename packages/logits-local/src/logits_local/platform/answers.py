"""Answers of the platform's own HTTP APIs: a success, or an error that quotes the refusal."""

from __future__ import annotations

import httpx

from logits_core.errors import ErrorCode, LogitsError


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is a success.

    Raises:
        LogitsError: UNAVAILABLE when trying again may help, INVALID when the request was refused.
    """
    if answer.is_success:
        return answer
    code = ErrorCode.UNAVAILABLE if answer.is_server_error else ErrorCode.INVALID
    request = answer.request
    raise LogitsError(code, f"{request.method} {request.url.path} answered {answer.status_code}: {answer.text[:300]}")
