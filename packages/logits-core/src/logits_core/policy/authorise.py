"""Authorisation: one request against the policy table, before any body is looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product

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
    rows = _ROWS.get((caller, request.verb, request.group, request.resource or request.path), ())
    rule = next((rule for rule in rows if _covers(rule, request, namespace)), None)
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
        if resource in row.resources and caller != row.owner and _NAMES[row.names].fullmatch(name):
            raise DenialError(row.id, row.why, field="metadata.name")


def check_name(rule: Rule, caller: str, resource: str, name: str) -> None:
    """Check the name that a create carries in its body like one from a path.

    Raises:
        DenialError: the rule doesn't cover the name, or it is protected.
    """
    if not _NAMES[rule.names].fullmatch(name) or len(name) > 253:
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


def _covers(rule: Rule, request: RequestInfo, namespace: str) -> bool:
    if request.namespace != ("" if rule.cluster else namespace):
        return False
    name = request.name or request.selected_name
    if not name:
        # A create is named by its body; a list without a name shows every object.
        return request.verb == "create" or rule.names == ANY
    return _NAMES[rule.names].fullmatch(name) is not None


def _by_question() -> Mapping[tuple[str, str, str, str], tuple[Rule, ...]]:
    """The rows of the table, in their order, by caller, verb, group and resource."""
    found: dict[tuple[str, str, str, str], tuple[Rule, ...]] = {}
    for rule in RULES:
        for caller, verb, resource in product(rule.callers, rule.verbs, rule.resources):
            key = (caller, verb, rule.group, resource)
            found[key] = (*found.get(key, ()), rule)
    return found


_ROWS = _by_question()
_NAMES: Mapping[str, re.Pattern[str]] = {row.names: re.compile(row.names) for row in (*RULES, *PROTECTED)}
