"""The kinds of object that the embedded cluster keeps, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as decoded JSON. Objects in the store are shared and never changed in place."""

RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One kind of object and how the API serves it.

    Attributes:
        group: API group, empty for the core group; the version is always ``v1``.
        kind: the ``kind`` of its objects.
        plural: the name in paths and RBAC rules.
        short_names: what ``kubectl get`` accepts besides.
        namespaced: whether objects live in a namespace.
        subresources: what follows the object's name in a path.
        has_status: ``status`` is written only through its subresource.
        counts_generation: ``metadata.generation`` counts changes of the specification.
        field_labels: fields that a field selector may name besides the object's name and namespace.
        name_rule: a key of the name rules in ``validation``.
    """

    group: str
    kind: str
    plural: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    has_status: bool = False
    counts_generation: bool = False
    field_labels: tuple[str, ...] = ()
    name_rule: str = "subdomain"

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def key(self) -> str:
        """A name that is unique over all groups."""
        return f"{self.group}/{self.plural}" if self.group else self.plural


_EVENT_LABELS = tuple(
    f"involvedObject.{part}"
    for part in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
)
_POD_LABELS = ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP")

RESOURCES: tuple[ResourceType, ...] = (
    ResourceType("", "Namespace", "namespaces", ("ns",), False, ("status",), True, False, ("status.phase",), "label"),
    ResourceType("", "Node", "nodes", ("no",), False, ("status",), True, False, ("spec.unschedulable",)),
    ResourceType("", "Pod", "pods", ("po",), True, ("status", "log", "binding"), True, True, _POD_LABELS),
    ResourceType(
        "", "Service", "services", ("svc",), True, ("status",), True, False, ("spec.clusterIP", "spec.type"), "service"
    ),
    ResourceType("", "ConfigMap", "configmaps", ("cm",)),
    ResourceType("", "Secret", "secrets", field_labels=("type",)),
    ResourceType("", "ServiceAccount", "serviceaccounts", ("sa",), subresources=("token",)),
    ResourceType("", "PersistentVolumeClaim", "persistentvolumeclaims", ("pvc",), True, ("status",), True),
    ResourceType("", "Event", "events", ("ev",), field_labels=(*_EVENT_LABELS, "reason", "source", "type")),
    ResourceType("apps", "Deployment", "deployments", ("deploy",), True, ("status", "scale"), True, True),
    ResourceType(
        "apps", "ReplicaSet", "replicasets", ("rs",), True, ("status", "scale"), True, True, ("status.replicas",)
    ),
    ResourceType(RBAC, "Role", "roles", name_rule="path"),
    ResourceType(RBAC, "RoleBinding", "rolebindings", name_rule="path"),
    ResourceType(RBAC, "ClusterRole", "clusterroles", namespaced=False, name_rule="path"),
    ResourceType(RBAC, "ClusterRoleBinding", "clusterrolebindings", namespaced=False, name_rule="path"),
    ResourceType("networking.k8s.io", "NetworkPolicy", "networkpolicies", ("netpol",), counts_generation=True),
)

GROUPS: tuple[str, ...] = tuple(dict.fromkeys(resource.group for resource in RESOURCES))
BY_PATH = {(resource.group, resource.plural): resource for resource in RESOURCES}
BY_KEY = {resource.key: resource for resource in RESOURCES}


def resource(key: str) -> ResourceType:
    """The resource type with this key, such as ``pods`` or ``apps/deployments``."""
    return BY_KEY[key]
