"""Reading a request: what it asks for, of which model, and what routing may know of its prompt."""

from __future__ import annotations

from logits_api_server.call import Asked
from logits_api_server.opening import Opening
from logits_core.routing import Prompt
from logits_core.wire import (
    BodyForm,
    InferenceRequest,
    Operation,
    asking_for_usage,
    decode_form,
    decode_request,
)
from logits_shell.relay import RequestHead


def read(head: RequestHead, opening: Opening, body: bytes) -> Asked:
    """Read a request whose body names its model.

    Raises:
        LogitsError: MALFORMED, INVALID or UNSUPPORTED_MEDIA_TYPE for a body that can't be used.
    """
    operation = opening.operation
    if operation.body is BodyForm.MULTIPART:
        content_type = (head.header(b"content-type") or b"").decode("latin-1")
        request = decode_form(content_type, body)
    else:
        request = decode_request(body)
    return Asked(
        head,
        opening,
        request.model,
        stream=bool(request.stream),
        size=len(body),
        prompt=_prompt(request),
        body=_with_usage(operation, request, body),
    )


def _prompt(request: InferenceRequest) -> Prompt | None:
    parts = request.prompt_parts
    return Prompt.of(request.model, *parts) if parts else None


def _with_usage(operation: Operation, request: InferenceRequest, body: bytes) -> bytes | None:
    if not operation.asks_for_usage or not request.stream or request.wants_usage:
        return None
    return asking_for_usage(body, request)
