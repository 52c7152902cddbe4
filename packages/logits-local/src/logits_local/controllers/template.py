"""Pod templates: their hash, and the ReplicaSet and Pod manifests that are made from them."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from logits_local.controllers.objects import name, namespace, part, uid
from logits_shell.kubernetes.resources import KubernetesObject

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_HASH_LENGTH = 10


def template_hash(template: KubernetesObject) -> str:
    """A short name of a pod template: equal templates have equal hashes."""
    canonical = json.dumps(template, sort_keys=True, separators=(",", ":")).encode()
    number = int.from_bytes(hashlib.sha256(canonical).digest()[:8], "big")
    letters: list[str] = []
    for _ in range(_HASH_LENGTH):
        number, place = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[place])
    return "".join(letters)


def owner_reference(owner: KubernetesObject) -> dict[str, Any]:
    """The reference by which an object says that ``owner`` controls it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name(owner),
        "uid": uid(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def replica_set_manifest(deployment: KubernetesObject, revision: int, replicas: int) -> KubernetesObject:
    """The ReplicaSet for a Deployment's present template."""
    spec = deployment["spec"]
    template = copy.deepcopy(spec["template"])
    digest = template_hash(spec["template"])
    labels = {**part(template, "metadata").get("labels", {}), HASH_LABEL: digest}
    template.setdefault("metadata", {})["labels"] = labels
    selector = copy.deepcopy(spec["selector"])
    selector["matchLabels"] = {**selector.get("matchLabels", {}), HASH_LABEL: digest}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name(deployment)}-{digest}",
            "namespace": namespace(deployment),
            "labels": labels,
            "annotations": {REVISION: str(revision)},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            "selector": selector,
            "template": template,
        },
    }


def pod_manifest(replica_set: KubernetesObject) -> KubernetesObject:
    """A pod of a ReplicaSet; the API server completes its name."""
    template = copy.deepcopy(replica_set["spec"]["template"])
    metadata = part(template, "metadata")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{name(replica_set)}-",
            "namespace": namespace(replica_set),
            "labels": part(metadata, "labels"),
            "annotations": part(metadata, "annotations"),
            "ownerReferences": [owner_reference(replica_set)],
        },
        "spec": template["spec"],
    }
