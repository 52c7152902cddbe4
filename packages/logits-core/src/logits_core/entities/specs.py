"""What each kind of entity may say in its spec and status.

Specs are closed: an unknown field or a wrong type is refused, so a typing error never lies dormant. Statuses
are open: a newer component may report more than this version knows, and a rollback must be able to read it.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from logits_core.entities.model import EntityName

ShortText = Annotated[str, Field(max_length=256)]
"""A line of text for people."""
LongText = Annotated[str, Field(max_length=4096)]
"""A paragraph for people."""
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
"""A number of things."""


class Spec(BaseModel):
    """A spec: closed, typed strictly, camelCase on the wire."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, serialize_by_alias=True
    )


class Status(BaseModel):
    """A status: typed where known, open to fields of newer versions."""

    model_config = ConfigDict(
        frozen=True, extra="allow", strict=True, alias_generator=to_camel, serialize_by_alias=True
    )


class LanguageModelSpec(Spec):
    """A model that the cluster could serve: which weights, by which engine, with what room."""

    display_name: Annotated[str, Field(min_length=1, max_length=256)]
    description: LongText = ""
    engine: Literal["llamacpp", "vllm"]
    source: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        description="Path of the weights; a relative one lies below the LLM Server's models directory."
    )
    context_length: Annotated[int, Field(ge=1, le=16_777_216)] = Field(
        default=4096, description="Tokens that one request may use, prompt and answer together."
    )
    gpus: Annotated[int, Field(ge=0, le=64)] = Field(default=1, description="GPUs that one replica takes.")
    memory_mib: Annotated[int, Field(ge=1, le=16_777_216)] = Field(
        default=1024, alias="memoryMiB", description="Memory budget of one replica's engine, in MiB."
    )
    parallel: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=4, description="Requests that one replica's engine works on at once (slots)."
    )
    engine_arguments: dict[ShortText, ShortText] = Field(
        default_factory=dict,
        max_length=64,
        description="Further options of the engine, by the engine's names.",
    )


class ModelDeploymentSpec(Spec):
    """A model put to work under a name that API callers use, and how far it may scale."""

    model: EntityName = Field(description="Name of the LanguageModel that is served.")
    enabled: bool = Field(default=False, description="Whether replicas may run at all.")
    min_replicas: Annotated[int, Field(ge=0, le=1000)] = Field(default=1, description="Replicas kept running.")
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, validate_default=True, description="Replicas never exceeded."
    )
    scale_to_zero_after_seconds: Annotated[int, Field(ge=1, le=604_800)] = Field(
        default=600,
        description="Idle seconds after which the last replica stops; only when minReplicas is 0.",
    )
    target_in_flight: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=8, description="Requests in flight per replica that scaling aims at."
    )

    @field_validator("max_replicas")
    @classmethod
    def _limits_in_order(cls, value: int, info: ValidationInfo) -> int:
        minimum = info.data.get("min_replicas", 0)
        if value < minimum:
            raise ValueError(f"{value} is below minReplicas ({minimum})")
        return value


class LLMServerSpec(Spec):
    """Where one LLM Server answers, and for which deployment; written by that server itself."""

    deployment: EntityName
    model: EntityName
    address: Annotated[str, Field(min_length=1, max_length=253)] = Field(description="IP address of the pod.")
    port: Annotated[int, Field(ge=1, le=65_535)]


class DeploymentDemand(Spec):
    """What one API Server has under way for one deployment."""

    in_flight: Count = 0
    waiting: Count = 0
    last_request_at: ShortText | None = Field(default=None, description="RFC 3339 UTC time of the last request.")


class DemandSpec(Spec):
    """What one API Server has under way; the Controller scales by the sum over all of them."""

    models: dict[EntityName, DeploymentDemand] = Field(default_factory=dict, max_length=1000)
    observed_at: ShortText = Field(default="", description="RFC 3339 UTC time of the figures.")


class ComponentSpec(Spec):
    """Nothing: what should run is the release's word, and this kind only reports."""


class Condition(Status):
    """One aspect of an entity's state, in plain words for people."""

    type: ShortText
    status: Literal["True", "False", "Unknown"]
    reason: ShortText = ""
    message: LongText = ""
    last_transition_time: ShortText = ""
    observed_generation: Count = 0


class LanguageModelStatus(Status):
    """Nothing is observed of a language model yet."""


Stage = Literal[
    "Disabled",
    "Scheduling",
    "Starting",
    "LoadingWeights",
    "Ready",
    "ScaledToZero",
    "Degraded",
    "Draining",
    "Failed",
]
"""How far a model deployment is."""


class ModelDeploymentStatus(Status):
    """What the Controller observed of a model deployment."""

    stage: Stage | None = None
    replicas: Count = 0
    ready_replicas: Count = 0
    desired_replicas: Count = 0
    observed_generation: Count = 0
    conditions: tuple[Condition, ...] = Field(default=(), max_length=16, strict=False)


Phase = Literal["Starting", "LoadingWeights", "Ready", "Draining", "Failed"]
"""How far one LLM Server is."""


class LLMServerStatus(Status):
    """What one LLM Server says of itself and its engine."""

    phase: Phase | None = None
    message: LongText = ""
    engine: ShortText = ""
    engine_version: ShortText = ""
    running: Count = 0
    waiting: Count = 0
    slots: Count = 0
    kv_usage: Annotated[float, Field(ge=0, le=1)] = Field(default=0.0, description="Share of the KV cache in use.")
    context_length: Count = 0
    observed_at: ShortText = ""


class DemandStatus(Status):
    """Nothing is observed of a demand report."""


class ComponentStatus(Status):
    """What the Controller observed of one of the systems."""

    version: ShortText = ""
    image: ShortText = ""
    replicas: Count = 0
    ready_replicas: Count = 0
    reason: ShortText = ""
    message: LongText = ""
    observed_at: ShortText = ""
