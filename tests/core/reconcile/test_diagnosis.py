"""Diagnosis: for every way in which a pod can fail to serve, a stage, a reason and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from logits_core.reconcile.diagnosis import diagnose
from simulators.cluster_world import node

SCHEDULED = {"type": "PodScheduled", "status": "True"}


def pod(*conditions: dict[str, Any], container: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "logits-llm-chat-0", **metadata},
        "spec": {
            "nodeName": "gpu" if SCHEDULED in conditions else "",
            "containers": [{"image": "logits/llm@sha256:1", "resources": {"limits": {"nvidia.com/gpu": "2"}}}],
        },
        "status": {"conditions": list(conditions), "containerStatuses": [container] if container else []},
    }


def on_node(container: dict[str, Any]) -> dict[str, Any]:
    return pod(SCHEDULED, container=container)


def unschedulable(words: str) -> dict[str, Any]:
    return pod({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words})


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}, **more}


def report(phase: str, message: str = "") -> dict[str, Any]:
    return {"status": {"phase": phase, "message": message}}


RUNNING = {"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
CRASHED = waiting("CrashLoopBackOff", restartCount=3) | {"lastState": {"terminated": {"exitCode": 7}}}
OOM = waiting("CrashLoopBackOff") | {"lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}
GPU_WORDS = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."


@pytest.mark.parametrize(
    ("subject", "said", "stage", "reason", "words"),
    [
        (pod(), None, "Scheduling", "Scheduling", "choosing a node"),
        (unschedulable(GPU_WORDS), None, "Scheduling", "NoGpuFree", "needs 2 GPU"),
        (unschedulable("1 node(s) had untolerated taint"), None, "Scheduling", "NoNodeFits", "helm upgrade"),
        (unschedulable("Insufficient memory"), None, "Scheduling", "NoNodeFits", "Free memory"),
        (pod(SCHEDULED), None, "Starting", "ContainerCreating", "prepares"),
        (on_node(waiting("ContainerCreating")), None, "Starting", "ContainerCreating", ""),
        (on_node(waiting("ImagePullBackOff", "no such host")), None, "Failed", "ImageMissing", "no such host"),
        (on_node(waiting("ErrImageNeverPull")), None, "Failed", "ImageMissing", "logits/llm@sha256:1"),
        (on_node(waiting("CreateContainerConfigError")), None, "Failed", "PodMisconfigured", "describe pod"),
        (on_node(CRASHED), None, "Failed", "CrashLoop", "exit code 7, 3 restarts"),
        (on_node(CRASHED), report("Failed", "broken weights"), "Failed", "CrashLoop", "broken weights"),
        (on_node(OOM), None, "Failed", "CrashLoop", "out of memory"),
        (on_node(RUNNING), None, "Starting", "Starting", "starts"),
        (on_node(RUNNING), report("LoadingWeights", "2 of 4 files"), "LoadingWeights", "LoadingWeights", "2 of"),
        (on_node(RUNNING), report("Ready", "answers"), "LoadingWeights", "LoadingWeights", "answers"),
        (on_node(RUNNING), report("Failed", "no CUDA"), "Failed", "EngineFailed", "no CUDA"),
        (pod(SCHEDULED, {"type": "Ready", "status": "True"}, container=RUNNING), None, "Ready", "Ready", ""),
        (pod(SCHEDULED, deletionTimestamp="2026-01-01T00:00:00Z"), None, "Draining", "Draining", "stops"),
    ],
)  # fmt: skip
def test_what_a_pod_is_doing(
    subject: dict[str, Any], said: dict[str, Any] | None, stage: str, reason: str, words: str
) -> None:
    found = diagnose(subject, said, {"gpu": node("gpu", 4)})
    assert (found.stage, found.reason) == (stage, reason)
    assert words in found.message


def test_a_cluster_without_gpus_is_told_so() -> None:
    found = diagnose(unschedulable(GPU_WORDS), None, {"plain": node("plain")})
    assert found.reason == "NoGpuInCluster"
    assert "device plugin" in found.message
    assert GPU_WORDS in found.message


def test_null_parts_of_a_pod_are_no_trouble() -> None:
    empty: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {"containers": [{}]}, "status": None}
    assert diagnose(empty, {"status": None}, {}).stage == "Scheduling"
