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
        short_name: what ``kubectl get`` accepts besides.
        namespaced: whether objects live in a namespace.
        subresources: what follows the object's name in a path.
        counts_generation: ``metadata.generation`` counts changes of the specification.
        field_labels: fields that a field selector may name besides the object's name and namespace.
    """

    group: str
    kind: str
    plural: str
    short_name: str = ""
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    counts_generation: bool = False
    field_labels: tuple[str, ...] = ()

    @property
    def has_status(self) -> bool:
        """Whether ``status`` is written only through its subresource."""
        return "status" in self.subresources

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def key(self) -> str:
        """A name that is unique over all groups."""
        return f"{self.group}/{self.plural}" if self.group else self.plural


@dataclass(frozen=True, slots=True)
class Target:
    """Which object a request is about.

    Attributes:
        kind: its type.
        namespace: empty for types that live in none.
        name: empty when the collection is meant.
        subresource: such as ``status``; empty for the object itself.
    """

    kind: ResourceType
    namespace: str = ""
    name: str = ""
    subresource: str = ""


_STATUS = ("status",)
_POD = ("status", "log", "binding")

RESOURCES: tuple[ResourceType, ...] = (
    ResourceType("", "Namespace", "namespaces", "ns", namespaced=False, subresources=_STATUS),
    ResourceType("", "Node", "nodes", "no", namespaced=False, subresources=_STATUS),
    ResourceType("", "Pod", "pods", "po", True, _POD, True, ("spec.nodeName", "status.phase")),
    ResourceType("", "Service", "services", "svc", subresources=_STATUS),
    ResourceType("", "ConfigMap", "configmaps", "cm"),
    ResourceType("", "Secret", "secrets"),
    ResourceType("", "ServiceAccount", "serviceaccounts", "sa", subresources=("token",)),
    ResourceType("", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", subresources=_STATUS),
    ResourceType("apps", "Deployment", "deployments", "deploy", subresources=_STATUS, counts_generation=True),
    ResourceType("apps", "ReplicaSet", "replicasets", "rs", subresources=_STATUS, counts_generation=True),
    ResourceType(RBAC, "Role", "roles"),
    ResourceType(RBAC, "RoleBinding", "rolebindings"),
    ResourceType(RBAC, "ClusterRole", "clusterroles", namespaced=False),
    ResourceType(RBAC, "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
)

GROUPS: tuple[str, ...] = tuple(dict.fromkeys(resource.group for resource in RESOURCES))
BY_PATH = {(resource.group, resource.plural): resource for resource in RESOURCES}
BY_KEY = {resource.key: resource for resource in RESOURCES}


def resource(key: str) -> ResourceType:
    """The resource type with this key, such as ``pods`` or ``apps/deployments``."""
    return BY_KEY[key]
