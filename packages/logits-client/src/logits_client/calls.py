"""Calls without I/O: what to send and how to read the answer, shared by both clients."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import msgspec

from logits_client.types import ChatChunk, ChatCompletion, Model, ModelDeployment, ModelDeployments, Models

ResultT = TypeVar("ResultT")
Messages = str | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Call(Generic[ResultT]):
    """One request and the type of its answer.

    Attributes:
        method: HTTP method.
        path: path below the base URL.
        result: what the answer is decoded into.
        body: JSON value to send, None for none.
        headers: fields beyond the client's own.
        repeatable: whether a repetition after a lost connection does no harm.
    """

    method: str
    path: str
    result: type[ResultT]
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    repeatable: bool = True

    def content(self) -> bytes | None:
        """The body as bytes."""
        return None if self.body is None else msgspec.json.encode(self.body)

    def decode(self, body: bytes) -> ResultT:
        """The answer; ``bytes`` as its type takes the body as it is."""
        if self.result is bytes:
            return cast("ResultT", body)
        return msgspec.json.decode(body, type=self.result)


def messages_of(messages: Messages) -> list[Mapping[str, Any]]:
    """A conversation; a bare string is one message of the user."""
    return [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)


def chat(model: str, messages: Messages, options: Mapping[str, Any]) -> Call[ChatCompletion]:
    """A chat completion; generation isn't repeated once it may have begun."""
    body = {"model": model, "messages": messages_of(messages), **options}
    return Call("POST", "/api/v1/chat/completions", ChatCompletion, body, repeatable=False)


def chat_stream(model: str, messages: Messages, options: Mapping[str, Any]) -> Call[ChatChunk]:
    """A streamed chat completion."""
    body = {"model": model, "messages": messages_of(messages), **options, "stream": True}
    return Call("POST", "/api/v1/chat/completions", ChatChunk, body, repeatable=False)


def models() -> Call[Models]:
    """Every model that can be called."""
    return Call("GET", "/api/v1/models", Models)


def model(name: str) -> Call[Model]:
    """One model."""
    return Call("GET", f"/api/v1/models/{name}", Model)


def deployments() -> Call[ModelDeployments]:
    """Every model deployment."""
    return Call("GET", "/entities/modeldeployments", ModelDeployments)


def deployment(name: str) -> Call[ModelDeployment]:
    """One model deployment."""
    return Call("GET", f"/entities/modeldeployments/{name}", ModelDeployment)


def create_deployment(name: str, model_name: str, spec: Mapping[str, Any]) -> Call[ModelDeployment]:
    """A new model deployment; its idempotency key makes a repetition harmless."""
    body = {"kind": "ModelDeployment", "metadata": {"name": name}, "spec": {"model": model_name, **spec}}
    headers = {"idempotency-key": uuid.uuid4().hex}
    return Call("POST", "/entities/modeldeployments", ModelDeployment, body, headers)


def change_deployment(name: str, spec: Mapping[str, Any]) -> Call[ModelDeployment]:
    """Change fields of a deployment's specification and leave the others."""
    headers = {"content-type": "application/merge-patch+json"}
    return Call("PATCH", f"/entities/modeldeployments/{name}", ModelDeployment, {"spec": dict(spec)}, headers)


def delete_deployment(name: str) -> Call[dict[str, Any]]:
    """Remove a deployment."""
    return Call("DELETE", f"/entities/modeldeployments/{name}", dict[str, Any])


def scale_fields(minimum: int | None, maximum: int | None, scale_to_zero_after_seconds: int | None) -> dict[str, int]:
    """The fields of a deployment's scale that were given."""
    fields = {
        "minReplicas": minimum,
        "maxReplicas": maximum,
        "scaleToZeroAfterSeconds": scale_to_zero_after_seconds,
    }
    return {name: value for name, value in fields.items() if value is not None}
