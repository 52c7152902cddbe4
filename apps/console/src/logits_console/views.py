"""Views: entities and the Gateway's state as the rows and cells that pages show; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from logits_core.entities.model import Entity

STAGE_STATES = {
    "Ready": "good",
    "Degraded": "warn",
    "Failed": "bad",
    "Disabled": "",
    "ScaledToZero": "",
}
"""The colour of a stage; everything else is under way."""

OUTCOMES = {
    "RequestReceived": "begun",
    "ResponseStarted": "under way",
    "ResponseComplete": "done",
    "Panic": "broken off",
}
"""What a record says of a call that has no status code, by its stage in `audit.k8s.io/v1`."""

RELEASE_STATES = {"Ready": "good", "Idle": "", "Held": "", "Refused": "bad", "RolledBack": "bad"}


@dataclass(frozen=True)
class Cell:
    """One live value: its text, and a state that a page may colour it by."""

    text: str
    state: str = ""


@dataclass(frozen=True)
class ModelRow:
    """One model deployment as a row."""

    name: str
    display_name: str
    model: str
    enabled: bool
    minimum: int
    maximum: int
    scale_to_zero_after: int
    stage: Cell
    replicas: str
    reason: str
    version: str


@dataclass(frozen=True)
class ComponentRow:
    """One component as a row."""

    name: str
    version: str
    ready: Cell
    reason: str


@dataclass(frozen=True)
class Attention:
    """Something that needs a person: what, why, and where to go."""

    what: str
    why: str
    link: str


def model_rows(deployments: Mapping[str, Entity], models: Mapping[str, Entity]) -> list[ModelRow]:
    """Every deployment, by name."""
    return [_model_row(deployments[name], models) for name in sorted(deployments)]


def _model_row(entity: Entity, models: Mapping[str, Entity]) -> ModelRow:
    spec, status = entity.spec, entity.status
    known = models.get(str(spec.get("model", "")))
    stage = str(status.get("stage") or ("Scheduling" if spec.get("enabled") else "Disabled"))
    return ModelRow(
        name=entity.name,
        display_name=str(known.spec.get("displayName")) if known else entity.name,
        model=str(spec.get("model", "")),
        enabled=bool(spec.get("enabled", False)),
        minimum=int(spec.get("minReplicas", 1)),
        maximum=int(spec.get("maxReplicas", 1)),
        scale_to_zero_after=int(spec.get("scaleToZeroAfterSeconds", 600)),
        stage=Cell(stage, STAGE_STATES.get(stage, "warn")),
        replicas=f"{status.get('readyReplicas', 0)}/{status.get('desiredReplicas', 0)}",
        reason=_why_not_ready(status) if stage not in ("Ready", "Disabled") else "",
        version=entity.metadata.resource_version,
    )


def _why_not_ready(status: Mapping[str, Any]) -> str:
    conditions: Iterable[Mapping[str, Any]] = status.get("conditions") or ()
    return next((str(c.get("message", "")) for c in conditions if c.get("type") == "Ready"), "")


def component_rows(components: Mapping[str, Entity]) -> list[ComponentRow]:
    """Every component that the Controller reports, by name."""
    rows: list[ComponentRow] = []
    for name in sorted(components):
        status = components[name].status
        ready, wanted = int(status.get("readyReplicas", 0)), int(status.get("replicas", 0))
        well = ready >= max(wanted, 1)
        rows.append(
            ComponentRow(
                name=name,
                version=str(status.get("version", "")),
                ready=Cell(f"{ready}/{wanted}", "good" if well else "warn"),
                reason="" if well else str(status.get("message", "")),
            )
        )
    return rows


def release_cells(gateway: Mapping[str, Any] | None) -> dict[str, Cell]:
    """The Gateway's own word on the vendor and the release; None while it can't be asked."""
    if gateway is None:
        return {
            "g.ops": Cell("unknown", "warn"),
            "g.release": Cell("unknown", "warn"),
            "g.message": Cell(""),
            "g.plan": Cell(""),
        }
    ops: Mapping[str, Any] = gateway.get("opsApi") or {}
    release: Mapping[str, Any] = gateway.get("release") or {}
    running: Mapping[str, Any] = release.get("running") or {}
    state = str(release.get("state", ""))
    return {
        "g.ops": Cell("connected", "good") if ops.get("reachable") else Cell("not reachable", "warn"),
        "g.release": Cell(f"{running.get('version', 'none')} · {state}", RELEASE_STATES.get(state, "warn")),
        "g.message": Cell(str(release.get("message", ""))),
        "g.plan": Cell(_plan_sentence(gateway.get("releasePlan"))),
    }


def _plan_sentence(plan: Mapping[str, Any] | None) -> str:
    if plan is None:
        return "Nothing new is on its way."
    reason = f" The vendor says why: {plan.get('reason')}." if plan.get("reason") else ""
    until = f" until {plan.get('until')}" if plan.get("until") else ""
    waits = f" It waits{until}: {plan.get('waitsFor')}." if plan.get("waitsFor") else " It begins now."
    return f"Next: {plan.get('version')}, SHA-256 {plan.get('sha256')}.{waits}{reason}"


def attention(
    rows: Iterable[ModelRow], components: Iterable[ComponentRow], gateway: Mapping[str, Any] | None
) -> list[Attention]:
    """Everything that needs a person, most pressing first."""
    found: list[Attention] = []
    release: Mapping[str, Any] = (gateway or {}).get("release") or {}
    if release.get("state") in ("Refused", "RolledBack"):
        found.append(Attention("Release", str(release.get("message", "")), "/audit"))
    found += [
        Attention(f"Component {row.name}", row.reason or "not ready yet", "/")
        for row in components
        if row.ready.state != "good"
    ]
    found += [
        Attention(f"Model {row.name}", row.reason or f"{row.stage.text}", "/models")
        for row in rows
        if row.enabled and row.stage.text in ("Failed", "Degraded", "Scheduling")
    ]
    return found


def model_cells(rows: Iterable[ModelRow]) -> dict[str, Cell]:
    """The live cells of the models table."""
    cells: dict[str, Cell] = {}
    for row in rows:
        cells[f"m.{row.name}.stage"] = row.stage
        cells[f"m.{row.name}.replicas"] = Cell(row.replicas)
        cells[f"m.{row.name}.reason"] = Cell(row.reason)
    return cells


def component_cells(rows: Iterable[ComponentRow]) -> dict[str, Cell]:
    """The live cells of the components table."""
    cells: dict[str, Cell] = {}
    for row in rows:
        cells[f"c.{row.name}.ready"] = row.ready
        cells[f"c.{row.name}.version"] = Cell(row.version)
        cells[f"c.{row.name}.reason"] = Cell(row.reason)
    return cells


def shape(*parts: Iterable[str]) -> str:
    """A digest of what rows a page has: when it changes, the page fetches its rows anew."""
    text = "\n".join("\t".join(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def audit_rows(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Audit entries as rows, newest first."""
    rows: list[dict[str, str]] = []
    for entry in entries:
        event: Mapping[str, Any] = entry["event"]
        notes: Mapping[str, str] = event.get("annotations") or {}
        outcome: Mapping[str, Any] = event.get("responseStatus") or {}
        rows.append(
            {
                "index": str(entry["index"]),
                "time": str(event.get("stageTimestamp", "")),
                "caller": str(notes.get("logits.ai/caller", "")),
                "verb": str(event.get("verb", "")),
                "uri": str(event.get("requestURI", "")),
                "outcome": str(outcome.get("code") or OUTCOMES.get(str(event.get("stage")), "")),
                "rule": str(notes.get("logits.ai/rule", "")),
                "hash": str(entry.get("leaf", ""))[:12],
            }
        )
    return rows[::-1]


def departure_rows(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Calls to the vendor as rows, in their order."""
    return [
        {
            "cursor": str(entry["cursor"]),
            "time": str(entry["time"]),
            "what": str(entry.get("schema") or "question"),
            "caller": str(entry.get("caller", "")),
            "call": f"{entry['method']} {entry['path']}",
            "size": str(entry["size"]),
            "sha256": str(entry["sha256"])[:16] if int(entry["size"]) else "",
            "index": str(entry["index"]) if int(entry.get("index", -1)) >= 0 else "",
        }
        for entry in entries
    ]
