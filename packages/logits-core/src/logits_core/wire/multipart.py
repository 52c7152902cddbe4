"""Multipart forms: the model's name is read out of one, the form itself stays untouched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import multipart

from logits_core.errors import ErrorCode, LogitsError
from logits_core.wire.requests import InferenceRequest, doubled_model, empty_model, missing_model

FORM = "multipart/form-data"
FIELD_BYTES = 1024
"""Most bytes that the form's `model` or `stream` may have."""
PARTS = 64
"""Most parts that a form may have."""
_READ = frozenset({"model", "stream"})


_parse_options = cast("Callable[[str], Any]", multipart.parse_options_header)  # pyright: ignore[reportUnknownMemberType] - untyped


def decode_form(content_type: str, body: bytes) -> InferenceRequest:
    """Read the model, and whether a stream is wanted, from a form such as that of a transcription.

    Args:
        content_type: The request's field, with the boundary.
        body: The whole form.

    Raises:
        LogitsError: UNSUPPORTED_MEDIA_TYPE for another type, MALFORMED for a form that can't be read, INVALID
            for a missing or doubled model.
    """
    kind, options = cast("tuple[str, dict[str, str]]", _parse_options(content_type))
    if kind != FORM or not options.get("boundary"):
        raise LogitsError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            f"The content type must be {FORM} with a boundary, such as `curl --form` sends.",
            field="content-type",
        )
    values = _values(options["boundary"], body)
    models = values["model"]
    if not models:
        raise missing_model()
    if len(models) > 1:
        raise doubled_model()
    if not models[0]:
        raise empty_model()
    return InferenceRequest(models[0], stream="true" in [value.lower() for value in values["stream"]])


def _values(boundary: str, body: bytes) -> dict[str, list[str]]:
    found: dict[str, list[bytearray]] = {name: [] for name in _READ}
    current: bytearray | None = None
    try:
        with multipart.PushMultipartParser(boundary, max_segment_count=PARTS) as parser:
            for event in parser.parse(body):
                if isinstance(event, multipart.MultipartSegment):
                    current = bytearray()
                    found.get(event.name or "" if event.filename is None else "", []).append(current)
                elif event and current is not None and len(current) <= FIELD_BYTES:
                    current += event[:FIELD_BYTES]
        return {name: [value.decode() for value in values] for name, values in found.items()}
    except (multipart.MultipartError, UnicodeDecodeError) as error:
        raise LogitsError(
            ErrorCode.MALFORMED, f"The form can't be read: {error}. Send it anew.", reason="invalid_form"
        ) from None
