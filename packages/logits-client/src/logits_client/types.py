"""What the platform answers, as frozen structures; fields that they don't know are ignored."""

from __future__ import annotations

from typing import Any

import msgspec


class Message(msgspec.Struct, frozen=True):
    """One message of a conversation."""

    role: str = "assistant"
    content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one request."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Choice(msgspec.Struct, frozen=True):
    """One answer."""

    index: int = 0
    message: Message = Message()
    finish_reason: str | None = None


class ChatCompletion(msgspec.Struct, frozen=True):
    """A finished chat completion."""

    id: str
    model: str
    choices: list[Choice]
    created: int = 0
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """The first answer's text."""
        return self.choices[0].message.content or "" if self.choices else ""


class ChunkChoice(msgspec.Struct, frozen=True):
    """What a chunk adds to one answer."""

    index: int = 0
    delta: Message = Message()
    finish_reason: str | None = None


class ChatChunk(msgspec.Struct, frozen=True):
    """One event of a streamed chat completion."""

    id: str
    choices: list[ChunkChoice]
    model: str = ""
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """What this chunk adds to the first answer."""
        return self.choices[0].delta.content or "" if self.choices else ""


class Model(msgspec.Struct, frozen=True):
    """A model that can be called."""

    id: str
    created: int = 0
    owned_by: str = ""


class Models(msgspec.Struct, frozen=True):
    """The answer to a list of models."""

    data: list[Model]


class Condition(msgspec.Struct, frozen=True):
    """One statement about a deployment: what, whether, why, and what to do."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class DeploymentSpec(msgspec.Struct, frozen=True, rename="camel"):
    """What is wanted of a model deployment."""

    model: str
    enabled: bool = False
    min_replicas: int = 1
    max_replicas: int = 1
    scale_to_zero_after_seconds: int = 600
    target_in_flight: int = 8


class DeploymentStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What is observed of a model deployment."""

    stage: str = "Unknown"
    replicas: int = 0
    ready_replicas: int = 0
    desired_replicas: int = 0
    observed_generation: int = 0
    conditions: list[Condition] = []


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """Identity and version of an entity."""

    name: str
    resource_version: str = ""
    generation: int = 0


class ModelDeployment(msgspec.Struct, frozen=True):
    """A model deployment: what is wanted and what is."""

    metadata: Metadata
    spec: DeploymentSpec
    status: DeploymentStatus = DeploymentStatus()

    @property
    def name(self) -> str:
        """The name that callers use as ``model``."""
        return self.metadata.name

    @property
    def ready(self) -> bool:
        """Whether it answers, as of its present specification."""
        return self.status.stage == "Ready" and self.status.observed_generation >= self.metadata.generation

    @property
    def reason(self) -> str:
        """Why it isn't ready and what to do, in words; empty when it is."""
        unmet = [c.message for c in self.status.conditions if c.type == "Ready" and c.status != "True"]
        return unmet[0] if unmet else ""


class ModelDeployments(msgspec.Struct, frozen=True):
    """The answer to a list of model deployments."""

    items: list[ModelDeployment]
