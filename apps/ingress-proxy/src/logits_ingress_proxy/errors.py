"""Errors of the Ingress Proxy's edge: OpenAI envelopes on inference paths, problem documents elsewhere."""

from __future__ import annotations

from logits_core.wire import envelope
from logits_core.wire.errors import type_of_status
from logits_ingress_proxy.table import is_inference
from logits_shell.relay import Headers, Refusal, Rejection, RequestHead, problem_rejection


def rejected(rejection: Rejection, head: RequestHead | None) -> Refusal:
    """Put a refusal into the dialect of the path that was asked for."""
    if head is None or not is_inference(head.path):
        return problem_rejection(rejection, head)
    code = rejection.reason.replace("-", "_")
    body = envelope(rejection.message, type_of_status(rejection.status), code=code)
    fields: Headers = ((b"content-type", b"application/json"),)
    if rejection.retry_after is not None:
        fields += ((b"retry-after", b"%d" % rejection.retry_after),)
    return Refusal(rejection.status, body, fields)


def unauthenticated(head: RequestHead) -> Refusal:
    """Refuse a request without the right access token."""
    rejection = Rejection(
        401, "invalid-api-key", "Send the access token of this installation as 'Authorization: Bearer TOKEN'."
    )
    refusal = rejected(rejection, head)
    return Refusal(refusal.status, refusal.body, (*refusal.headers, (b"www-authenticate", b'Bearer realm="logits"')))
