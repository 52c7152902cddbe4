"""What no rule allows is denied, and protected objects stay their owner's."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.policy import CALLERS, DenialError, authorise, authorise_route, parse, policy_digest
from logits_core.policy.rules import BODY_RULES, PROTECTED, ROUTES, RULES

APPS = "/apis/apps/v1/namespaces/logits"
CORE = "/api/v1/namespaces/logits"


def decide(caller: str, method: str, path: str, query: str = "") -> str:
    """The id of the deciding rule, with a minus when it denies."""
    try:
        return authorise(caller, parse(method, path, query), namespace="logits").id
    except DenialError as denial:
        assert denial.rule in denial.message
        return "-" + denial.rule


@pytest.mark.parametrize(
    ("caller", "method", "path", "rule"),
    [
        ("controller", "PATCH", f"{APPS}/deployments/logits-console", "controller-deployments-write"),
        ("controller", "POST", f"{APPS}/deployments", "controller-deployments-write"),
        ("controller", "DELETE", f"{CORE}/pods/logits-llm-a-1", "controller-pods-delete"),
        ("controller", "GET", "/api/v1/nodes", "controller-nodes-read"),
        ("controller", "GET", "/version", "controller-discovery-read"),
        ("controller", "PATCH", f"{APPS}/deployments/logits-gateway", "-protect-gateway"),
        ("controller", "DELETE", f"{CORE}/pods/logits-gateway-5d4f-x", "-protect-gateway"),
        ("controller", "PATCH", f"{CORE}/configmaps/logits-customizations", "-protect-environment"),
        ("controller", "PATCH", f"{CORE}/secrets/logits-environment", "-protect-environment"),
        ("controller", "DELETE", f"{CORE}/configmaps/logits-anchor", "-protect-environment"),
        ("controller", "PATCH", f"{APPS}/deployments/logits-controller", "-protect-controller"),
        ("controller", "PATCH", f"{APPS}/deployments/other", "-default-deny"),
        ("controller", "DELETE", f"{CORE}/persistentvolumeclaims/logits-entity-db", "-default-deny"),
        ("controller", "DELETE", f"{CORE}/pods", "-no-deletecollection"),
        ("controller", "DELETE", f"{CORE}/secrets", "-no-deletecollection"),
        ("controller", "POST", f"{CORE}/pods", "-default-deny"),
        ("controller", "GET", f"{CORE}/secrets/logits-environment", "-default-deny"),
        ("controller", "GET", f"{CORE}/secrets", "-default-deny"),
        ("controller", "GET", "/api/v1/namespaces/kube-system/pods", "-default-deny"),
        ("controller", "GET", "/api/v1/pods", "-default-deny"),
        ("controller", "GET", f"{CORE}/pods/a/log", "-no-subresources"),
        ("controller", "GET", f"{CORE}/pods/a/exec", "-no-subresources"),
        ("controller", "POST", f"{CORE}/pods/a/exec", "-no-subresources"),
        ("controller", "POST", f"{CORE}/pods/a/attach", "-no-subresources"),
        ("controller", "POST", f"{CORE}/pods/a/portforward", "-no-subresources"),
        ("controller", "GET", f"{CORE}/services/a/proxy", "-no-subresources"),
        ("controller", "PATCH", f"{CORE}/pods/a/ephemeralcontainers", "-no-subresources"),
        ("controller", "POST", f"{CORE}/serviceaccounts/logits-gateway/token", "-no-subresources"),
        ("controller", "PATCH", f"{CORE}/pods/a/status", "-no-subresources"),
        ("controller", "POST", f"{CORE}/serviceaccounts", "-default-deny"),
        ("controller", "PATCH", "/api/v1/nodes/node-a", "-default-deny"),
        ("controller", "GET", "/openid/v1/jwks", "-default-deny"),
        ("collector", "GET", f"{CORE}/pods", "collector-pods-read"),
        ("collector", "GET", f"{CORE}/configmaps", "-default-deny"),
        ("collector", "DELETE", f"{CORE}/pods/logits-console-1", "-default-deny"),
        ("console", "GET", f"{CORE}/pods", "-default-deny"),
        ("gateway", "PATCH", f"{APPS}/deployments/logits-controller", "gateway-controller-write"),
        ("gateway", "PATCH", f"{APPS}/deployments/logits-console", "-default-deny"),
        ("gateway", "GET", f"{CORE}/configmaps", "-default-deny"),
    ],
)
def test_the_table_decides(caller: str, method: str, path: str, rule: str) -> None:
    assert decide(caller, method, path) == rule


def test_a_list_by_one_name_counts_as_that_name() -> None:
    path = f"{CORE}/configmaps"
    assert decide("gateway", "GET", path, "fieldSelector=metadata.name%3Dlogits-anchor") == "gateway-limits-read"
    assert decide("gateway", "GET", path, "fieldSelector=metadata.name%3Dlogits-secret") == "-default-deny"


@given(
    st.sampled_from([*CALLERS, "api-server", "llm-server", "", "admin"]),
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    st.sampled_from(["roles", "clusterroles", "serviceaccounts", "events", "namespaces", "jobs", "leases"]),
    st.sampled_from(["", "apps", "rbac.authorization.k8s.io", "batch"]),
)
def test_resources_outside_the_table_are_denied_for_everybody(
    caller: str, method: str, resource: str, group: str
) -> None:
    root = f"/apis/{group}/v1" if group else "/api/v1"
    path = f"{root}/namespaces/logits/{resource}" + ("" if method in ("GET", "POST") else "/logits-a")
    assert decide(caller, method, path).startswith("-")


def test_nobody_but_its_owner_may_change_a_protected_object() -> None:
    names = ("logits-gateway", "logits-gateway-7c9-x", "logits-controller", "logits-environment")
    for caller, row, name in itertools.product(CALLERS, PROTECTED, names):
        if caller == row.owner or not re.fullmatch(row.names, name):
            continue
        for resource, verb in itertools.product(row.resources, ("PUT", "PATCH", "DELETE")):
            root = APPS if resource in ("deployments", "replicasets") else CORE
            decision = decide(caller, verb, f"{root}/{resource}/{name}")
            assert decision.startswith("-"), (caller, verb, resource, name, decision)


def test_rule_ids_are_unique_and_the_table_has_a_digest() -> None:
    ids = [row.id for row in (*RULES, *PROTECTED, *ROUTES)] + list(BODY_RULES)
    assert len(ids) == len(set(ids))
    assert len(policy_digest()) == 64


@pytest.mark.parametrize(
    ("caller", "method", "path", "allowed"),
    [
        ("console", "GET", "/audit/entries", True),
        ("console", "GET", "/status", True),
        ("controller", "GET", "/status", True),
        ("console", "GET", "/audit/log/0001/checkpoint", True),
        ("console", "GET", "/audit/log/0001/tile/entries/x001/067.p/9", True),
        ("console", "GET", "/audit/log/0001/lost", False),
        ("console", "GET", "/egress/bodies/2026-01-01.12", True),
        ("collector", "GET", "/egress/entries", False),
        ("controller", "GET", "/audit/entries", False),
        ("collector", "POST", "/ops/v1/logs", True),
        ("controller", "POST", "/ops/v1/logs", False),
        ("collector", "POST", "/ops/v1/reports", False),
        ("collector", "GET", "/ops/v1/logs", False),
        ("console", "GET", "/nothing", False),
    ],
)
def test_own_routes_need_a_row(caller: str, method: str, path: str, allowed: bool) -> None:
    if allowed:
        assert re.fullmatch(authorise_route(caller, method, path).path, path)
    else:
        with pytest.raises(DenialError):
            authorise_route(caller, method, path)
