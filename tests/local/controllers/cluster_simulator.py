"""A simulated cluster: applies controller plans to plain dictionaries, with pods that obey the test."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from logits_local.controllers.deployment import plan_deployment
from logits_local.controllers.objects import condition, controller_uid, name, pod_ready, timestamp, uid
from logits_local.controllers.plan import Bind, Create, Delete, Patch, Plan, Step
from logits_local.controllers.replica_set import plan_replica_set

Object = dict[str, Any]


def deployment_manifest(replicas: int = 3, image: str = "app:1", **strategy: Any) -> Object:
    """A Deployment as the API server would store it."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "d-1", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": strategy or {"type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


class ClusterSimulator:
    """One Deployment with its ReplicaSets and Pods; time passes only when told."""

    def __init__(self, deployment: Object) -> None:
        self.deployment = deployment
        self.replica_sets: dict[str, Object] = {}
        self.pods: dict[str, Object] = {}
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self._made = 0

    def plan(self) -> Plan:
        """What all controllers would do now."""
        sets, pods = list(self.replica_sets.values()), list(self.pods.values())
        plan = plan_deployment(self.deployment, sets, pods, self.now)
        for replica_set in sets:
            plan += plan_replica_set(replica_set, pods)
        return plan

    def step(self) -> bool:
        """Plan and execute once; whether anything was to do."""
        plan = self.plan()
        for step in plan.steps:
            self.execute(step)
        return bool(plan.steps)

    def settle(self, *, ready: bool = True, limit: int = 200) -> None:
        """Let controllers and pods act until nothing changes."""
        for _ in range(limit):
            acted = self.step()
            for pod in list(self.pods.values()):
                acted |= self.finish_deletion(pod)
                acted |= ready and self.make_ready(pod)
            self.now += timedelta(seconds=1)
            if not acted:
                return
        raise AssertionError("the controllers didn't settle")

    def execute(self, step: Step) -> None:
        """Do one step the way an API server would."""
        match step:
            case Create():
                self._create(step.manifest)
            case Patch():
                self._patch(step)
            case Delete():
                self._delete(step)
            case Bind():
                raise AssertionError("no scheduler here")

    def _create(self, manifest: Object) -> None:
        item = copy.deepcopy(manifest)
        self._made += 1
        metadata = item["metadata"]
        metadata["uid"] = f"u-{self._made}"
        metadata["generation"] = 1
        metadata["creationTimestamp"] = timestamp(self.now)
        if item["kind"] == "ReplicaSet":
            assert metadata["name"] not in self.replica_sets, "made twice"
            self.replica_sets[metadata["name"]] = item
        else:
            metadata["name"] = f"{metadata.pop('generateName')}{self._made:05}"
            self.pods[metadata["name"]] = item

    def _patch(self, step: Patch) -> None:
        target = self.deployment if step.name == "web" else self.replica_sets[step.name]
        _merge(target, copy.deepcopy(step.patch))
        if not step.status:
            target["metadata"]["generation"] += 1

    def _delete(self, step: Delete) -> None:
        if step.name in self.replica_sets:
            del self.replica_sets[step.name]
        else:
            self.pods[step.name]["metadata"]["deletionTimestamp"] = timestamp(self.now)

    def finish_deletion(self, pod: Object) -> bool:
        """Remove a pod that was asked to end."""
        if pod["metadata"].get("deletionTimestamp"):
            del self.pods[name(pod)]
            return True
        return False

    def make_ready(self, pod: Object, ready: bool = True) -> bool:
        """Set the pod's Ready condition; whether that changed it."""
        status = "True" if ready else "False"
        known = condition(pod, "Ready")
        if known is not None and known["status"] == status:
            return False
        entry = {"type": "Ready", "status": status, "lastTransitionTime": timestamp(self.now)}
        pod["status"] = {"phase": "Running", "conditions": [entry]}
        return True

    def advance(self, pod: Object) -> None:
        """Let a pod do what it does next: end when asked to, become ready otherwise."""
        if not self.finish_deletion(pod):
            self.make_ready(pod)

    def roll_to(self, image: str) -> None:
        """Change the template."""
        self.deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image
        self.deployment["metadata"]["generation"] += 1

    def living(self) -> list[Object]:
        """Pods that aren't being deleted."""
        return [pod for pod in self.pods.values() if not pod["metadata"].get("deletionTimestamp")]

    def images(self) -> list[str]:
        """The images of all living pods."""
        return sorted(pod["spec"]["containers"][0]["image"] for pod in self.living())

    def available(self) -> int:
        """How many living pods are ready."""
        return sum(pod_ready(pod) for pod in self.living())

    def owned(self, replica_set: str) -> list[Object]:
        """The living pods of one ReplicaSet."""
        owner = uid(self.replica_sets[replica_set])
        return [pod for pod in self.living() if controller_uid(pod) == owner]


def _merge(target: Object, patch: Object) -> None:
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)  # pyright: ignore[reportUnknownArgumentType]
        else:
            target[key] = value
