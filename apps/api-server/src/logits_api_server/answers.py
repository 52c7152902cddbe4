"""Answers of the API Server's own: refusals in the caller's dialect, with the fields that clients act on."""

from __future__ import annotations

import math
from typing import Final

from logits_core.errors import LogitsError
from logits_core.wire import Dialect, dialect_at, failure_in, refusal_in
from logits_shell.relay import Headers, Refusal, Rejection, RequestHead

JSON: Final = (b"content-type", b"application/json")
HOPELESS: Final = frozenset({"model_failed", "concurrency_hopeless"})
"""Reasons for which the stock SDKs would try again in vain."""
VERSION_FIELD: Final = b"anthropic-version"


def dialect_of(head: RequestHead | None) -> Dialect:
    """Return the dialect of a request, by its path or by the field that Anthropic's clients send."""
    if head is None:
        return Dialect.OPENAI
    found = dialect_at(head.path)
    anthropic = found is Dialect.OPENAI and head.header(VERSION_FIELD) is not None
    return Dialect.ANTHROPIC if anthropic else found


def refusal(error: LogitsError, head: RequestHead | None, lines: bytes = b"") -> Refusal:
    """Return one of our refusals.

    Args:
        error: What is refused and why.
        head: The request's.
        lines: Further field lines.
    """
    status, body = refusal_in(dialect_of(head), error, head.request_id if head else "")
    fields = (JSON, *identity_fields(head), *retry_fields(error.retry_after, error.reason))
    return Refusal(status, body, fields, lines)


def rejected(rejection: Rejection, head: RequestHead | None) -> Refusal:
    """Return what the relay itself refuses."""
    code = rejection.reason.replace("-", "_")
    request_id = head.request_id if head else ""
    body = failure_in(dialect_of(head), rejection.status, rejection.message, code, request_id)
    fields = (JSON, *identity_fields(head), *retry_fields(rejection.retry_after, rejection.reason))
    return Refusal(rejection.status, body, fields)


def identity_fields(head: RequestHead | None) -> Headers:
    """Return the request's id under the name that Anthropic's clients look for; the relay tells the other."""
    if head is None or not head.request_id or dialect_of(head) is not Dialect.ANTHROPIC:
        return ()
    return ((b"request-id", head.request_id.encode("ascii")),)


def retry_fields(retry_after: float | None, reason: str | None) -> Headers:
    """Return the fields that say when, and whether, to try again."""
    fields: Headers = ()
    if retry_after is not None:
        fields += ((b"retry-after", b"%d" % max(1, math.ceil(retry_after))),)
    if reason in HOPELESS:
        fields += ((b"x-should-retry", b"false"),)
    return fields
