"""Fields that the API server fills in when whoever writes an object leaves them out, as data."""

from __future__ import annotations

import base64
import copy
from typing import Any, cast

from logits_local.api.resources import RBAC, Object

_PROBE: Object = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
    "httpGet?": {"path": "/", "scheme": "HTTP"},
}
_CONTAINER: Object = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "resources": {},
    "ports?": [{"protocol": "TCP"}],
    "readinessProbe?": _PROBE,
    "livenessProbe?": _PROBE,
    "env?": [{"valueFrom?": {"fieldRef?": {"apiVersion": "v1"}}}],
}
_FILES: Object = {"defaultMode": 0o644}
_SOURCE: Object = {
    "serviceAccountToken?": {"expirationSeconds": 3600},
    "downwardAPI?": {"items?": [{"fieldRef?": {"apiVersion": "v1"}}]},
}
_POD_SPEC: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "containers?": [_CONTAINER],
    "initContainers?": [_CONTAINER],
    "volumes?": [{"secret?": _FILES, "configMap?": _FILES, "projected?": {**_FILES, "sources?": [_SOURCE]}}],
}
_TEMPLATE: Object = {"spec": _POD_SPEC}
_BINDING: Object = {"roleRef?": {"apiGroup": RBAC}}

DEFAULTS: dict[str, Object] = {
    "Pod": {
        "spec": {**_POD_SPEC, "serviceAccountName": "default", "enableServiceLinks": True, "priority": 0},
        "status": {"phase": "Pending"},
    },
    "Deployment": {
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate"},
            "template": _TEMPLATE,
        },
        "status": {},
    },
    "ReplicaSet": {"spec": {"replicas": 1, "template": _TEMPLATE}, "status": {"replicas": 0}},
    "Service": {
        "spec": {"type": "ClusterIP", "sessionAffinity": "None", "ports?": [{"protocol": "TCP"}]},
        "status": {"loadBalancer": {}},
    },
    "PersistentVolumeClaim": {"spec": {"storageClassName": "standard", "volumeMode": "Filesystem"}},
    "Namespace": {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}},
    "Secret": {"type": "Opaque"},
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
}
"""Kind -> what is filled in. A ``?`` fills in below a field only where that is there already."""

_ROLLING = {"maxUnavailable": "25%", "maxSurge": "25%"}


def _fill(target: Object, values: Object) -> None:
    for name, value in values.items():
        field, optional = name.removesuffix("?"), name.endswith("?")
        if optional and field not in target:
            continue
        if field not in target and not isinstance(value, dict):
            target[field] = copy.copy(value)
        elif isinstance(value, dict):
            _fill(target.setdefault(field, {}), cast(Object, value))
        elif optional:
            for item in target[field]:
                _fill(item, value[0])


def fill_defaults(value: Object) -> None:
    """Fill in what was left out, in place; the object must be the caller's own copy."""
    kind = value["kind"]
    _fill(value, DEFAULTS.get(kind, {}))
    if kind in ("Pod", "Deployment", "ReplicaSet"):
        _computed_pod_spec(value["spec"] if kind == "Pod" else value["spec"]["template"]["spec"])
    if kind == "Deployment" and value["spec"]["strategy"]["type"] == "RollingUpdate":
        _fill(value["spec"]["strategy"], {"rollingUpdate": _ROLLING})
    elif kind == "Service":
        for port in value["spec"].get("ports", []):
            port.setdefault("targetPort", port.get("port"))
    elif kind == "PersistentVolumeClaim":
        _bind_claim(value)
    elif kind == "Namespace":
        value["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = value["metadata"]["name"]
    elif kind == "Secret" and (plain := value.pop("stringData", None)):
        data: Object = value.get("data") or {}  # plain text is written by people and never kept
        value["data"] = data | {name: base64.b64encode(str(text).encode()).decode() for name, text in plain.items()}


def _computed_pod_spec(spec: Object) -> None:
    if "serviceAccountName" in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]
    for container in cast("list[Object]", spec.get("containers", [])):
        name, _, digest = str(container.get("image", "")).partition("@")
        newest = not digest and name.rpartition("/")[2].partition(":")[2] in ("", "latest")
        container.setdefault("imagePullPolicy", "Always" if newest else "IfNotPresent")
        limits: Any = container["resources"].get("limits")
        if limits:
            container["resources"]["requests"] = {**limits, **container["resources"].get("requests", {})}


def _bind_claim(claim: Object) -> None:
    """Bind a claim at once: every one is a directory of this machine."""
    spec: Object = claim["spec"]
    spec.setdefault("volumeName", f"local-{claim['metadata']['uid']}")
    capacity: Any = spec.get("resources", {}).get("requests", {})
    bound = {"phase": "Bound", "accessModes": spec.get("accessModes", []), "capacity": capacity}
    claim["status"] = {**bound, **claim.get("status", {})}
