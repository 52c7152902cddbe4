"""The join: the Gateway's log against the API server's own, act by act, by ``Audit-ID``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

PREFIX = "logits.ai/"
GATEWAY_ACCOUNT = "logits-gateway"
COMPONENT_ACCOUNT = "logits-component"
EDGE_SECONDS = 5.0
"""Acts this near to the ends of the API server's log are not missed: it writes a little later."""


@dataclass(frozen=True)
class Act:
    """One act, as far as both logs tell it."""

    verb: str
    resource: str
    namespace: str
    name: str
    at: float

    def differs(self, other: Act) -> str:
        """In which field the other log says something else; empty when in none."""
        for word in ("verb", "resource", "namespace", "name"):
            mine, theirs = getattr(self, word), getattr(other, word)
            if mine and theirs and mine != theirs:
                return f"{word} {mine} here, {theirs} there"
        return ""

    def __str__(self) -> str:
        """In a few words."""
        return " ".join(part for part in (self.verb, self.namespace, self.resource, self.name) if part)


@dataclass
class GatewaySide:
    """What the Gateway says that it did: give ``keep`` to the verifier, which calls it for every record."""

    acts: dict[str, Act] = field(default_factory=dict[str, Act])
    answered: set[str] = field(default_factory=set[str])

    def keep(self, index: int, record: dict[str, Any]) -> None:
        """Take in a record; refusals and calls to the vendor never reach the API server."""
        notes: dict[str, str] = record["annotations"]
        if notes.get(PREFIX + "decision") != "allow":
            return
        audit_id = str(record["auditID"])
        self.acts[audit_id] = _act(record)
        if record["stage"] != "RequestReceived" and PREFIX + "error" not in notes:
            self.answered.add(audit_id)


@dataclass
class Joined:
    """What the comparison found; every list is of sentences for people."""

    both: int = 0
    behind: list[str] = field(default_factory=list[str])
    missing: list[str] = field(default_factory=list[str])
    different: list[str] = field(default_factory=list[str])

    @property
    def holds(self) -> bool:
        """Whether the two logs tell the same."""
        return not (self.behind or self.missing or self.different)

    def lines(self) -> list[str]:
        """The findings in plain words."""
        said = [f"proved: {self.both} acts stand in both logs, with the same verb and object"]
        said += [f"BROKEN: {text}" for text in (*self.behind, *self.missing, *self.different)]
        return said


def join(gateway: GatewaySide, events: Iterable[dict[str, Any]], *, namespace: str) -> Joined:
    """Compare.

    Args:
        gateway: the Gateway's acts.
        events: the API server's, of ``audit.k8s.io/v1``, in any order.
        namespace: of the release, which names the ServiceAccounts.
    """
    found = Joined()
    seen: dict[str, set[str]] = {}
    span: list[float] = []
    ours = {f"system:serviceaccount:{namespace}:{account}" for account in (GATEWAY_ACCOUNT, COMPONENT_ACCOUNT)}
    for event in events:
        act = _act(event)
        span = [min([*span[:1], act.at]), max([*span[1:], act.at])]
        user = str(cast("dict[str, Any]", event.get("user") or {}).get("username", ""))
        if user not in ours:
            continue
        audit_id, stage = str(event.get("auditID", "")), str(event.get("stage", ""))
        _compare(found, gateway, audit_id, act, user)
        stages = seen.setdefault(audit_id, set())
        if stage in stages:
            found.different.append(f"audit id {audit_id} was used twice: {act}")
        stages.add(stage)
    found.both = len(seen.keys() & gateway.acts.keys())
    _missing(found, gateway, seen, span)
    return found


def _compare(found: Joined, gateway: GatewaySide, audit_id: str, act: Act, user: str) -> None:
    known = gateway.acts.get(audit_id)
    if known is None:
        told = f"{user.rpartition(':')[2]} did '{act}' on the API server ({audit_id}), and the Gateway's log lacks it"
        if told not in found.behind:
            found.behind.append(told)
    elif difference := known.differs(act):
        found.different.append(f"act {audit_id} is told in two ways: {difference}")


def _missing(found: Joined, gateway: GatewaySide, seen: dict[str, set[str]], span: list[float]) -> None:
    if not span:
        found.missing.append("the API server's log is empty: nothing can be compared")
        return
    for audit_id in sorted(gateway.answered - seen.keys()):
        act = gateway.acts[audit_id]
        if span[0] + EDGE_SECONDS < act.at < span[1] - EDGE_SECONDS:
            found.missing.append(f"the Gateway tells of '{act}' ({audit_id}), and the API server's log lacks it")


def read_events(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    """Events of an API server's log with one JSON object a line; a last line that is still being written is left."""
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and cast("dict[str, Any]", found).get("kind") == "Event":
            yield cast("dict[str, Any]", found)


def _act(event: dict[str, Any]) -> Act:
    reference: dict[str, str] = event.get("objectRef") or {}
    return Act(
        verb=str(event.get("verb", "")),
        resource=reference.get("resource", ""),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        at=datetime.fromisoformat(str(event["requestReceivedTimestamp"])).timestamp(),
    )
