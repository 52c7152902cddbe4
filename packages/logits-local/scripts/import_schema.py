"""Distils the field table of the embedded API server from a real cluster's OpenAPI documents.

Reads the documents with ``kubectl get --raw`` (so KUBECONFIG chooses the cluster) and writes
``logits_local/api/schema.json``: one entry per object type, one type expression per field.

Type expressions: ``str int num bool any time quantity ios`` (int or string), ``Name`` (another type),
``=Name`` (a type that has one owner as a whole), ``{}T`` (map), ``={}T`` (map with one owner),
``[]T`` (list with one owner), ``[*]T`` (set), ``[key,key]T`` (list of items told apart by these keys).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

DOCUMENTS = ("api/v1", "apis/apps/v1", "apis/rbac.authorization.k8s.io/v1", "apis/networking.k8s.io/v1")
ROOTS = (
    *("Namespace", "Pod", "Service", "ConfigMap", "Secret", "ServiceAccount", "PersistentVolumeClaim", "Node"),
    *("Event", "Deployment", "ReplicaSet", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    *("NetworkPolicy", "Scale", "TokenRequest", "Binding"),
)
SCALARS = {"string": "str", "integer": "int", "number": "num", "boolean": "bool", "object": "any"}
LEAVES = {"Quantity": "quantity", "IntOrString": "ios", "Time": "time", "MicroTime": "time", "FieldsV1": "any"}

Document = dict[str, Any]


def short(reference: str) -> str:
    """The last part of a schema reference, which is unique among the types that are kept."""
    name = reference.rsplit(".", 1)[-1]
    return "EventV1" if reference.endswith("api.events.v1.Event") else name


def expression(field: Document, schemas: Document) -> str:
    """The type expression of one OpenAPI field."""
    reference = field.get("$ref") or next((part["$ref"] for part in field.get("allOf", [])), None)
    if reference is not None:
        name = short(reference)
        if name in LEAVES:
            return LEAVES[name]
        whole = schemas[reference.rsplit("/", 1)[-1]].get("x-kubernetes-map-type") == "atomic"
        return f"={name}" if whole or field.get("x-kubernetes-map-type") == "atomic" else name
    if field.get("type") == "array":
        kinds = {"map": ",".join(field.get("x-kubernetes-list-map-keys", [])), "set": "*"}
        return f"[{kinds.get(field.get('x-kubernetes-list-type', ''), '')}]{expression(field['items'], schemas)}"
    if "additionalProperties" in field:
        whole = "=" if field.get("x-kubernetes-map-type") == "atomic" else ""
        return f"{whole}{{}}{expression(field['additionalProperties'], schemas)}"
    return SCALARS.get(field.get("type", ""), "any")


def distil(schemas: Document) -> dict[str, dict[str, str]]:
    """The field table of every type reachable from the roots."""
    by_name = {short(name): schema for name, schema in schemas.items()}
    table: dict[str, dict[str, str]] = {}
    pending = list(ROOTS)
    while pending:
        name = pending.pop()
        if name in table or name not in by_name:
            continue
        table[name] = {
            field: expression(schema, schemas) for field, schema in by_name[name].get("properties", {}).items()
        }
        pending += [kind.rsplit("]", 1)[-1].rsplit("}", 1)[-1].lstrip("=") for kind in table[name].values()]
    return dict(sorted(table.items()))


def main() -> None:
    """Read the cluster's documents and write the table."""
    schemas: Document = {}
    for document in DOCUMENTS:
        command = ["kubectl", "get", "--raw", f"/openapi/v3/{document}"]
        raw = subprocess.run(command, check=True, capture_output=True).stdout
        schemas.update(json.loads(raw)["components"]["schemas"])
    target = Path(__file__).parent.parent / "src/logits_local/api/schema.json"
    lines = [f"{json.dumps(name)}: {json.dumps(fields)}" for name, fields in distil(schemas).items()]
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    sys.stdout.write(f"{target}: {len(lines)} types\n")


if __name__ == "__main__":
    main()
