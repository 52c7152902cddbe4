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


def sign_in_first(head: RequestHead, there: str, *, basic: bool) -> Refusal:
    """Refuse a request of nobody known; `there`: where a browser can sign in, "" for programs."""
    if there:
        return Refusal(303, b"", ((b"location", there.encode("ascii")), (b"cache-control", b"no-store")))
    how = "open the Console in a browser and sign in" + (", or send name and password" if basic else "")
    refusal = rejected(Rejection(401, "sign-in-required", f"This needs a sign-in: {how}."), head)
    challenge = b'Basic realm="logits", charset="UTF-8"' if basic else b'Cookie realm="logits"'
    return Refusal(refusal.status, refusal.body, (*refusal.headers, (b"www-authenticate", challenge)))


def forbidden(head: RequestHead, message: str) -> Refusal:
    """Refuse what another site's page asks for."""
    return rejected(Rejection(403, "cross-site", message), head)
