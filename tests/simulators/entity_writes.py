"""Writes for tests: short ways to say what a client asks of the entity store."""

from __future__ import annotations

from logits_core.entities.changes import Verb, Write
from logits_core.entities.kinds import Kind, kind_of
from logits_core.entities.model import Entity, JsonObject
from logits_core.entities.ports import EntityStore
from logits_core.errors import LogitsError

DEPLOYMENTS: Kind = kind_of("modeldeployments")
MODELS: Kind = kind_of("languagemodels")


def write(
    verb: Verb,
    name: str,
    body: JsonObject | None = None,
    *,
    kind: Kind = DEPLOYMENTS,
    version: str | None = None,
    key: str | None = None,
) -> Write:
    """A write at a fixed time, whose uid is made of the name."""
    return Write(
        verb=verb,
        kind=kind,
        name=name,
        body=body or {},
        now="2026-01-01T00:00:00.000000Z",
        uid=f"uid-{name}",
        resource_version=version,
        idempotency_key=key,
    )


def create(name: str, *, key: str | None = None, **spec: object) -> Write:
    """A create of a ModelDeployment."""
    return write(Verb.CREATE, name, {"metadata": {"name": name}, "spec": {"model": "m", **spec}}, key=key)


def labelled(name: str, labels: dict[str, str]) -> Write:
    """A create of a ModelDeployment with labels."""
    body = {"metadata": {"name": name, "labels": labels}, "spec": {"model": "m"}}
    return write(Verb.CREATE, name, body)


def done(store: EntityStore, request: Write) -> Entity:
    """Commit one write that must succeed."""
    answer = store.commit([request]).answers[0]
    assert not isinstance(answer, LogitsError), answer.message
    return answer


def refused(store: EntityStore, request: Write) -> LogitsError:
    """Commit one write that must be refused."""
    commit = store.commit([request])
    answer = commit.answers[0]
    assert isinstance(answer, LogitsError), answer
    assert commit.changes == ()
    return answer
