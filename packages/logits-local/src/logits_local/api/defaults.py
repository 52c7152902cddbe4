"""Fields that the API server fills in when whoever writes an object leaves them out."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, cast

from logits_local.api.resources import Object

Defaulter = Callable[[Object], None]

_POD_SPEC: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
_CONTAINER: Object = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_VOLUME_MODES = {"secret": 0o644, "configMap": 0o644, "projected": 0o644, "downwardAPI": 0o644}
_UNTIL_EVICTED = tuple(
    {
        "key": f"node.kubernetes.io/{state}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for state in ("not-ready", "unreachable")
)


def _fill(target: Object, values: Object) -> None:
    for name, value in values.items():
        target.setdefault(name, value)


def _children(parent: Object, *names: str) -> list[Object]:
    return [child for name in names for child in cast("list[Object]", parent.get(name, []))]


def _probe(probe: Object) -> None:
    _fill(probe, _PROBE)
    if "httpGet" in probe:
        _fill(probe["httpGet"], {"path": "/", "scheme": "HTTP"})


def _container(container: Object) -> None:
    _fill(container, _CONTAINER)
    container.setdefault("resources", {})
    image = str(container.get("image", ""))
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    newest = "@" not in image and tag in ("", "latest")
    container.setdefault("imagePullPolicy", "Always" if newest else "IfNotPresent")
    for port in _children(container, "ports"):
        port.setdefault("protocol", "TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])
    for variable in _children(container, "env"):
        if "fieldRef" in variable.get("valueFrom", {}):
            variable["valueFrom"]["fieldRef"].setdefault("apiVersion", "v1")
    limits = container["resources"].get("limits")
    if limits:
        requests = container["resources"].setdefault("requests", {})
        _fill(requests, limits)


def _volume(volume: Object) -> None:
    for name, mode in _VOLUME_MODES.items():
        if name in volume:
            volume[name].setdefault("defaultMode", mode)
    for source in volume.get("projected", {}).get("sources", []):
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
    files = volume.get("downwardAPI", {}).get("items", [])
    files += [item for source in volume.get("projected", {}).get("sources", []) for item in _downward(source)]
    for item in files:
        item.get("fieldRef", {}).setdefault("apiVersion", "v1")


def _downward(source: Object) -> list[Object]:
    return cast("list[Object]", source.get("downwardAPI", {}).get("items", []))


def _pod_spec(spec: Object) -> None:
    _fill(spec, _POD_SPEC)
    spec.setdefault("securityContext", {})
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in _children(spec, "containers", "initContainers"):
        _container(container)
    for volume in _children(spec, "volumes"):
        _volume(volume)


def _pod(pod: Object) -> None:
    spec: Object = pod["spec"]
    spec.setdefault("serviceAccountName", "default")
    _pod_spec(spec)
    _fill(spec, {"enableServiceLinks": True, "priority": 0, "preemptionPolicy": "PreemptLowerPriority"})
    tolerations = spec.setdefault("tolerations", [])
    for toleration in _UNTIL_EVICTED:
        if not any(held.get("key") in (None, toleration["key"]) for held in tolerations):
            tolerations.append(dict(toleration))
    status: Object = pod.setdefault("status", {})
    _fill(status, {"phase": "Pending", "qosClass": quality_of_service(spec)})


def quality_of_service(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort, from the containers' cpu and memory."""
    resources = [container.get("resources", {}) for container in _children(spec, "containers", "initContainers")]
    asked = [
        {name for name in held.get("requests", {}) | held.get("limits", {}) if name in ("cpu", "memory")}
        for held in resources
    ]
    if not any(asked):
        return "BestEffort"
    limits = [held.get("limits", {}) for held in resources]
    exact = all(
        limit.get(name) and held.get("requests", {}).get(name) == limit[name]
        for held, limit in zip(resources, limits, strict=True)
        for name in ("cpu", "memory")
    )
    return "Guaranteed" if exact else "Burstable"


def _deployment(deployment: Object) -> None:
    spec: Object = deployment["spec"]
    _fill(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy: Object = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling: Object = strategy.setdefault("rollingUpdate", {})
        _fill(rolling, {"maxUnavailable": "25%", "maxSurge": "25%"})
    _pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    deployment.setdefault("status", {})


def _replica_set(replica_set: Object) -> None:
    replica_set["spec"].setdefault("replicas", 1)
    _pod_spec(replica_set["spec"].setdefault("template", {}).setdefault("spec", {}))
    replica_set.setdefault("status", {"replicas": 0})


def _service(service: Object) -> None:
    spec: Object = service["spec"]
    _fill(spec, {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"})
    for port in _children(spec, "ports"):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    service.setdefault("status", {"loadBalancer": {}})


def _claim(claim: Object) -> None:
    spec: Object = claim["spec"]
    _fill(spec, {"storageClassName": "standard", "volumeMode": "Filesystem"})
    spec.setdefault("volumeName", f"local-{claim['metadata']['uid']}")
    capacity: Any = spec.get("resources", {}).get("requests", {})
    bound = {"phase": "Bound", "accessModes": spec.get("accessModes", []), "capacity": capacity}
    claim.setdefault("status", {})
    _fill(claim["status"], bound)


def _namespace(namespace: Object) -> None:
    namespace["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = namespace["metadata"]["name"]
    namespace.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    namespace.setdefault("status", {}).setdefault("phase", "Active")


def _secret(secret: Object) -> None:
    secret.setdefault("type", "Opaque")
    plain: Object = secret.pop("stringData", None) or {}
    if plain:  # written by people, never kept: it becomes data
        data: Object = secret.get("data") or {}
        secret["data"] = data | {name: base64.b64encode(str(text).encode()).decode() for name, text in plain.items()}


def _binding(binding: Object) -> None:
    reference: Object = binding.get("roleRef", {})
    reference.setdefault("apiGroup", "rbac.authorization.k8s.io")
    for subject in _children(binding, "subjects"):
        if subject.get("kind") != "ServiceAccount":
            subject.setdefault("apiGroup", "rbac.authorization.k8s.io")


def _policy(policy: Object) -> None:
    spec: Object = policy.setdefault("spec", {})
    if "policyTypes" not in spec:
        spec["policyTypes"] = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
    for rule in _children(spec, "ingress", "egress"):
        for port in _children(rule, "ports"):
            port.setdefault("protocol", "TCP")


DEFAULTS: dict[str, Defaulter] = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "Service": _service,
    "PersistentVolumeClaim": _claim,
    "Namespace": _namespace,
    "Secret": _secret,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "NetworkPolicy": _policy,
}


_WITH_SPEC = ("Pod", "Deployment", "ReplicaSet", "Service", "PersistentVolumeClaim")


def fill_defaults(value: Object) -> None:
    """Fill in what was left out, in place; the object must be the caller's own copy."""
    kind = value["kind"]
    if kind in _WITH_SPEC:
        value.setdefault("spec", {})
    if kind in DEFAULTS:
        DEFAULTS[kind](value)
