"""What an object must look like before it is stored; every fault is reported with its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec

from logits_local.api.errors import Cause, invalid
from logits_local.api.resources import Object, ResourceType

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
NAME_RULES: dict[str, tuple[re.Pattern[str], int, str]] = {
    "subdomain": (re.compile(rf"{_LABEL}(\.{_LABEL})*"), 253, "a lowercase RFC 1123 subdomain"),
    "label": (re.compile(_LABEL), 63, "a lowercase RFC 1123 label"),
    "service": (re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?"), 63, "a DNS-1035 label that starts with a letter"),
    "path": (re.compile(r"(?!\.{1,2}$)[^/%]+"), 253, "a name without '/' and '%'"),
}
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_QUALIFIED_NAME = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
ANNOTATIONS_LIMIT = 256 * 1024
DATA_LIMIT = 1024 * 1024
_MUTABLE_POD_FIELDS = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")

Causes = Iterator[Cause]


def _required(field: str, message: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value{': ' if message else ''}{message}", field)


def _invalid(field: str, value: Any, message: str) -> Cause:
    shown = msgspec.json.encode(value).decode()
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {message}", field)


def _immutable(field: str, value: Any) -> Cause:
    return _invalid(field, value, "field is immutable")


def _metadata(resource: ResourceType, metadata: Object) -> Causes:
    name = metadata.get("name", "")
    pattern, longest, rule = NAME_RULES[resource.name_rule]
    if not name:
        yield _required("metadata.name", "name or generateName is required")
    elif len(name) > longest or not pattern.fullmatch(name):
        yield _invalid("metadata.name", name, f"must be {rule} of at most {longest} characters")
    yield from _labels(metadata.get("labels", {}))
    if sum(len(k) + len(v) for k, v in metadata.get("annotations", {}).items()) > ANNOTATIONS_LIMIT:
        message = f"Too long: may not be more than {ANNOTATIONS_LIMIT} bytes"
        yield Cause("FieldValueTooLong", message, "metadata.annotations")
    for index, owner in enumerate(metadata.get("ownerReferences", [])):
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                yield _required(f"metadata.ownerReferences[{index}].{key}")


def _labels(labels: dict[str, str]) -> Causes:
    for key, value in labels.items():
        if not _QUALIFIED_NAME.fullmatch(key):
            yield _invalid("metadata.labels", key, "must be a qualified name such as example.com/name")
        if len(value) > 63 or not _LABEL_VALUE.fullmatch(value):
            message = "must be at most 63 of A-Z a-z 0-9 - _ . with alphanumeric ends"
            yield _invalid("metadata.labels", value, message)


def _named_once(items: list[Object], path: str) -> Causes:
    seen: set[str] = set()
    for index, item in enumerate(items):
        name = item.get("name", "")
        if not name:
            yield _required(f"{path}[{index}].name")
        elif name in seen:
            yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{path}[{index}].name")
        seen.add(name)


def _pod_spec(spec: Object, path: str) -> Causes:
    if not spec.get("containers"):
        yield _required(f"{path}.containers")
    volumes: list[Object] = spec.get("volumes", [])
    yield from _named_once(volumes, f"{path}.volumes")
    names = {volume.get("name") for volume in volumes}
    for field in ("initContainers", "containers"):
        containers: list[Object] = spec.get(field, [])
        for index, container in enumerate(containers):
            where = f"{path}.{field}[{index}]"
            if not container.get("image"):
                yield _required(f"{where}.image")
            for i, mount in enumerate(container.get("volumeMounts", [])):
                if mount.get("name") not in names:
                    message = f'Not found: "{mount.get("name", "")}"'
                    yield Cause("FieldValueNotFound", message, f"{where}.volumeMounts[{i}].name")
        yield from _named_once(containers, f"{path}.{field}")
    if spec.get("restartPolicy", "Always") not in ("Always", "OnFailure", "Never"):
        supported = 'supported values: "Always", "OnFailure", "Never"'
        value = spec["restartPolicy"]
        yield Cause("FieldValueNotSupported", f'Unsupported value: "{value}": {supported}', f"{path}.restartPolicy")


def _pod(pod: Object) -> Causes:
    yield from _pod_spec(pod.get("spec", {}), "spec")


def _workload(workload: Object) -> Causes:
    spec: Object = workload.get("spec", {})
    replicas = spec.get("replicas", 1)
    if replicas < 0:
        yield _invalid("spec.replicas", replicas, "must be greater than or equal to 0")
    template: Object = spec.get("template", {})
    selector: Object = spec.get("selector", {})
    labels = template.get("metadata", {}).get("labels", {})
    if not selector:
        yield _required("spec.selector")
    elif any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        yield _invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from _pod_spec(template.get("spec", {}), "spec.template.spec")


def _service(service: Object) -> Causes:
    spec: Object = service.get("spec", {})
    if not spec.get("ports") and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        yield _required("spec.ports")
    for index, port in enumerate(spec.get("ports", [])):
        if not 1 <= port.get("port", 0) <= 65535:
            value = port.get("port", 0)
            yield _invalid(f"spec.ports[{index}].port", value, "must be between 1 and 65535, inclusive")


def _data(value: Object) -> Causes:
    held: Object = value.get("data", {}) | value.get("binaryData", {})
    for key, content in held.items():
        if len(key) > 253 or not _DATA_KEY.fullmatch(key):
            yield _invalid(f"data[{key}]", key, "a valid key consists of alphanumeric characters, '-', '_' or '.'")
        if value["kind"] == "Secret" and not _BASE64.fullmatch(content):
            yield Cause("FieldValueInvalid", "Invalid value: illegal base64 data", f"data[{key}]")
    if sum(map(len, held.values())) > DATA_LIMIT * 4 // 3:
        yield Cause("FieldValueTooLong", f"Too long: may not be more than {DATA_LIMIT} bytes", "data")


def _binding(binding: Object) -> Causes:
    reference: Object = binding.get("roleRef", {})
    if not reference.get("name"):
        yield _required("roleRef.name")
    if reference.get("kind") not in ("Role", "ClusterRole"):
        kind = reference.get("kind", "")
        supported = 'supported values: "Role", "ClusterRole"'
        yield Cause("FieldValueNotSupported", f'Unsupported value: "{kind}": {supported}', "roleRef.kind")


def _claim(claim: Object) -> Causes:
    spec: Object = claim.get("spec", {})
    if not spec.get("accessModes"):
        yield _required("spec.accessModes", "at least 1 access mode is required")
    if "storage" not in spec.get("resources", {}).get("requests", {}):
        yield _required("spec.resources[storage]")


RULES: dict[str, Callable[[Object], Causes]] = {
    "Pod": _pod,
    "Deployment": _workload,
    "ReplicaSet": _workload,
    "Service": _service,
    "ConfigMap": _data,
    "Secret": _data,
    "PersistentVolumeClaim": _claim,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
}


def _unchanged(old: Object, new: Object) -> Causes:
    kind = new["kind"]
    for field in IMMUTABLE.get(kind, ()):
        section, _, name = field.rpartition(".")
        before, after = (value.get(section, {}) if section else value for value in (old, new))
        if before.get(name) != after.get(name):
            yield _immutable(field, after.get(name))
    if kind in ("ConfigMap", "Secret") and old.get("immutable"):
        for name in ("data", "binaryData"):
            if old.get(name) != new.get(name):
                yield Cause("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", name)
    if kind == "Pod" and _frozen_pod(old["spec"]) != _frozen_pod(new["spec"]):
        fields = (
            "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`"
        )
        yield Cause("FieldValueForbidden", f"Forbidden: pod updates may not change fields other than {fields}", "spec")


IMMUTABLE = {
    "Deployment": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "Service": ("spec.clusterIP",),
    "Secret": ("type",),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.storageClassName", "spec.volumeName"),
}


def _frozen_pod(spec: Object) -> Object:
    frozen = {name: value for name, value in spec.items() if name not in _MUTABLE_POD_FIELDS}
    for field in ("containers", "initContainers"):
        containers = cast("list[Object]", spec.get(field, []))
        frozen[field] = [{**container, "image": ""} for container in containers]
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
        if old["metadata"]["uid"] != value["metadata"].get("uid"):
            causes.append(_immutable("metadata.uid", value["metadata"].get("uid")))
        causes += _unchanged(old, value)
    if causes:
        raise invalid(resource.kind, resource.group, value["metadata"].get("name", ""), causes)
