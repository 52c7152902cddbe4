"""The Kubernetes objects of a component, with the conventions that every pod of Logits keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from logits_core.entities.model import JsonObject
from logits_core.reconcile.state import Anchor, Customizations, Desired

PART_OF: Final = "app.kubernetes.io/part-of"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
COMPONENT: Final = "logits.ai/component"
LANGUAGE_MODEL: Final = "logits.ai/language-model"
MODEL_DEPLOYMENT: Final = "logits.ai/model-deployment"
RELEASE_VERSION: Final = "logits.ai/release-version"
CONTROLLER: Final = "logits-controller"
GATEWAY: Final = "logits-gateway"
GPU: Final = "nvidia.com/gpu"
DATA_DIRECTORY: Final = "/var/lib/logits"
SECRET_DIRECTORY: Final = "/var/run/secrets/customer"  # noqa: S105 - a path
TOKEN_DIRECTORY: Final = "/var/run/secrets/logits"  # noqa: S105 - a path

_USER: Final = 65532
_GPU_TOLERATIONS: Final[tuple[JsonObject, ...]] = ({"key": GPU, "operator": "Exists", "effect": "NoSchedule"},)
"""GPU nodes are customarily tainted against pods that need none."""


@dataclass(frozen=True, slots=True)
class Site:
    """What all manifests of one cluster share."""

    namespace: str
    anchor: Anchor
    customizations: Customizations
    release_version: str
    image_pull_policy: str


def site_of(desired: Desired) -> Site | None:
    """What all manifests share; None while it isn't known and nothing may be written."""
    if desired.anchor is None or desired.customizations is None:
        return None
    return Site(
        namespace=desired.namespace,
        anchor=desired.anchor,
        customizations=desired.customizations,
        release_version=desired.release.version,
        image_pull_policy=desired.image_pull_policy,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One Deployment before the conventions are added.

    Attributes:
        name: of the Deployment.
        component: which of the ten systems its pods are.
        image: reference by digest.
        replicas: how many pods.
        env: settings of the app.
        labels: further labels of the pods, which also select them.
        marks: further labels of the pods that don't select them.
        claim: name of the volume claim mounted at the data directory, if any.
        gateway_token: whether the pods may talk to the Gateway.
        secret: name of the customer's Secret that they read, if any.
        exclusive: whether an old pod must be gone before its successor starts.
        gpus: GPUs of each pod.
        memory: memory that a node must have free for each pod, as a quantity.
        grace_seconds: how long a pod may take to end.
        start_seconds: how long a new pod may take to become ready before Kubernetes calls it stuck.
    """

    name: str
    component: str
    image: str
    replicas: int = 1
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    marks: Mapping[str, str] = field(default_factory=dict[str, str])
    claim: str | None = None
    gateway_token: bool = False
    secret: str | None = None
    exclusive: bool = False
    gpus: int = 0
    memory: str = "64Mi"
    grace_seconds: int = 30
    start_seconds: int = 600


def deployment(workload: Workload, site: Site) -> JsonObject:
    """The Deployment of a workload."""
    selector = {PART_OF: "logits", COMPONENT: workload.component, **workload.labels}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(workload.name, workload.component, site, workload.labels),
        "spec": {
            "replicas": workload.replicas,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": workload.start_seconds,
            "selector": {"matchLabels": selector},
            "strategy": _strategy(workload),
            "template": {
                "metadata": {
                    "labels": {
                        **site.customizations.labels,
                        MANAGED_BY: CONTROLLER,
                        **workload.marks,
                        **selector,
                    },
                    "annotations": dict(site.customizations.annotations),
                },
                "spec": _pod(workload, site),
            },
        },
    }


def service(component: str, port: int, site: Site) -> JsonObject:
    """The Service of a component; its target is the container port ``http``."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(f"logits-{component}", component, site, {}),
        "spec": {
            "type": "ClusterIP",
            "selector": {PART_OF: "logits", COMPONENT: component},
            "ports": [{"name": "http", "port": port, "protocol": "TCP", "targetPort": "http"}],
        },
    }


