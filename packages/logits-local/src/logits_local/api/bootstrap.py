"""The API server's own background work: namespaces' furniture, system roles and garbage."""

from __future__ import annotations

import asyncio
import contextlib

from logits_local.api.errors import StatusError
from logits_local.api.removal import Remover, needs_sweep
from logits_local.api.resources import RBAC, Object, Target, resource
from logits_local.api.store import Change, Store
from logits_local.api.writes import WriteOptions, Writer

MANAGER = WriteOptions("logits-local")
NAMESPACES = ("default", "kube-system", "logits", "logits-vendor")
_DISCOVERY = ["/api", "/api/*", "/apis", "/apis/*", "/version", "/version/"]
_HEALTH = ["/healthz", "/livez", "/readyz"]
_ISSUER = [
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/",
    "/openid/v1/jwks",
    "/openid/v1/jwks/",
]

CLUSTER_ROLES: dict[str, list[Object]] = {
    "cluster-admin": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["*"], "nonResourceURLs": ["*"]},
    ],
    "system:discovery": [{"verbs": ["get"], "nonResourceURLs": [*_DISCOVERY, *_HEALTH]}],
    "system:public-info-viewer": [{"verbs": ["get"], "nonResourceURLs": [*_HEALTH, "/version", "/version/"]}],
    "system:service-account-issuer-discovery": [{"verbs": ["get"], "nonResourceURLs": _ISSUER}],
}
"""The roles that Kubernetes makes for itself and that Logits or kubectl lean on."""

CLUSTER_ROLE_BINDINGS: dict[str, tuple[str, ...]] = {
    "cluster-admin": ("system:masters",),
    "system:discovery": ("system:authenticated",),
    "system:public-info-viewer": ("system:authenticated", "system:unauthenticated"),
    "system:service-account-issuer-discovery": ("system:serviceaccounts",),
}
"""Role -> groups that have it."""


class Janitor:
    """Gives the cluster and its namespaces what they come with, and collects what has lost its owner.

    Works after changes; idle while nothing changes.

    Args:
        store: the cluster's objects.
        writer: writes them.
        remover: collects garbage.
        authority: the certificate authority, PEM.
    """

    def __init__(self, store: Store, writer: Writer, remover: Remover, authority: str) -> None:
        self._store = store
        self._writer = writer
        self._remover = remover
        self._authority = authority
        self._woken = asyncio.Event()
        self._furnish_cluster()
        store.observe(self._notice)

    def _notice(self, change: Change) -> None:
        if needs_sweep(change) or change.current["kind"] == "Namespace":
            self._woken.set()

    async def run(self) -> None:
        """Tidy until cancelled."""
        while True:
            for namespace in self._store.objects(resource("namespaces")):
                self._furnish(namespace["metadata"]["name"])
            self._remover.sweep()
            await self._woken.wait()
            self._woken.clear()

    def _furnish_cluster(self) -> None:
        for name in NAMESPACES:
            self._ensure("namespaces", "", name, {})
            self._furnish(name)
        for name, rules in CLUSTER_ROLES.items():
            self._ensure(f"{RBAC}/clusterroles", "", name, {"rules": rules})
        for name, groups in CLUSTER_ROLE_BINDINGS.items():
            reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
            subjects = [{"apiGroup": RBAC, "kind": "Group", "name": group} for group in groups]
            self._ensure(f"{RBAC}/clusterrolebindings", "", name, {"roleRef": reference, "subjects": subjects})

    def _furnish(self, namespace: str) -> None:
        """Make the default ServiceAccount and the authority's ConfigMap of a namespace."""
        self._ensure("serviceaccounts", namespace, "default", {})
        self._ensure("configmaps", namespace, "kube-root-ca.crt", {"data": {"ca.crt": self._authority}})

    def _ensure(self, key: str, namespace: str, name: str, body: Object) -> None:
        kind = resource(key)
        if self._store.get(kind, namespace, name) is not None:
            return
        with contextlib.suppress(StatusError):  # the namespace is going away
            self._writer.create(Target(kind, namespace), {**body, "metadata": {"name": name}}, MANAGER)
