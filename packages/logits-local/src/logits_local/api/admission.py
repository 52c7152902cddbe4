"""Rules about an object that look at other objects: its namespace, ServiceAccount and cluster address."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator

from logits_local.api.errors import forbidden, not_found
from logits_local.api.resources import Object, ResourceType, resource
from logits_local.api.store import Store

CLUSTER_NETWORK = ipaddress.IPv4Network("127.96.0.0/16")
"""Where Services get their cluster addresses: loopback, so that any local process can reach them."""

_FIRST_ADDRESS = 16
_TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path, no secret
_KEPT = {
    "services": ("clusterIP", "clusterIPs"),
    "pods": ("volumes", "nodeName"),
    "persistentvolumeclaims": ("volumeName",),
}
"""Fields of the specification that only the server sets, and that a replacing client may leave out."""


def require_namespace(store: Store, kind: ResourceType, namespace: str, name: str) -> None:
    """Refuse to create in a namespace that is missing or going away.

    Raises:
        StatusError: NotFound or Forbidden.
    """
    if not kind.namespaced:
        return
    found = store.get(resource("namespaces"), "", namespace)
    if found is None:
        raise not_found("namespaces", "", namespace)
    if "deletionTimestamp" in found["metadata"]:
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise forbidden(kind.plural, kind.group, name, why)


def admit_creation(store: Store, kind: ResourceType, value: Object, suffix: str) -> None:
    """Complete a new object from the rest of the cluster, in place.

    Args:
        store: the cluster's objects.
        kind: the object's type.
        value: the object after defaulting.
        suffix: random letters for generated names.

    Raises:
        StatusError: when the cluster does not allow the object.
    """
    if kind.key == "pods":
        _admit_pod(store, value, suffix)
    elif kind.key == "services" and "clusterIP" not in value["spec"]:
        taken = {other["spec"].get("clusterIP") for other in store.objects(kind)}
        free = next(address for address in _candidates(str(value["metadata"]["uid"])) if address not in taken)
        value["spec"].update(clusterIP=free, clusterIPs=[free])


def admit_update(kind: ResourceType, old: Object, value: Object) -> None:
    """Carry over what only the API server sets, in place."""
    for name in _KEPT.get(kind.key, ()):
        if name in old["spec"]:
            value["spec"].setdefault(name, old["spec"][name])


def _admit_pod(store: Store, pod: Object, suffix: str) -> None:
    """Require the Pod's account and mount its token, the authority and the namespace at the usual place."""
    namespace, spec = pod["metadata"]["namespace"], pod["spec"]
    account_name = spec["serviceAccountName"]
    account = store.get(resource("serviceaccounts"), namespace, account_name)
    if account is None:
        missing = f'serviceaccount "{account_name}" not found'
        why = f"error looking up service account {namespace}/{account_name}: {missing}"
        raise forbidden("pods", "", pod["metadata"].get("name", ""), why)
    if not spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True)):
        return
    volume = f"kube-api-access-{suffix}"
    for container in spec.get("containers", []):
        mount = {"name": volume, "readOnly": True, "mountPath": _TOKEN_DIRECTORY}
        container.setdefault("volumeMounts", []).append(mount)
    own_namespace = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources: list[Object] = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": own_namespace}]}},
    ]
    projected = {"sources": sources, "defaultMode": 0o644}
    spec.setdefault("volumes", []).append({"name": volume, "projected": projected})


def _candidates(uid: str) -> Iterator[str]:
    """Every usable address, from a place that the uid decides.

    Several clusters may run on one machine and share its loopback network: they mustn't all begin
    with the same addresses.
    """
    size = CLUSTER_NETWORK.num_addresses
    start = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4], "big")
    for offset in range(size):
        index = (start + offset) % size
        if _FIRST_ADDRESS <= index < size - 1:
            yield str(CLUSTER_NETWORK[index])
