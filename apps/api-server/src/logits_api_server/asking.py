"""Reading a request: what it asks for, of which model, and what routing may know of its prompt."""

from __future__ import annotations

from logits_api_server.opening import Opening
from logits_core.routing import Prompt
from logits_core.wire import BodyForm, InferenceRequest, asking_for_usage, decode_form, decode_request
from logits_shell.relay import RequestHead


def read(head: RequestHead, opening: Opening, body: bytes) -> InferenceRequest:
    """Read a request whose body names its model.

    Raises:
        LogitsError: MALFORMED, INVALID or UNSUPPORTED_MEDIA_TYPE for a body that can't be used.
    """
    if opening.operation.body is BodyForm.MULTIPART:
        content_type = (head.header(b"content-type") or b"").decode("latin-1")
        return decode_form(content_type, body)
    return decode_request(body)


def prompt_of(request: InferenceRequest) -> Prompt | None:
    """Return what routing may know of a request's prompt, None when it has none."""
    parts = request.prompt_parts
    return Prompt.of(request.model, *parts) if parts else None


def with_usage(opening: Opening, request: InferenceRequest, body: bytes) -> bytes | None:
    """Return the body that also asks for the usage, None when there is no need to."""
    if not request.stream or not opening.operation.asks_for_usage or request.wants_usage:
        return None
    return asking_for_usage(body, request)
