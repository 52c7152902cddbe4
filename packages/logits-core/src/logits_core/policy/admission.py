"""Admission: the body of a write, checked against the tables and against what this cluster allows now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy import strictjson
from logits_core.policy.authorise import check_name
from logits_core.policy.denial import DenialError
from logits_core.policy.objects import DELETE_OPTIONS, MERGE_PATCHES, OBJECTS
from logits_core.policy.pods import GPU, OUR_MARKS
from logits_core.policy.request import RequestInfo
from logits_core.policy.rules import CONTROLLER, GATEWAY, Rule
from logits_core.policy.shapes import Shape, ShapeError
from logits_core.reconcile.state import Customizations

COMPONENT_LABEL = "logits.ai/component"
INGRESS_PROXY = "ingress-proxy"
PART_OF = ("app.kubernetes.io/part-of", "logits")
JSON_TYPE = "application/json"
APPLY_TYPE = "application/apply-patch+yaml"
MERGE_TYPE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Limits:
    """What admission needs to know about this cluster at this moment.

    Attributes:
        namespace: the release's namespace.
        images: for each component, the image references that may run it now.
        customizations: the customer's limits.
    """

    namespace: str
    images: Mapping[str, frozenset[str]]
    customizations: Customizations = field(default_factory=Customizations)


class CheckedBody(msgspec.Struct, frozen=True):
    """A body that passed: what is sent upstream, and the object it stands for."""

    content: bytes
    content_type: str
    value: Any


def admit(
    rule: Rule, caller: str, request: RequestInfo, *, content_type: str, body: bytes, limits: Limits
) -> CheckedBody | None:
    """Check the body of a request that ``authorise`` allowed.

    Args:
        rule: the row that allowed it.
        caller: the component that asks.
        request: the parsed request.
        content_type: the media type as sent.
        body: the bytes as sent.
        limits: what the cluster allows now.

    Returns:
        The body as it is to be sent on, re-serialised from what was checked; None for reads.

    Raises:
        LogitsError: MALFORMED, TOO_LARGE or UNSUPPORTED_MEDIA_TYPE.
        DenialError: the policy refuses what it says.
    """
    if not request.mutates:
        if body:
            raise LogitsError(ErrorCode.MALFORMED, "a read has no body; leave it out", field="body")
        return None
    if request.verb == "delete" and not body:
        return None
    media_type = _media_type(request, content_type)
    value, content = strictjson.rewritten(body)
    if request.verb == "delete":
        _check_shape(DELETE_OPTIONS, value)
    elif media_type == MERGE_TYPE:
        _check_merge_patch(request, value)
    else:
        _check_object(rule, caller, request, value, limits)
    return CheckedBody(content, media_type, value)


def _media_type(request: RequestInfo, content_type: str) -> str:
    media_type = content_type.partition(";")[0].strip().lower()
    allowed = (APPLY_TYPE, MERGE_TYPE) if request.verb == "patch" else (JSON_TYPE,)
    if not media_type and request.verb != "patch":
        return JSON_TYPE  # as the API server takes it; Kubernetes' own Python client says nothing
    if media_type not in allowed:
        raise LogitsError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            f"send the body as {' or '.join(allowed)} (JSON in each case)",
            field="content-type",
        )
    return media_type


def _check_shape(shape: Shape | None, value: Any) -> None:
    if shape is None:
        raise DenialError("body-patch", "this kind can't be written in this way")
    try:
        shape(value, "")
    except ShapeError as error:
        raise DenialError(error.rule or "body-fields", error.why, field=error.path) from None


def _check_merge_patch(request: RequestInfo, value: Any) -> None:
    shape = MERGE_PATCHES.get((request.group, request.resource))
    try:
        _check_shape(shape, value)
    except DenialError as error:
        if error.rule != "body-fields":
            raise
        raise DenialError(
            "body-patch",
            f"{error.field} can't be merge-patched; apply the whole object instead",
            field=error.field,
        ) from None


def _check_object(rule: Rule, caller: str, request: RequestInfo, value: Any, limits: Limits) -> None:
    _check_shape(OBJECTS.get((request.group, request.resource)), value)
    metadata = value["metadata"]
    if metadata.get("namespace", request.namespace) != request.namespace:
        raise DenialError("body-identity", "the namespace differs from the path's", field="metadata.namespace")
    if request.name and metadata["name"] != request.name:
        raise DenialError("body-identity", "the name differs from the path's", field="metadata.name")
    check_name(rule, caller, request.resource, metadata["name"])
    if request.resource == "deployments":
        check_template(caller, value["spec"]["template"], limits, "spec.template")


def check_template(caller: str, template: Mapping[str, Any], limits: Limits, path: str) -> None:
    """Check who may run which image, and the customer's limits, on a template of the right shape.

    Raises:
        DenialError: naming the field below ``path``.
    """
    labels: dict[str, str] = template["metadata"]["labels"]
    component = labels.get(COMPONENT_LABEL, "")
    label_path = f"{path}.metadata.labels.{COMPONENT_LABEL}"
    # The label names the caller in later requests, so nobody may give out an identity above its own.
    mine = component == CONTROLLER if caller == GATEWAY else component not in (CONTROLLER, GATEWAY, "")
    if not mine or component not in limits.images:
        raise DenialError("pod-component", f"{caller} may not run pods of component {component!r}", field=label_path)
    if labels.get(PART_OF[0]) != PART_OF[1]:
        raise DenialError("pod-component", f"must be {PART_OF[1]!r}", field=f"{path}.metadata.labels.{PART_OF[0]}")
    spec: dict[str, Any] = template["spec"]
    _check_secrets(spec, component, path)
    _check_images(spec, component, limits.images[component], path)
    _check_limits(template, limits.customizations, path)


def _check_secrets(spec: Mapping[str, Any], component: str, path: str) -> None:
    for index, volume in enumerate(cast("list[dict[str, Any]]", spec.get("volumes") or [])):
        if "secret" in volume and component != INGRESS_PROXY:
            raise DenialError(
                "pod-volumes",
                f"only {INGRESS_PROXY} may read the Secret that the customer made for it",
                field=f"{path}.spec.volumes[{index}].secret",
            )


def _check_images(spec: Mapping[str, Any], component: str, allowed: frozenset[str], path: str) -> None:
    if not spec["containers"]:
        raise DenialError("body-fields", "at least one container is required", field=f"{path}.spec.containers")
    for group in ("containers", "initContainers"):
        for index, container in enumerate(cast("list[dict[str, Any]]", spec.get(group) or [])):
            if container["image"] not in allowed:
                raise DenialError(
                    "pod-image-signed",
                    f"the release in force signs another image for component {component}",
                    field=f"{path}.spec.{group}[{index}].image",
                )


def _check_limits(template: Mapping[str, Any], customer: Customizations, path: str) -> None:
    pairs: tuple[tuple[str, Mapping[str, str], Mapping[str, str]], ...] = (
        ("metadata.labels", template["metadata"]["labels"], customer.labels),
        ("metadata.annotations", template["metadata"].get("annotations") or {}, customer.annotations),
        ("spec.nodeSelector", template["spec"].get("nodeSelector") or {}, customer.node_selector),
    )
    for place, given, wanted in pairs:
        for key, value in wanted.items():
            if given.get(key) != value:
                raise DenialError("pod-limits", f"the customer requires {value!r}", field=f"{path}.{place}.{key}")
    _check_marks(pairs[:2], path)
    for index, toleration in enumerate(template["spec"].get("tolerations") or []):
        if toleration.get("key") != GPU and toleration not in customer.tolerations:
            raise DenialError(
                "pod-limits",
                "the customer allows no such toleration",
                field=f"{path}.spec.tolerations[{index}]",
            )


def _check_marks(pairs: tuple[tuple[str, Mapping[str, str], Mapping[str, str]], ...], path: str) -> None:
    """Meshes, cloud identities and sandboxes are steered by marks of pods: only ours and the customer's pass."""
    for place, given, wanted in pairs:
        for key in given:
            if key not in wanted and not re.fullmatch(OUR_MARKS, key):
                raise DenialError(
                    "foreign-marks",
                    "other software may act on it; the customer can ask for it in the chart's values",
                    field=f"{path}.{place}.{key[:80]}",
                )
