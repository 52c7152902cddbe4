"""A small API server's insides for tests: fixed time, counted names."""

from __future__ import annotations

from itertools import count
from typing import Any

from logits_local.api.resources import Object, Target, resource
from logits_local.api.schema import Schema
from logits_local.api.store import Store
from logits_local.api.writes import Sources, WriteOptions, Writer

NOW = "2026-01-02T03:04:05Z"
SCHEMA = Schema.load()
OPTIONS = WriteOptions("tester")


def sources() -> Sources:
    """Time that stands still and names that count."""
    uids, letters = count(1), count(1)
    return Sources(lambda: NOW, lambda: f"uid-{next(uids)}", lambda length: str(next(letters)).rjust(length, "x"))


def writer(store: Store) -> Writer:
    """A writer with the namespace ``default`` and its account."""
    made = Writer(store, SCHEMA, sources())
    made.create(Target(resource("namespaces")), {"metadata": {"name": "default"}}, OPTIONS)
    made.create(Target(resource("serviceaccounts"), "default"), {"metadata": {"name": "default"}}, OPTIONS)
    return made


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> Object:
    """A ConfigMap as a client would post it."""
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return body | ({"data": data} if data else {})


CONFIG_MAPS = resource("configmaps")


def at(name: str = "") -> Target:
    """Where a ConfigMap lies."""
    return Target(CONFIG_MAPS, "default", name)
