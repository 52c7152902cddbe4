"""The registration checklist: from the Ops API's state to six rows that say what is and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Status = Literal["waiting", "ok", "failed"]
SILENT_SECONDS = 90.0
EXPECTED = ("controller", "entity-db", "console", "api-server", "collector", "ingress-proxy")
BROKEN = frozenset(
    {"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError"}
)
"""Reasons that don't mend themselves."""


@dataclass(frozen=True)
class Row:
    """One step; ``remedy`` says what to do and ``command`` how, where there is something to do."""

    step: str
    title: str
    status: Status
    detail: str
    remedy: str = ""
    command: str = ""
    since: str | None = None


State = Mapping[str, Any]


def checklist(state: State, now: float) -> list[dict[str, Any]]:
    """The rows for an environment's state, in order.

    Args:
        state: what the Ops API answers for the environment.
        now: seconds since the epoch.
    """
    return [asdict(row(state, now)) for row in ROWS]


def _seconds(time: str | None) -> float | None:
    return datetime.fromisoformat(time).astimezone(UTC).timestamp() if time else None


def _key(state: State, _: float) -> Row:
    return Row("key", "Key created", "ok", f"Key {state['keyId']} is active.", since=state.get("createdAt"))


def _gateway(state: State, now: float) -> Row:
    step, title = "gateway", "Gateway in contact"
    command = "kubectl --namespace logits logs deployment/logits-gateway"
    registration = state.get("registration")
    if not registration:
        remedy = "Run the install command. If you did, read the Gateway's log: a wrong key is named there."
        return Row(step, title, "waiting", "No Gateway has registered yet.", remedy, command)
    detail = f"Gateway {registration['gatewayVersion']} on Kubernetes {registration['kubernetesVersion']}."
    seen = _seconds(state.get("lastSeenAt"))
    if seen is None or now - seen > SILENT_SECONDS:
        remedy = "Check that its pod runs and reaches the internet."
        return Row(step, title, "failed", "The Gateway is silent.", remedy, command, state.get("lastSeenAt"))
    return Row(step, title, "ok", detail, since=state.get("registeredAt"))


def _controller(state: State, _: float) -> Row:
    step, title = "controller", "Controller deployed"
    release: State = state.get("release") or {}
    rollout = str(release.get("state", ""))
    command = "kubectl --namespace logits describe deployment logits-controller"
    if rollout in ("Refused", "RolledBack"):
        detail = str(release.get("message") or f"The release is {rollout}.")
        return Row(step, title, "failed", detail, "The previous version keeps running.", command)
    running = release.get("running")
    if running:
        version = running if isinstance(running, str) else running["version"]
        return Row(step, title, "ok", f"Release {version} runs.", since=state.get("reportedAt"))
    if state.get("registration") and not state.get("desired"):
        return Row(step, title, "waiting", "No release is published for this environment yet.")
    remedy = "The Gateway deploys it within a minute of its first contact." if state.get("registration") else ""
    return Row(step, title, "waiting", rollout or "Not deployed yet.", remedy, command if remedy else "")


def _hardware(state: State, _: float) -> Row:
    step, title = "hardware", "Nodes and GPUs seen"
    nodes, gpus = state.get("nodes"), state.get("gpus")
    if nodes is None:
        return Row(step, title, "waiting", "No node is known yet.")
    detail = f"{nodes} {'node' if nodes == 1 else 'nodes'}, {gpus or 0} {'GPU' if gpus == 1 else 'GPUs'}."
    if not gpus:
        remedy = "Install the GPU vendor's driver and device plugin, so that a node offers nvidia.com/gpu."
        command = "kubectl describe nodes | grep nvidia.com/gpu"
        return Row(step, title, "failed", detail, remedy, command)
    return Row(step, title, "ok", detail, since=state.get("registeredAt"))


def _components(state: State, _: float) -> Row:
    step, title = "components", "Components healthy"
    known = {c["name"]: c for c in state.get("components") or ()}
    if not known:
        return Row(step, title, "waiting", "No component has reported yet.")
    broken = [n for n, c in known.items() if c.get("reason") in BROKEN]
    late = [n for n in EXPECTED if n not in known or not _ready(known[n])]
    command = "kubectl --namespace logits get pods"
    if broken:
        detail = ", ".join(f"{name}: {known[name]['reason']}" for name in broken) + "."
        return Row(step, title, "failed", detail, "Look at the pods named here.", command)
    if late:
        detail = f"{len(EXPECTED) - len(late)} of {len(EXPECTED)} are ready; waiting for {', '.join(late)}."
        return Row(step, title, "waiting", detail, "", command)
    return Row(step, title, "ok", f"All {len(EXPECTED)} are ready.", since=state.get("reportedAt"))


def _ready(component: Mapping[str, Any]) -> bool:
    return component.get("readyReplicas", 0) >= max(1, component.get("replicas", 0))


def _model(state: State, _: float) -> Row:
    step, title = "model", "First model ready"
    models: State = state.get("models") or {}
    enabled, ready = models.get("enabled", 0), models.get("ready", 0)
    if ready:
        return Row(step, title, "ok", f"{ready} of {enabled} enabled ready.", since=state.get("reportedAt"))
    if enabled:
        return Row(step, title, "waiting", "A model is enabled and starting; the Console shows how far it is.")
    remedy = "Open the Console in your cluster and enable a model."
    command = "kubectl --namespace logits port-forward service/logits-ingress-proxy 8080:80"
    return Row(step, title, "waiting", "No model is enabled.", remedy, command)


ROWS: tuple[Callable[[State, float], Row], ...] = (_key, _gateway, _controller, _hardware, _components, _model)
"""The steps in the order in which they come true."""
