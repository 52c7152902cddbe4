"""What the API server offers, for clients that ask: groups, resources, version and OpenAPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logits_local.api.authentication import ISSUER
from logits_local.api.resources import GROUPS, RESOURCES, Object, ResourceType
from logits_local.api.schema import FieldType, Schema

KUBERNETES_VERSION = "v1.36.0+logits-local"
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_SUBRESOURCE_KINDS: dict[str, tuple[str, str, str, list[str]]] = {
    "log": ("", "", "", ["get"]),
    "binding": ("", "", "Binding", ["create"]),
    "scale": ("autoscaling", "v1", "Scale", ["get", "patch", "update"]),
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ["create"]),
}
_OPENAPI_SCALARS: dict[str, Object] = {
    "str": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "int": {"type": "integer"},
    "num": {"type": "number"},
    "bool": {"type": "boolean"},
    "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "ios": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    "any": {"type": "object"},
}


def version() -> Object:
    """The ``/version`` document."""
    return {
        "major": "1",
        "minor": "36",
        "gitVersion": KUBERNETES_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "none",
        "platform": "linux/amd64",
    }


def core_versions(address: str) -> Object:
    """The ``/api`` document."""
    here = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": here}


def group(name: str) -> Object:
    """One API group."""
    offered = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [offered], "preferredVersion": offered}


def group_list() -> Object:
    """The ``/apis`` document."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(name) for name in GROUPS if name]}


def resource_list(name: str) -> Object:
    """The resources of one group (``/api/v1`` or ``/apis/GROUP/v1``)."""
    rows = [row for kind in RESOURCES if kind.group == name for row in _rows(kind)]
    version = f"{name}/v1" if name else "v1"
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": rows}


def _rows(kind: ResourceType) -> list[Object]:
    row: Object = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _VERBS,
    }
    if kind.short_names:
        row["shortNames"] = list(kind.short_names)
    if kind.plural in ("pods", "services", "deployments", "replicasets"):
        row["categories"] = ["all"]
    rows = [row]
    for subresource in kind.subresources:
        group_name, group_version, sub_kind, verbs = _SUBRESOURCE_KINDS.get(
            subresource, ("", "", kind.kind, ["get", "patch", "update"])
        )
        extra = {"group": group_name, "version": group_version} if group_name else {}
        head = {"name": f"{kind.plural}/{subresource}", "singularName": "", "namespaced": kind.namespaced}
        rows.append({**head, **extra, "kind": sub_kind or kind.kind, "verbs": verbs})
    return rows


def issuer(jwks_uri: str) -> Object:
    """The OpenID discovery document of ServiceAccount tokens."""
    return {
        "issuer": ISSUER,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def openapi_index() -> Object:
    """The ``/openapi/v3`` document: where each group's document lies."""
    places = [f"apis/{name}/v1" if name else "api/v1" for name in GROUPS]
    return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in places}}


def openapi_document(name: str, schema: Schema) -> Object:
    """One group's OpenAPI document: enough for ``kubectl apply`` and ``kubectl explain``."""
    root = f"/apis/{name}/v1" if name else "/api/v1"
    kinds = [kind for kind in RESOURCES if kind.group == name]
    parameters = [{"name": p, "in": "query", "schema": {"type": "string"}} for p in ("fieldValidation", "dryRun")]
    paths: Object = {}
    schemas: Object = {struct: _struct(fields) for struct, fields in schema.structs.items()}
    for kind in kinds:
        middle = "/namespaces/{namespace}" if kind.namespaced else ""
        identity = {"group": kind.group, "version": "v1", "kind": kind.kind}
        media: Object = {"application/apply-patch+yaml": {}, "application/strategic-merge-patch+json": {}}
        operation: Object = {
            "operationId": f"patch{kind.kind}",
            "parameters": parameters,
            "requestBody": {"content": media},
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-group-version-kind": identity,
        }
        paths[f"{root}{middle}/{kind.plural}/{{name}}"] = {"patch": operation}
        schemas[kind.kind]["x-kubernetes-group-version-kind"] = [identity]
    info = {"title": "Logits embedded cluster", "version": KUBERNETES_VERSION}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _struct(fields: dict[str, FieldType]) -> Object:
    return {"type": "object", "properties": {name: _field(kind) for name, kind in fields.items()}}


def _field(kind: FieldType) -> Object:
    if kind.form == "scalar":
        return _OPENAPI_SCALARS[kind.name]
    if kind.form == "struct":
        return {"allOf": [{"$ref": f"#/components/schemas/{kind.name}"}]}
    if kind.form == "map":
        return {"type": "object", "additionalProperties": _field(kind.element)}
    listed: Object = {"type": "array", "items": _field(kind.element)}
    if kind.keys == ("*",):
        listed |= {"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"}
    elif kind.keys:
        keyed = {"x-kubernetes-list-map-keys": list(kind.keys), "x-kubernetes-list-type": "map"}
        listed |= keyed | {"x-kubernetes-patch-merge-key": kind.keys[0], "x-kubernetes-patch-strategy": "merge"}
    return listed


def document(path: str, address: str, schema: Schema, jwks: Callable[[], Object]) -> Any:
    """The document at a path, or None when nothing is there.

    Args:
        path: the request path.
        address: ``host:port`` of the API server.
        schema: the table of types.
        jwks: the public keys.
    """
    fixed: dict[str, Callable[[], Any]] = {
        "/version": version,
        "/api": lambda: core_versions(address),
        "/apis": group_list,
        "/api/v1": lambda: resource_list(""),
        "/openapi/v3": openapi_index,
        "/openid/v1/jwks": jwks,
        "/.well-known/openid-configuration": lambda: issuer(f"https://{address}/openid/v1/jwks"),
    }
    for name in GROUPS:
        root = f"apis/{name}" if name else "api"
        if name:
            fixed[f"/{root}"] = lambda name=name: {"kind": "APIGroup", "apiVersion": "v1", **group(name)}
            fixed[f"/{root}/v1"] = lambda name=name: resource_list(name)
        fixed[f"/openapi/v3/{root}/v1"] = lambda name=name: openapi_document(name, schema)
    found = fixed.get(path.rstrip("/"))
    return found() if found else None