def volume_claim(name: str, component: str, size: str, site: Site) -> JsonObject:
    """A claim for a component's data; it has no owner, because data outlives the release."""
    metadata = _metadata(name, component, site, {})
    del metadata["ownerReferences"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def _metadata(name: str, component: str, site: Site, labels: Mapping[str, str]) -> JsonObject:
    return {
        "name": name,
        "namespace": site.namespace,
        "labels": {PART_OF: "logits", MANAGED_BY: _manager(component), COMPONENT: component, **labels},
        # On the object alone: in the template it would restart pods whose image stayed the same.
        "annotations": {RELEASE_VERSION: site.release_version},
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": site.anchor.name, "uid": site.anchor.uid}
        ],
    }


def _manager(component: str) -> str:
    # The label tells the Controller what it may delete, and that is never itself.
    return GATEWAY if component == "controller" else CONTROLLER


def _strategy(workload: Workload) -> JsonObject:
    if workload.exclusive:
        return {"type": "Recreate"}
    # A surplus pod would wait for a GPU that only the old pod can free.
    surge, unavailable = (0, 1) if workload.gpus else (1, 0)
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def _pod(workload: Workload, site: Site) -> JsonObject:
    return {
        "serviceAccountName": "logits-component",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # LOGITS_*_PORT variables would be unknown settings
        "terminationGracePeriodSeconds": workload.grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "nodeSelector": dict(site.customizations.node_selector),
        "tolerations": [*site.customizations.tolerations, *(_GPU_TOLERATIONS if workload.gpus else ())],
        "containers": [_container(workload, site)],
        "volumes": _volumes(workload),
    }


def _container(workload: Workload, site: Site) -> JsonObject:
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - a path in the container
    if workload.claim:
        mounts.append({"name": "data", "mountPath": DATA_DIRECTORY})
    if workload.gateway_token:
        mounts.append({"name": "gateway-token", "mountPath": TOKEN_DIRECTORY})
    if workload.secret:
        mounts.append({"name": "customer", "mountPath": SECRET_DIRECTORY})
    requests = {"cpu": "10m", "memory": workload.memory}
    resources: JsonObject = {"requests": requests}
    if workload.gpus:
        requests[GPU] = str(workload.gpus)
        resources["limits"] = {GPU: str(workload.gpus)}
    return {
        "name": workload.component,
        "image": workload.image,
        "imagePullPolicy": site.image_pull_policy,
        "env": _environment(workload),
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}],
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "metrics"},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
        },
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": "metrics"},
            "initialDelaySeconds": 10,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


_FIELDS: Final[Mapping[str, str]] = {
    "LOGITS_LISTEN_ADDRESS": "status.podIP",
    "LOGITS_POD_NAME": "metadata.name",
    "LOGITS_POD_UID": "metadata.uid",
    "LOGITS_NAMESPACE": "metadata.namespace",
}


def _environment(workload: Workload) -> list[JsonObject]:
    settings = {"HOME": "/tmp", **workload.env}  # noqa: S108 - a path in the container
    if workload.gateway_token:
        settings["LOGITS_TOKEN_FILE"] = f"{TOKEN_DIRECTORY}/token"
    own: list[JsonObject] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in _FIELDS.items()
    ]
    return own + [{"name": name, "value": value} for name, value in sorted(settings.items())]


def _volumes(workload: Workload) -> list[JsonObject]:
    volumes: list[JsonObject] = [{"name": "tmp", "emptyDir": {}}]
    if workload.claim:
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": workload.claim}})
    if workload.gateway_token:
        token = {"audience": "logits-gateway", "expirationSeconds": 3600, "path": "token"}
        volumes.append({"name": "gateway-token", "projected": {"sources": [{"serviceAccountToken": token}]}})
    if workload.secret:
        volumes.append({"name": "customer", "secret": {"secretName": workload.secret}})
    return volumes
