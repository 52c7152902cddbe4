"""Rules about an object that look at other objects: its namespace, ServiceAccount and cluster address."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator

from logits_local.api.errors import Cause, forbidden, invalid, not_found
from logits_local.api.resources import Object, ResourceType, resource
from logits_local.api.store import Store

CLUSTER_NETWORK = ipaddress.IPv4Network("127.96.0.0/16")
"""Where Services get their cluster addresses: loopback, so that any local process can reach them."""

FIRST_ADDRESS = 16
TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path, no secret
_DEFAULT_TOKEN_SECONDS = 3607


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
    elif kind.key == "services":
        _allocate_address(store, value)


def admit_update(kind: ResourceType, old: Object, value: Object) -> None:
    """Carry over what only the API server sets, in place."""
    if kind.key == "services":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if name in old["spec"]:
                value["spec"].setdefault(name, old["spec"][name])
    elif kind.key == "pods":
        for name in ("volumes", "nodeName"):
            if name in old["spec"]:
                value["spec"].setdefault(name, old["spec"][name])
    elif kind.key == "persistentvolumeclaims":
        value["spec"].setdefault("volumeName", old["spec"].get("volumeName"))


def _admit_pod(store: Store, pod: Object, suffix: str) -> None:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"].get("name", "")
    account_name = pod["spec"]["serviceAccountName"]
    pod["spec"]["serviceAccount"] = account_name
    account = store.get(resource("serviceaccounts"), namespace, account_name)
    if account is None:
        missing = f'serviceaccount "{account_name}" not found'
        why = f"error looking up service account {namespace}/{account_name}: {missing}"
        raise forbidden("pods", "", name, why)
    wanted = pod["spec"].get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    if wanted:
        _mount_token(pod["spec"], f"kube-api-access-{suffix}")


def _mount_token(spec: Object, volume: str) -> None:
    """Give every container the token, the authority and the namespace at the usual place."""
    containers = [*spec.get("initContainers", []), *spec.get("containers", [])]
    lacking = [container for container in containers if TOKEN_DIRECTORY not in _mounted(container)]
    for container in lacking:
        mounts = container.setdefault("volumeMounts", [])
        mounts.append({"name": volume, "readOnly": True, "mountPath": TOKEN_DIRECTORY})
    if lacking:
        authority = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
        own_namespace = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
        sources: list[Object] = [
            {"serviceAccountToken": {"expirationSeconds": _DEFAULT_TOKEN_SECONDS, "path": "token"}},
            {"configMap": authority},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": own_namespace}]}},
        ]
        projected = {"sources": sources, "defaultMode": 0o644}
        spec.setdefault("volumes", []).append({"name": volume, "projected": projected})


def _mounted(container: Object) -> Iterator[str]:
    return (mount.get("mountPath", "") for mount in container.get("volumeMounts", []))


def _allocate_address(store: Store, service: Object) -> None:
    spec: Object = service["spec"]
    if spec["type"] == "ExternalName":
        return
    taken = {other["spec"].get("clusterIP") for other in store.objects(resource("services"))}
    wanted = spec.get("clusterIP")
    if wanted is None:
        wanted = next(address for address in _candidates(str(service["metadata"]["uid"])) if address not in taken)
    elif wanted != "None" and (wanted in taken or not _in_network(wanted)):
        message = f'Invalid value: "{wanted}": must be a free address of {CLUSTER_NETWORK}'
        cause = Cause("FieldValueInvalid", message, "spec.clusterIP")
        raise invalid("Service", "", service["metadata"]["name"], [cause])
    spec.update(clusterIP=wanted, clusterIPs=[wanted], ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")


def _candidates(uid: str) -> Iterator[str]:
    """Every usable address, from a place that the uid decides.

    Several clusters may run on one machine and share its loopback network: they mustn't all begin
    with the same addresses.
    """
    size = CLUSTER_NETWORK.num_addresses
    start = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4], "big")
    for offset in range(size):
        index = (start + offset) % size
        if FIRST_ADDRESS <= index < size - 1:
            yield str(CLUSTER_NETWORK[index])


def _in_network(address: str) -> bool:
    try:
        return ipaddress.IPv4Address(address) in CLUSTER_NETWORK
    except ValueError:
        return False
