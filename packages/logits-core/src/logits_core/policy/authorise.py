"""Authorisation: one request against the policy table, before any body is looked at."""

from __future__ import annotations

import re

from logits_core.policy.denial import DenialError
from logits_core.policy.request import RequestInfo
from logits_core.policy.rules import (
    ANY,
    COLLECTIONS,
    DEFAULT_DENY,
    PROTECTED,
    ROUTES,
    RULES,
    SUBRESOURCES,
    Route,
    Rule,
)


def authorise(caller: str, request: RequestInfo, *, namespace: str) -> Rule:
    """Find the rule that allows a request, before its body is looked at.

    Args:
        caller: component that the token proved.
        request: what it asks for.
        namespace: the release's namespace, the only one that is ever touched.

    Raises:
        DenialError: no rule allows it, or the object is protected.
    """
    if request.subresource:
        raise DenialError(SUBRESOURCES, f"the subresource {request.subresource!r} is not offered")
    if request.verb == "deletecollection":
        raise DenialError(COLLECTIONS, "delete objects one at a time, by name")
    rule = next((rule for rule in RULES if _matches(rule, caller, request, namespace)), None)
    if rule is None:
        what = f"{request.verb} {request.resource or request.path}"
        where = f" in namespace {request.namespace}" if request.namespace else ""
        raise DenialError(DEFAULT_DENY, f"no rule lets {caller} {what}{where}")
    if request.mutates and request.name:
        check_protected(caller, request.resource, request.name)
    return rule


def check_protected(caller: str, resource: str, name: str) -> None:
    """Refuse changes to objects that belong to somebody else.

    Raises:
        DenialError: the object is protected.
    """
    for row in PROTECTED:
        if resource in row.resources and re.fullmatch(row.names, name) and caller != row.owner:
            raise DenialError(row.id, row.why, field="metadata.name")


def check_name(rule: Rule, caller: str, resource: str, name: str) -> None:
    """Check the name that a create carries in its body like one from a path.

    Raises:
        DenialError: the rule doesn't cover the name, or it is protected.
    """
    if not re.fullmatch(rule.names, name) or len(name) > 253:
        raise DenialError(rule.id, f"the name must match {rule.names}", field="metadata.name")
    check_protected(caller, resource, name)


def authorise_route(caller: str, method: str, path: str) -> Route:
    """Find the row that allows a call of the Gateway's own API.

    Raises:
        DenialError: the caller may not use this route.
    """
    for row in ROUTES:
        if row.method == method and re.fullmatch(row.path, path):
            if caller in row.callers:
                return row
            raise DenialError(row.id, f"only {' and '.join(row.callers)} may use this")
    raise DenialError(DEFAULT_DENY, "no rule knows this route")


def is_offered(method: str, path: str) -> bool:
    """Whether any row of the Gateway's own API is about this method and path."""
    return any(row.method == method and re.fullmatch(row.path, path) for row in ROUTES)


def _matches(rule: Rule, caller: str, request: RequestInfo, namespace: str) -> bool:
    if caller not in rule.callers or request.verb not in rule.verbs:
        return False
    if (request.resource or request.path) not in rule.resources or request.group != rule.group:
        return False
    if request.namespace != ("" if rule.cluster else namespace):
        return False
    name = request.name or request.selected_name
    if not name:
        # A create is named by its body; a list without a name shows every object.
        return request.verb == "create" or rule.names == ANY
    return re.fullmatch(rule.names, name) is not None
