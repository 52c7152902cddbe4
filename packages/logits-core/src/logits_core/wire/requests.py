"""Inference requests: only what routing and counting need is decoded, the body itself stays untouched."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import msgspec

from logits_core.errors import ErrorCode, LogitsError


class InferenceRequest(msgspec.Struct, frozen=True):
    """The members of a request body that decide where it goes and what it may cost.

    Attributes:
        model: Name of the model deployment.
        stream: Whether the client wants an event stream.
        stream_options: As it stands in the body, like all that follows.
        instructions: A response's system prompt.
        system: A message's system prompt.
        tools: What the model may call.
        messages: A chat's, or a message's, turns.
        prompt: Of a completion.
        input: Of a response or an embedding.
    """

    model: str
    stream: bool | None = None
    stream_options: msgspec.Raw = msgspec.Raw()
    instructions: msgspec.Raw = msgspec.Raw()
    system: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    messages: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()

    @property
    def prompt_parts(self) -> tuple[memoryview, ...]:
        """What becomes the prompt, in the order in which chat templates render it; not copied."""
        parts = (self.instructions, self.system, self.tools, self.messages, self.prompt, self.input)
        return tuple([memoryview(part) for part in parts if part])

    @property
    def wants_usage(self) -> bool:
        """Whether the client itself asked for the usage at the end of its stream."""
        options = bytes(self.stream_options)
        if b"include_usage" not in options and b"\\u" not in options:
            return False
        found = msgspec.json.decode(options)
        return isinstance(found, dict) and cast("dict[str, Any]", found).get("include_usage") is True


_DECODER = msgspec.json.Decoder(InferenceRequest)
_VALIDATION = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>[^`]*)`)?$", re.DOTALL)

# JSON lets a key's letters be written as \u escapes, so these count too.
_MODEL_KEY = re.compile(rb'"(?:m|\\u006[dD])(?:o|\\u006[fF])(?:d|\\u0064)(?:e|\\u0065)(?:l|\\u006[cC])"\s*:')
_ASK = b'"stream_options":{"include_usage":true}'


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
        raise empty_model()
    # Without a backslash there are no escapes, and a word is found faster than a pattern.
    doubtful = b"\\" in body or body.count(b'"model"') > 1
    if doubtful and len(_MODEL_KEY.findall(body)) > 1:
        _refuse_doubled_model(body)
    return request


def asking_for_usage(body: bytes, request: InferenceRequest) -> bytes:
    """Return the body of a stream's request with `stream_options.include_usage` on.

    Bytes of the client stay as they are: the option is put at the end of an object without `stream_options`;
    only a body that has them in another form is written anew.
    """
    if not request.stream_options:
        # The decoder has seen that it's an object, and `model` is in it.
        return body[: body.rindex(b"}")] + b"," + _ASK + b"}"
    document = json.loads(body)
    options = document.get("stream_options")
    document["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def empty_model() -> LogitsError:
    """Return the refusal of a model's name that is an empty text."""
    return _invalid("Expected a model name, got an empty string - at `$.model`")


def missing_model() -> LogitsError:
    """Return the refusal of a body that names no model."""
    return LogitsError(
        ErrorCode.INVALID,
        "The body has no 'model'. Add the name of a model.",
        field="model",
        reason="missing_model",
    )


def doubled_model() -> LogitsError:
    """Return the refusal of a body in which two readers could find different models."""
    return LogitsError(
        ErrorCode.INVALID,
        "The body has more than one 'model'. Send exactly one.",
        field="model",
        reason="duplicate_model",
    )


def _refuse_doubled_model(body: bytes) -> None:
    # Two readers of such a body could take different models; only the outermost object matters.
    outermost: list[tuple[str, Any]] = []

    def remember(pairs: list[tuple[str, Any]]) -> None:
        outermost[:] = pairs

    json.loads(body, object_pairs_hook=remember)
    if sum(key == "model" for key, _ in outermost) > 1:
        raise doubled_model()


def _invalid(text: str) -> LogitsError:
    match = _VALIDATION.match(text)
    what = match["what"] if match else text
    where = match["where"] if match else None
    if "missing required field" in what:
        return missing_model()
    if not where:
        return LogitsError(ErrorCode.INVALID, f"The body must be a JSON object: {what}.", reason="invalid_type")
    return LogitsError(ErrorCode.INVALID, f"Invalid type for '{where}': {what}.", field=where, reason="invalid_type")
