"""The shape of an entity: metadata, spec and status, as every kind shares them.

Entities follow the conventions of Kubernetes objects without needing CRDs: ``spec`` is what somebody wants,
``status`` is what was observed, ``resourceVersion`` is the global commit counter at the entity's last change
(opaque to clients), and ``generation`` counts changes of the spec alone.
"""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

JsonObject = dict[str, Any]
"""A decoded JSON object: string keys, JSON values."""

NAME_LIMIT: Final = 63
"""Characters that a name may have: pod labels carry entity names, and label values end here."""
LABEL_LIMIT: Final = 64
"""Labels that one entity may carry."""
ANNOTATION_BYTES_LIMIT: Final = 262_144
"""Bytes that all annotations of one entity may have together, keys included."""
FINALIZER_LIMIT: Final = 16
"""Finalizers that one entity may carry."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9._]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def is_name(text: str) -> bool:
    """Tell whether ``text`` can name an entity (lower-case DNS characters, at most 63)."""
    return len(text) <= NAME_LIMIT and _NAME.fullmatch(text) is not None


def is_label_key(text: str) -> bool:
    """Tell whether ``text`` is a label key: an optional DNS prefix and ``/``, then at most 63 characters."""
    return _LABEL_KEY.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Tell whether ``text`` is a label value: empty, or at most 63 letters, digits, ``-``, ``_``, ``.``."""
    return _LABEL_VALUE.fullmatch(text) is not None


def _checked_name(text: str) -> str:
    if not is_name(text):
        raise ValueError(
            f"must be 1 to {NAME_LIMIT} lower-case letters, digits, '-', '.' or '_', "
            "and begin and end with a letter or digit"
        )
    return text


def _checked_labels(labels: dict[str, str]) -> dict[str, str]:
    if len(labels) > LABEL_LIMIT:
        raise ValueError(f"must have at most {LABEL_LIMIT} entries")
    for key, value in labels.items():
        if not is_label_key(key):
            raise ValueError(f"has the key {key[:80]!r}, which is not a label key (example: logits.ai/component)")
        if not is_label_value(value):
            raise ValueError(f"has a value for {key!r} that is not a label value (63 letters, digits, '-_.')")
    return labels


def _checked_annotations(annotations: dict[str, str]) -> dict[str, str]:
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > ANNOTATION_BYTES_LIMIT:
        raise ValueError(f"must have at most {ANNOTATION_BYTES_LIMIT} bytes together")
    for key in annotations:
        if not is_label_key(key):
            raise ValueError(f"has the key {key[:80]!r}, which is not an annotation key (example: logits.ai/note)")
    return annotations


def _checked_finalizers(finalizers: tuple[str, ...]) -> tuple[str, ...]:
    if len(finalizers) > FINALIZER_LIMIT:
        raise ValueError(f"must have at most {FINALIZER_LIMIT} entries")
    if len(set(finalizers)) != len(finalizers):
        raise ValueError("must not name a finalizer twice")
    for finalizer in finalizers:
        if not is_label_key(finalizer):
            raise ValueError(f"has {finalizer[:80]!r}, which is not a finalizer name (example: logits.ai/drain)")
    return finalizers


EntityName = Annotated[str, AfterValidator(_checked_name)]
"""A name that the Entity DB accepts."""
Labels = Annotated[dict[str, str], AfterValidator(_checked_labels)]
"""Label keys and values, checked."""
Annotations = Annotated[dict[str, str], AfterValidator(_checked_annotations)]
"""Annotation keys and values, checked."""
Finalizers = Annotated[tuple[str, ...], AfterValidator(_checked_finalizers)]
"""Names of those who must clean up before a deletion completes."""


class Metadata(BaseModel):
    """Who an entity is and how often it changed; the Entity DB alone writes all but the customer's maps."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True)

    name: EntityName
    uid: str = Field(default="", description="UUID given at creation; a new entity of the same name has a new one.")
    resource_version: str = Field(default="", description="Global commit counter at the last change; opaque.")
    generation: int = Field(default=1, description="Counts changes of the spec, from 1.")
    creation_timestamp: str = Field(default="", description="RFC 3339 UTC time of creation.")
    labels: Labels = Field(default_factory=dict)
    annotations: Annotations = Field(default_factory=dict)
    finalizers: Finalizers = ()
    deletion_timestamp: str | None = Field(default=None, description="RFC 3339 UTC time of the delete, if any.")


class Entity(BaseModel):
    """One stored object of any kind.

    ``spec`` and ``status`` are plain JSON objects here; their models are in ``logits_core.entities.kinds``.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    metadata: Metadata
    spec: JsonObject = Field(default_factory=dict)
    status: JsonObject = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The entity's name, unique within its kind."""
        return self.metadata.name

    @property
    def resource_version(self) -> int:
        """The global commit counter at the entity's last change."""
        return int(self.metadata.resource_version)

    def to_json(self) -> JsonObject:
        """Return the entity as it travels on the wire; an absent deletion timestamp is left out."""
        return {
            "kind": self.kind,
            "metadata": self.metadata.model_dump(mode="json", by_alias=True, exclude_none=True),
            "spec": self.spec,
            "status": self.status,
        }
