"""A simulated cluster for plans: applies their steps and lets Deployments grow pods step by step."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from logits_core.reconcile import (
    Anchor,
    Apply,
    Customizations,
    Delete,
    Desired,
    EntityWrite,
    Memory,
    Observed,
    Plan,
    Release,
)

Json = dict[str, Any]

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
COMPONENTS = ("entity-db", "api-server", "console", "collector", "ingress-proxy", "llm-server", "controller")


def image(component: str, build: int = 1) -> str:
    """An image reference by digest."""
    return f"logits/{component}@sha256:{build:064x}"


def release(build: int = 1, *, without: tuple[str, ...] = ()) -> Release:
    """A release of all components."""
    return Release(f"0.{build}.0", build, {name: image(name, build) for name in COMPONENTS if name not in without})


def language_model(name: str = "tiny", **spec: Any) -> Json:
    """A LanguageModel entity."""
    full = {"displayName": name, "engine": "llamacpp", "source": f"{name}.gguf", "gpus": 1, "memoryMiB": 64}
    return {"kind": "LanguageModel", "metadata": {"name": name, "resourceVersion": "1"}, "spec": full | spec}


def model_deployment(name: str = "chat", **spec: Any) -> Json:
    """A ModelDeployment entity, enabled."""
    full = {
        "model": "tiny",
        "enabled": True,
        "minReplicas": 1,
        "maxReplicas": 1,
        "scaleToZeroAfterSeconds": 600,
        "targetInFlight": 8,
    }
    metadata = {"name": name, "resourceVersion": "1", "generation": 1}
    return {"kind": "ModelDeployment", "metadata": metadata, "spec": full | spec, "status": {}}


def demand(name: str, now: datetime, **models: tuple[int, int]) -> Json:
    """A Demand entity: (in flight, waiting) for each deployment."""
    stamp = now.isoformat()
    rows = {
        deployment: {"inFlight": in_flight, "waiting": waiting, "lastRequestAt": stamp}
        for deployment, (in_flight, waiting) in models.items()
    }
    metadata = {"name": name, "resourceVersion": "1", "creationTimestamp": stamp}
    return {"kind": "Demand", "metadata": metadata, "spec": {"models": rows, "observedAt": stamp}}


def node(name: str, gpus: int = 0) -> Json:
    """A Node that offers GPUs."""
    allocatable = {"cpu": "4"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    return {"metadata": {"name": name, "resourceVersion": "1"}, "status": {"allocatable": allocatable}}


class SimulatedCluster:
    """Holds objects and entities; ``settle`` plays the part of Kubernetes' own controllers."""

    def __init__(self, *, gpus: int = 4) -> None:
        self.now = START
        self.kinds: dict[str, dict[str, Json]] = {
            kind: {} for kind in ("Deployment", "Service", "PersistentVolumeClaim", "Pod")
        }
        self.entities: dict[str, dict[str, Json]] = {
            plural: {} for plural in ("languagemodels", "modeldeployments", "llmservers", "demands", "components")
        }
        self.nodes = {"gpu": node("gpu", gpus), "plain": node("plain")}
        self.release = release()
        self.memory = Memory()
        self.writes = 0
        self._versions = itertools.count(2)

    # -- what a plan is made from

    def desired(self) -> Desired:
        return Desired(
            release=self.release,
            namespace="logits",
            anchor=Anchor("logits-anchor", "0b6d4f62-0000-4000-8000-000000000000"),
            customizations=Customizations(),
            language_models=copy.deepcopy(self.entities["languagemodels"]),
            model_deployments=copy.deepcopy(self.entities["modeldeployments"]),
        )

    def observed(self) -> Observed:
        kinds = copy.deepcopy(self.kinds)
        entities = copy.deepcopy(self.entities)
        return Observed(
            deployments=kinds["Deployment"],
            services=kinds["Service"],
            claims=kinds["PersistentVolumeClaim"],
            pods=kinds["Pod"],
            nodes=self.nodes,
            llm_servers=entities["llmservers"],
            demands=entities["demands"],
            components=entities["components"],
            memory=self.memory,
        )

    # -- what a plan does

    def execute(self, plan: Plan) -> None:
        self.memory = plan.memory
        for step in plan.steps:
            self.writes += 1
            if isinstance(step, Apply):
                self._apply(step.manifest)
            else:
                self._delete(step)
        for write in plan.statuses:
            self.writes += 1
            self._write(write)

    def _version(self) -> str:
        return str(next(self._versions))

    def _apply(self, manifest: Json) -> None:
        objects = self.kinds[manifest["kind"]]
        name = manifest["metadata"]["name"]
        before = objects.get(name)
        after = copy.deepcopy(manifest)
        generation = (before or {}).get("metadata", {}).get("generation", 0)
        same = before is not None and before["spec"] == after["spec"]
        after["metadata"] |= {
            "uid": before["metadata"]["uid"] if before else f"uid-{next(self._versions)}",
            "resourceVersion": self._version(),
            "generation": generation + (not same),
        }
        after["status"] = (before or {}).get("status", {})
        objects[name] = after

    def _delete(self, step: Delete) -> None:
        found = self.kinds[step.kind].get(step.name)
        if found and found["metadata"]["uid"] == step.uid:
            del self.kinds[step.kind][step.name]

    def _write(self, write: EntityWrite) -> None:
        kind = self.entities[write.plural]
        if write.verb == "create":
            kind.setdefault(
                write.name, {"metadata": {"name": write.name, "resourceVersion": self._version()}, "spec": {}}
            )
        elif write.verb == "delete":
            if write.name in kind and kind[write.name]["metadata"]["resourceVersion"] == write.resource_version:
                del kind[write.name]
        elif write.name in kind:
            kind[write.name]["status"] = {**kind[write.name].get("status", {}), **copy.deepcopy(write.status)}
            kind[write.name]["metadata"]["resourceVersion"] = self._version()

    # -- what Kubernetes does

    def settle(self) -> None:
        """Let every Deployment have its pods, scheduled while GPUs last, and all of them ready."""
        pods = self.kinds["Pod"]
        wanted: dict[str, Json] = {}
        free = sum(int(item["status"]["allocatable"].get("nvidia.com/gpu", 0)) for item in self.nodes.values())
        for name, live in sorted(self.kinds["Deployment"].items()):
            template = live["spec"]["template"]
            ready = 0
            for index in range(live["spec"]["replicas"]):
                limits: Mapping[str, str] = template["spec"]["containers"][0]["resources"].get("limits", {})
                needs = int(limits.get("nvidia.com/gpu", 0))
                fits = needs <= free
                free -= needs if fits else 0
                ready += fits
                wanted[f"{name}-{index}"] = pod(f"{name}-{index}", template, fits=fits)
            live["status"] = {
                "observedGeneration": live["metadata"]["generation"],
                "replicas": live["spec"]["replicas"],
                "readyReplicas": ready,
                "updatedReplicas": live["spec"]["replicas"],
            }
        pods.clear()
        pods.update(wanted)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def pod(name: str, template: Json, *, fits: bool = True) -> Json:
    """A pod of a template: ready, or waiting for a GPU."""
    words = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
    conditions = (
        [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]
        if fits
        else [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}]
    )
    return {
        "metadata": {"name": name, "labels": dict(template["metadata"]["labels"]), "resourceVersion": "1"},
        "spec": copy.deepcopy(template["spec"]) | ({"nodeName": "gpu"} if fits else {}),
        "status": {"conditions": conditions},
    }
