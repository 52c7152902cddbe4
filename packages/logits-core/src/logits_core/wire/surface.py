"""The surface: every operation that callers may ask engines for, as a table; nothing else is passed on.

An allow-list, because engines have paths that nobody outside may use (loading adapters, sleeping, internals).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final


class Dialect(enum.Enum):
    """Whose words an operation speaks: its errors, its event streams and its signs of life."""

    OPENAI = "openai"
    RESPONSES = "responses"
    ANTHROPIC = "anthropic"


class BodyForm(enum.Enum):
    """Where the name of the model stands in a request."""

    JSON = "json"
    MULTIPART = "multipart"
    NONE = "none"


LLAMACPP: Final = "llamacpp"
VLLM: Final = "vllm"
ENGINES: Final = frozenset({LLAMACPP, VLLM})
"""Kinds of engine whose operations are known."""
_BOTH: Final = ENGINES
_VLLM: Final = frozenset({VLLM})


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: Its name in words, for messages.
        method: HTTP method.
        path: Public path, without the optional `/api` in front; `{id}` stands for a response's id.
        engine_path: The path at engines; the same as `path` unless engines have it elsewhere.
        dialect: Whose words it speaks.
        body: Where the model's name stands.
        engines: Kinds of engine that have it; which models can do it, only the engine knows.
        asks_for_usage: Whether a stream tells its usage only when `stream_options.include_usage` asks for it.
        takes_tokens: Whether a model works for it, so that it counts as usage in tokens.
    """

    name: str
    method: str
    path: str
    engine_path: str
    dialect: Dialect = Dialect.OPENAI
    body: BodyForm = BodyForm.JSON
    engines: frozenset[str] = _BOTH
    asks_for_usage: bool = False
    takes_tokens: bool = True


def _post(name: str, path: str, *, engines: frozenset[str] = _BOTH) -> Operation:
    return Operation(name, "POST", path, path, engines=engines)


def _words(name: str, path: str, engine_path: str, dialect: Dialect = Dialect.OPENAI) -> Operation:
    return Operation(name, "POST", path, engine_path, dialect, takes_tokens=False)


def _speech(name: str, path: str, engines: frozenset[str]) -> Operation:
    return Operation(name, "POST", path, path, body=BodyForm.MULTIPART, engines=engines)


def _response(name: str, method: str, path: str, engines: frozenset[str], body: BodyForm) -> Operation:
    takes_tokens = body is not BodyForm.NONE
    return Operation(name, method, path, path, Dialect.RESPONSES, body, engines, takes_tokens=takes_tokens)


CREATE_RESPONSE: Final = _response("responses", "POST", "/v1/responses", _BOTH, BodyForm.JSON)

OPERATIONS: Final = (
    Operation("chat completions", "POST", "/v1/chat/completions", "/v1/chat/completions", asks_for_usage=True),
    Operation("completions", "POST", "/v1/completions", "/v1/completions", asks_for_usage=True),
    _post("embeddings", "/v1/embeddings"),
    _post("rerank", "/v1/rerank"),
    _post("score", "/v1/score", engines=_VLLM),
    CREATE_RESPONSE,
    _response("responses.retrieve", "GET", "/v1/responses/{id}", _VLLM, BodyForm.NONE),
    _response("responses.cancel", "POST", "/v1/responses/{id}/cancel", _VLLM, BodyForm.NONE),
    Operation("messages", "POST", "/v1/messages", "/v1/messages", Dialect.ANTHROPIC),
    _words("token counting", "/v1/messages/count_tokens", "/v1/messages/count_tokens", Dialect.ANTHROPIC),
    _words("tokenize", "/v1/tokenize", "/tokenize"),
    _words("detokenize", "/v1/detokenize", "/detokenize"),
    _speech("transcriptions", "/v1/audio/transcriptions", _BOTH),
    _speech("translations", "/v1/audio/translations", _VLLM),
)
"""Everything that is passed on to engines."""

PREFIX: Final = "/api"
_RESPONSE: Final = re.compile(r"/v1/responses/(?P<id>[A-Za-z0-9_-]{1,256})(?P<act>/cancel)?")
_PUBLIC: Final = {(operation.method, operation.path): operation for operation in OPERATIONS}
_AT_ENGINES: Final = {(operation.method, operation.engine_path): operation for operation in OPERATIONS}
_ANTHROPIC: Final = "/v1/messages"


def public_path(path: str) -> str:
    """Return a path without the optional `/api` in front of `/v1`."""
    return path.removeprefix(PREFIX) if path.startswith("/api/v1/") else path


def operation_at(method: str, path: str) -> Operation | None:
    """Return the operation at a public path, None when nothing is passed on from there."""
    path = public_path(path)
    return _PUBLIC.get((method, _pattern_of(path)))


def engine_operation(method: str, path: str) -> Operation | None:
    """Return the operation at an engine's path, None when nobody may ask an engine for it."""
    return _AT_ENGINES.get((method, _pattern_of(path)))


def methods_at(path: str) -> tuple[str, ...]:
    """Return the methods that a public path offers, none for an unknown path."""
    pattern = _pattern_of(public_path(path))
    return tuple(operation.method for operation in OPERATIONS if operation.path == pattern)


def response_id(path: str) -> str:
    """Return the id in a path below `/v1/responses/`, "" without one."""
    match = _RESPONSE.fullmatch(public_path(path))
    return match["id"] if match else ""


def dialect_at(path: str) -> Dialect:
    """Return whose words a path speaks, unknown paths included."""
    path = public_path(path)
    if path == _ANTHROPIC or path.startswith(_ANTHROPIC + "/"):
        return Dialect.ANTHROPIC
    return Dialect.RESPONSES if path.startswith(CREATE_RESPONSE.path) else Dialect.OPENAI


def _pattern_of(path: str) -> str:
    if not path.startswith("/v1/responses/"):
        return path
    match = _RESPONSE.fullmatch(path)
    if match is None:
        return ""
    return f"/v1/responses/{{id}}{match['act'] or ''}"
