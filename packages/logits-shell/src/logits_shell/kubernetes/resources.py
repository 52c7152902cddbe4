"""Addresses of Kubernetes resources, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

KubernetesObject = dict[str, Any]
"""A Kubernetes object exactly as the API server sends it: decoded JSON, never a model class."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object and where the API server keeps it.

    Attributes:
        api_version: group and version, for example ``v1`` or ``apps/v1``.
        plural: the name in the path, for example ``deployments``.
        kind: the name in the object's ``kind`` field.
        namespaced: whether objects live in a namespace.
    """

    api_version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; the core group is the empty string."""
        return self.api_version.rpartition("/")[0]

    def path(self, *, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The request path; without a namespace a namespaced resource means all namespaces.

        Raises:
            ValueError: when a name is asked for without the namespace it lives in.
        """
        if self.namespaced and name is not None and not namespace:
            raise ValueError(f"{self.kind} {name!r} lives in a namespace; name the namespace too")
        parts = ["apis" if self.group else "api", self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource is not None:
            parts.append(subresource)
        return "/" + "/".join(parts)


NAMESPACES = Resource("v1", "namespaces", "Namespace", namespaced=False)
NODES = Resource("v1", "nodes", "Node", namespaced=False)
PODS = Resource("v1", "pods", "Pod")
SERVICES = Resource("v1", "services", "Service")
CONFIG_MAPS = Resource("v1", "configmaps", "ConfigMap")
SECRETS = Resource("v1", "secrets", "Secret")
SERVICE_ACCOUNTS = Resource("v1", "serviceaccounts", "ServiceAccount")
PERSISTENT_VOLUME_CLAIMS = Resource("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
EVENTS = Resource("v1", "events", "Event")
DEPLOYMENTS = Resource("apps/v1", "deployments", "Deployment")
REPLICA_SETS = Resource("apps/v1", "replicasets", "ReplicaSet")
ROLES = Resource("rbac.authorization.k8s.io/v1", "roles", "Role")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES = Resource("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Resource(
    "rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
NETWORK_POLICIES = Resource("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy")

KNOWN_RESOURCES: tuple[Resource, ...] = (
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    CONFIG_MAPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    PERSISTENT_VOLUME_CLAIMS,
    EVENTS,
    DEPLOYMENTS,
    REPLICA_SETS,
    ROLES,
    ROLE_BINDINGS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    NETWORK_POLICIES,
)


def resource_of(manifest: KubernetesObject) -> Resource:
    """The resource that a manifest's apiVersion and kind name.

    Raises:
        ValueError: when Logits knows no such kind.
    """
    for resource in KNOWN_RESOURCES:
        if (resource.api_version, resource.kind) == (manifest.get("apiVersion"), manifest.get("kind")):
            return resource
    raise ValueError(f"unknown kind {manifest.get('apiVersion')!r} {manifest.get('kind')!r}")
