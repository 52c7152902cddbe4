"""What the API server offers, for clients that ask: groups, resources, version and token issuer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logits_local.api.keys import ISSUER
from logits_local.api.resources import GROUPS, RESOURCES, Object, ResourceType

_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
_SUBRESOURCES: dict[str, tuple[str, list[str]]] = {
    "status": ("", ["get", "patch", "update"]),
    "log": ("", ["get"]),
    "binding": ("Binding", ["create"]),
    "token": ("TokenRequest", ["create"]),
}
"""Subresource -> its kind, where that is another than the resource's, and its verbs."""


def version() -> Object:
    """The ``/version`` document."""
    return {"major": "1", "minor": "36", "gitVersion": "v1.36.0+logits-local", "platform": "linux/amd64"}


def _group_list() -> Object:
    groups: list[Object] = []
    for name in filter(None, GROUPS):
        offered = {"groupVersion": f"{name}/v1", "version": "v1"}
        groups.append({"name": name, "versions": [offered], "preferredVersion": offered})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _resource_list(name: str) -> Object:
    """The resources of one group (``/api/v1`` or ``/apis/GROUP/v1``)."""
    rows = [row for kind in RESOURCES if kind.group == name for row in _rows(kind)]
    version = f"{name}/v1" if name else "v1"
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": rows}


def _rows(kind: ResourceType) -> list[Object]:
    common: Object = {"singularName": kind.kind.lower(), "namespaced": kind.namespaced, "kind": kind.kind}
    rows = [common | {"name": kind.plural, "verbs": _VERBS, "shortNames": [kind.short_name] if kind.short_name else []}]
    for subresource in kind.subresources:
        own, verbs = _SUBRESOURCES[subresource]
        rows.append(common | {"name": f"{kind.plural}/{subresource}", "kind": own or kind.kind, "verbs": verbs})
    return rows


def _issuer(address: str) -> Object:
    """The OpenID discovery document of ServiceAccount tokens."""
    return {
        "issuer": ISSUER,
        "jwks_uri": f"https://{address}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def document(path: str, address: str, jwks: Callable[[], Object]) -> Any:
    """The document at a path, or None when nothing is there.

    Args:
        path: the request path.
        address: ``host:port`` of the API server.
        jwks: the public keys.
    """
    documents: dict[str, Callable[[], Any]] = {
        "/version": version,
        "/api": lambda: {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": _group_list,
        "/openid/v1/jwks": jwks,
        "/.well-known/openid-configuration": lambda: _issuer(address),
    }
    for name in GROUPS:
        documents[f"/apis/{name}/v1" if name else "/api/v1"] = lambda name=name: _resource_list(name)
    found = documents.get(path.rstrip("/"))
    return found() if found else None
