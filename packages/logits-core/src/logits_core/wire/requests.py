"""Inference requests: only what routing needs is decoded, the body itself stays untouched."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from logits_core.errors import ErrorCode, LogitsError


class InferenceRequest(msgspec.Struct, frozen=True):
    """The members of a request body that decide where it goes.

    Attributes:
        model: Name of the model deployment.
        stream: Whether the client wants an event stream.
    """

    model: str
    stream: bool | None = None


_DECODER = msgspec.json.Decoder(InferenceRequest)
_VALIDATION = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>[^`]*)`)?$", re.DOTALL)

# JSON lets a key's letters be written as \u escapes, so these count too.
_MODEL_KEY = re.compile(rb'"(?:m|\\u006[dD])(?:o|\\u006[fF])(?:d|\\u0064)(?:e|\\u0065)(?:l|\\u006[cC])"\s*:')


def decode_request(body: bytes) -> InferenceRequest:
    """Decode a request body.

    Raises:
        LogitsError: MALFORMED for what isn't a JSON object, INVALID for a missing, doubled or mistyped
            member; `field` names it.
    """
    try:
        request = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LogitsError(
            ErrorCode.MALFORMED, f"The body is not valid JSON: {error}. Send one JSON object.", reason="invalid_json"
        ) from None
    if not request.model:
        raise _invalid("Expected a model name, got an empty string - at `$.model`")
    if len(_MODEL_KEY.findall(body)) > 1:
        _refuse_doubled_model(body)
    return request


def _refuse_doubled_model(body: bytes) -> None:
    # Two readers of such a body could take different models; only the outermost object matters.
    outermost: list[tuple[str, Any]] = []

    def remember(pairs: list[tuple[str, Any]]) -> None:
        outermost[:] = pairs

    json.loads(body, object_pairs_hook=remember)
    if sum(key == "model" for key, _ in outermost) > 1:
        raise LogitsError(
            ErrorCode.INVALID,
            "The body has more than one 'model'. Send exactly one.",
            field="model",
            reason="duplicate_model",
        )


def _invalid(text: str) -> LogitsError:
    match = _VALIDATION.match(text)
    what = match["what"] if match else text
    where = match["where"] if match else None
    if "missing required field" in what:
        return LogitsError(
            ErrorCode.INVALID,
            "The body has no 'model'. Add the name of a model.",
            field="model",
            reason="missing_model",
        )
    if not where:
        return LogitsError(ErrorCode.INVALID, f"The body must be a JSON object: {what}.", reason="invalid_type")
    return LogitsError(ErrorCode.INVALID, f"Invalid type for '{where}': {what}.", field=where, reason="invalid_type")
