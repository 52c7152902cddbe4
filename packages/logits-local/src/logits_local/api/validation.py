"""What an object must look like before it is stored; every fault is reported with its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec

from logits_local.api.errors import Cause, invalid
from logits_local.api.resources import RBAC, Object, ResourceType

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMES = (re.compile(rf"{_LABEL}(\.{_LABEL})*"), "a lowercase RFC 1123 subdomain")
_PATH_NAMES = (re.compile(r"(?!\.{1,2}$)[^/%]+"), "a name without '/' and '%'")
_LONGEST_NAME = 253
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")

Causes = Iterator[Cause]


def _required(field: str) -> Cause:
    return Cause("FieldValueRequired", "Required value", field)


def _invalid(field: str, value: Any, message: str) -> Cause:
    shown = msgspec.json.encode(value).decode()
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {message}", field)


def _metadata(resource: ResourceType, metadata: Object) -> Causes:
    name = metadata.get("name", "")
    pattern, rule = _PATH_NAMES if resource.group == RBAC else _NAMES
    if not name:
        yield Cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")
    elif len(name) > _LONGEST_NAME or not pattern.fullmatch(name):
        yield _invalid("metadata.name", name, f"must be {rule} of at most {_LONGEST_NAME} characters")
    for value in metadata.get("labels", {}).values():
        if len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
            message = "must be at most 63 of A-Z a-z 0-9 - _ . with alphanumeric ends"
            yield _invalid("metadata.labels", value, message)
    for index, owner in enumerate(metadata.get("ownerReferences", [])):
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                yield _required(f"metadata.ownerReferences[{index}].{key}")


def _pod_spec(spec: Object, path: str) -> Causes:
    if not spec.get("containers"):
        yield _required(f"{path}.containers")
    volumes = {volume.get("name") for volume in spec.get("volumes", [])}
    seen: set[str] = set()
    for index, container in enumerate(cast("list[Object]", spec.get("containers", []))):
        where, name = f"{path}.containers[{index}]", container.get("name", "")
        for field in ("name", "image"):
            if not container.get(field):
                yield _required(f"{where}.{field}")
        if name in seen:
            yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{where}.name")
        seen.add(name)
        for i, mount in enumerate(container.get("volumeMounts", [])):
            if mount.get("name") not in volumes:
                message = f'Not found: "{mount.get("name", "")}"'
                yield Cause("FieldValueNotFound", message, f"{where}.volumeMounts[{i}].name")


def _pod(pod: Object) -> Causes:
    yield from _pod_spec(pod["spec"], "spec")


def _workload(workload: Object) -> Causes:
    spec: Object = workload["spec"]
    if spec["replicas"] < 0:
        yield _invalid("spec.replicas", spec["replicas"], "must be greater than or equal to 0")
    selector: Object = spec.get("selector", {})
    labels = spec["template"].get("metadata", {}).get("labels", {})
    if not selector:
        yield _required("spec.selector")
    elif any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        yield _invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from _pod_spec(spec["template"]["spec"], "spec.template.spec")


def _service(service: Object) -> Causes:
    if not service["spec"].get("ports") and service["spec"].get("clusterIP") != "None":
        yield _required("spec.ports")


def _data(value: Object) -> Causes:
    for key in {**value.get("data", {}), **value.get("binaryData", {})}:
        if not _DATA_KEY.fullmatch(key):
            yield _invalid(f"data[{key}]", key, "a valid key consists of alphanumeric characters, '-', '_' or '.'")


RULES: dict[str, Callable[[Object], Causes]] = {
    "Pod": _pod,
    "Deployment": _workload,
    "ReplicaSet": _workload,
    "Service": _service,
    "ConfigMap": _data,
    "Secret": _data,
}

IMMUTABLE = {
    "Deployment": "spec.selector",
    "ReplicaSet": "spec.selector",
    "Service": "spec.clusterIP",
    "RoleBinding": "roleRef",
    "ClusterRoleBinding": "roleRef",
}
_POD_MAY_CHANGE = ("tolerations", "terminationGracePeriodSeconds")


def _unchanged(old: Object, new: Object) -> Causes:
    section, _, name = IMMUTABLE.get(new["kind"], ".").rpartition(".")
    before, after = ((value.get(section, {}) if section else value).get(name) for value in (old, new))
    if before != after:
        yield _invalid(f"{section}.{name}".removeprefix("."), after, "field is immutable")
    if new["kind"] == "Pod" and _frozen(old["spec"]) != _frozen(new["spec"]):
        fields = "`spec.containers[*].image`,`spec.tolerations`"
        yield Cause("FieldValueForbidden", f"Forbidden: pod updates may not change fields other than {fields}", "spec")


def _frozen(spec: Object) -> Object:
    """What of a Pod's specification stays for its life."""
    frozen = {name: value for name, value in spec.items() if name not in _POD_MAY_CHANGE}
    frozen["containers"] = [{**container, "image": ""} for container in spec.get("containers", [])]
    return frozen


def validate(resource: ResourceType, value: Object, old: Object | None = None) -> None:
    """Refuse an object that must not be stored.

    Args:
        resource: its type.
        value: the object after defaulting.
        old: what it replaces, when it does.

    Raises:
        StatusError: Invalid with one cause per fault.
    """
    causes = list(_metadata(resource, value["metadata"]))
    if resource.kind in RULES:
        causes += RULES[resource.kind](value)
    if old is not None:
        causes += _unchanged(old, value)
    if causes:
        raise invalid(resource.kind, resource.group, value["metadata"].get("name", ""), causes)
