"""What every cluster holds from its first start: namespaces, their furniture and the system roles."""

from __future__ import annotations

from logits_local.api.errors import StatusError
from logits_local.api.resources import RBAC, Object, resource
from logits_local.api.store import Change, Store
from logits_local.api.writes import Target, WriteOptions, Writer

MANAGER = WriteOptions("logits-local")
NAMESPACES = ("default", "kube-system", "kube-public", "logits", "logits-vendor")
_DISCOVERY = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/"]
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


class Furnisher:
    """Gives the cluster and each of its namespaces what they come with.

    Args:
        store: the cluster's objects.
        writer: writes them.
        authority: the certificate authority, PEM.
    """

    def __init__(self, store: Store, writer: Writer, authority: str) -> None:
        self._store = store
        self._writer = writer
        self._authority = authority

    def furnish_cluster(self) -> None:
        """Make what is missing of the namespaces and system roles."""
        for name in NAMESPACES:
            self._ensure("namespaces", "", name, {})
            self.furnish_namespace(name)
        for name, rules in CLUSTER_ROLES.items():
            self._ensure(f"{RBAC}/clusterroles", "", name, {"rules": rules})
        for name, groups in CLUSTER_ROLE_BINDINGS.items():
            reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
            subjects = [{"apiGroup": RBAC, "kind": "Group", "name": group} for group in groups]
            body: Object = {"roleRef": reference, "subjects": subjects}
            self._ensure(f"{RBAC}/clusterrolebindings", "", name, body)

    def furnish_namespace(self, namespace: str) -> None:
        """Make the default ServiceAccount and the authority's ConfigMap of a namespace."""
        self._ensure("serviceaccounts", namespace, "default", {})
        self._ensure("configmaps", namespace, "kube-root-ca.crt", {"data": {"ca.crt": self._authority}})

    def needs_furniture(self, change: Change) -> str | None:
        """The namespace that a change brought into being, or that lost its furniture."""
        kind, metadata = change.current["kind"], change.current["metadata"]
        if kind == "Namespace" and change.previous is None:
            return metadata["name"]
        furniture = (kind, metadata["name"]) in (("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt"))
        return metadata["namespace"] if furniture and change.deleted else None

    def _ensure(self, key: str, namespace: str, name: str, body: Object) -> None:
        kind = resource(key)
        if self._store.get(kind, namespace, name) is not None:
            return
        try:
            self._writer.create(Target(kind, namespace), {**body, "metadata": {"name": name}}, MANAGER)
        except StatusError as error:
            if error.http_status not in (403, 404):  # the namespace is going away
                raise
