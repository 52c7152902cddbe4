"""Why a pod isn't ready, in plain words, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from logits_core.entities.model import JsonObject
from logits_core.reconcile.fields import child, children, text, value
from logits_core.reconcile.manifests import GPU
from logits_core.reconcile.state import Objects

_LONGEST_QUOTE: Final = 600


@dataclass(frozen=True, slots=True)
class PodState:
    """What one pod is doing.

    Attributes:
        stage: as in the status of a ModelDeployment.
        reason: CamelCase word from a closed set, safe to report to the vendor.
        message: what is the matter and what to do, for the customer.
    """

    stage: str
    reason: str
    message: str

    @property
    def ready(self) -> bool:
        """Whether the pod takes requests."""
        return self.stage == "Ready"

    @property
    def troubled(self) -> bool:
        """Whether it won't become ready by waiting alone."""
        return self.stage == "Failed" or self.reason in _STUCK


_STUCK: Final = frozenset({"NoGpuFree", "NoGpuInCluster", "NoNodeFits"})

_WAITING: Final = {
    "ErrImagePull": ("ImageMissing", "The image {image} can't be pulled"),
    "ImagePullBackOff": ("ImageMissing", "The image {image} can't be pulled"),
    "ErrImageNeverPull": ("ImageMissing", "The image {image} isn't on the node"),
    "InvalidImageName": ("ImageMissing", "The image name {image} is not valid"),
    "CreateContainerConfigError": ("PodMisconfigured", "The container can't be set up"),
    "CreateContainerError": ("PodMisconfigured", "The container can't be created"),
    "RunContainerError": ("PodMisconfigured", "The container can't be started"),
}
"""A container's waiting reasons that don't pass by themselves: our reason and the sentence for it."""

_REMEDIES: Final = {
    "ImageMissing": "Check that the nodes reach the registry and that the release was published there.",
    "PodMisconfigured": "Look at `kubectl describe pod {pod}`.",
}


def diagnose(pod: JsonObject, report: JsonObject | None, nodes: Objects) -> PodState:
    """What a pod is doing.

    Args:
        pod: the Pod.
        report: the LLMServer entity of that pod, if it is an LLM Server and has reported.
        nodes: all Nodes, to say how many GPUs there are.
    """
    if pod["metadata"].get("deletionTimestamp"):
        return PodState("Draining", "Draining", "The pod finishes its requests and stops.")
    conditions = _conditions(pod)
    if conditions.get("Ready", {}).get("status") == "True":
        return PodState("Ready", "Ready", "")
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return _unschedulable(str(scheduled.get("message") or ""), pod, nodes)
    if not pod["spec"].get("nodeName"):
        return PodState("Scheduling", "Scheduling", "Kubernetes is choosing a node.")
    container = _container(pod)
    return _stuck(pod, container) or _crashed(pod, container, report) or _starting(container, report)


def _conditions(pod: JsonObject) -> dict[str, JsonObject]:
    return {condition["type"]: condition for condition in children(pod, "status", "conditions")}


def _container(pod: JsonObject) -> JsonObject:
    statuses = children(pod, "status", "containerStatuses")
    return statuses[0] if statuses else {}


def _unschedulable(words: str, pod: JsonObject, nodes: Objects) -> PodState:
    quote = f" Kubernetes says: {words[:_LONGEST_QUOTE]}" if words else ""
    if GPU in words:
        offered = sum(gpus_of(node) for node in nodes.values())
        if not offered:
            advice = (
                "No node of this cluster offers a GPU (nvidia.com/gpu). "
                "Add a GPU node, or install the NVIDIA device plugin on the ones you have."
            )
            return PodState("Scheduling", "NoGpuInCluster", advice + quote)
        advice = (
            f"It needs {_gpus_wanted(pod)} GPU on one node and none has that many free "
            f"({offered} in the cluster). Disable another model, lower its replicas, or add a GPU node."
        )
        return PodState("Scheduling", "NoGpuFree", advice + quote)
    if "node selector" in words or "taint" in words:
        advice = "No node fits the nodeSelector and tolerations of the chart. Change them by helm upgrade."
    else:
        advice = "No node has room for the pod. Free memory or CPU, or add a node."
    return PodState("Scheduling", "NoNodeFits", advice + quote)


def gpus_of(node: JsonObject) -> int:
    """How many GPUs a node offers to pods."""
    offered = str(value(node, "status", "allocatable", GPU))
    return int(offered) if offered.isdigit() else 0


def _gpus_wanted(pod: JsonObject) -> str:
    return text(children(pod, "spec", "containers")[0], "resources", "limits", GPU) or "1"


def _stuck(pod: JsonObject, container: JsonObject) -> PodState | None:
    waiting = child(container, "state", "waiting")
    known = _WAITING.get(text(waiting, "reason"))
    if known is None:
        return None
    reason, sentence = known
    image = container.get("image") or pod["spec"]["containers"][0].get("image", "")
    detail = f": {waiting['message'][:_LONGEST_QUOTE]}." if waiting.get("message") else "."
    remedy = _REMEDIES[reason].format(pod=pod["metadata"]["name"])
    return PodState("Failed", reason, f"{sentence.format(image=image)}{detail} {remedy}")


def _crashed(pod: JsonObject, container: JsonObject, report: JsonObject | None) -> PodState | None:
    terminated = child(container, "state", "terminated")
    if text(container, "state", "waiting", "reason") != "CrashLoopBackOff" and not terminated:
        return None
    ended = child(container, "lastState", "terminated") or terminated
    own_words = _own_words(report)
    cause = f" Its last words: {own_words}" if own_words else ""
    words = (
        f"The process keeps ending ({_ending(ended)}, {container.get('restartCount', 0)} restarts); "
        f"Kubernetes starts it again.{cause} Look at `kubectl logs {pod['metadata']['name']} --previous`."
    )
    return PodState("Failed", "CrashLoop", words)


def _ending(terminated: JsonObject) -> str:
    if terminated.get("reason") == "OOMKilled":
        return "it ran out of memory"
    code: Any = terminated.get("exitCode")
    return f"exit code {code}" if code is not None else "no exit code known"


def _own_words(report: JsonObject | None) -> str:
    return text(report, "status", "message")[:_LONGEST_QUOTE]


def _starting(container: JsonObject, report: JsonObject | None) -> PodState:
    if "running" not in child(container, "state"):
        return PodState("Starting", "ContainerCreating", "The node prepares the container.")
    phase = text(report, "status", "phase")
    words = _own_words(report)
    if phase == "Failed":
        return PodState("Failed", "EngineFailed", words or "The engine failed; look at the pod's log.")
    if phase in ("LoadingWeights", "Ready"):  # ready in the engine's eyes, not yet in Kubernetes'
        return PodState("LoadingWeights", "LoadingWeights", words or "The engine loads the weights.")
    return PodState("Starting", "Starting", words or "The process starts.")
