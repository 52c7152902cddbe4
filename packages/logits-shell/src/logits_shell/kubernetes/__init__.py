"""The Kubernetes client: plain dictionaries, server-side apply, and caches kept by watches.

async with KubernetesClient("http://logits-gateway:8080/kubernetes", TokenFile(path)) as client:
    pods = Reflector(client, PODS, namespace="logits")
    group.start_soon(pods.run)
    await pods.synced.wait()
"""

from logits_shell.kubernetes.changes import Changes
from logits_shell.kubernetes.client import KubernetesClient, Listing, Propagation
from logits_shell.kubernetes.credentials import (
    ClusterAccess,
    Credentials,
    NoCredentials,
    StaticToken,
    TokenFile,
    in_cluster,
    trust,
)
from logits_shell.kubernetes.errors import Cause, KubernetesError
from logits_shell.kubernetes.events import WatchEvent
from logits_shell.kubernetes.reflector import Key, Reflector, Timing
from logits_shell.kubernetes.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    KNOWN_RESOURCES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICA_SETS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    KubernetesObject,
    Resource,
    resource_of,
)
from logits_shell.kubernetes.session import Limits

__all__ = [
    "CLUSTER_ROLES",
    "CLUSTER_ROLE_BINDINGS",
    "CONFIG_MAPS",
    "DEPLOYMENTS",
    "EVENTS",
    "KNOWN_RESOURCES",
    "NAMESPACES",
    "NETWORK_POLICIES",
    "NODES",
    "PERSISTENT_VOLUME_CLAIMS",
    "PODS",
    "REPLICA_SETS",
    "ROLES",
    "ROLE_BINDINGS",
    "SECRETS",
    "SERVICES",
    "SERVICE_ACCOUNTS",
    "Cause",
    "Changes",
    "ClusterAccess",
    "Credentials",
    "Key",
    "KubernetesClient",
    "KubernetesError",
    "KubernetesObject",
    "Limits",
    "Listing",
    "NoCredentials",
    "Propagation",
    "Reflector",
    "Resource",
    "StaticToken",
    "Timing",
    "TokenFile",
    "WatchEvent",
    "in_cluster",
    "resource_of",
    "trust",
]
