"""The security page: a row for each permission of the chart, with rules and outside policies that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from apps.gateway.test_chart import GRANTED, VALUES, template
from logits_core.policy.rules import BODY_RULES, GENERAL_RULES, PROTECTED, RULES

PAGE = (Path(__file__).parents[3] / "docs/security.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `([a-z]+)` ([a-z, ]+) \|(.*)\|(.*)\|(.*)\|(.*)\|$", re.MULTILINE)
ROWS = {(found[1], tuple(found[2].split(", "))): (found[5], found[6]) for found in _ROW.finditer(PAGE)}
POLICIES = ("writes", "secrets", "services", "templates", "pods")


def named(cell: str) -> set[str]:
    return set(re.findall(r"`([a-z-]+)`", cell))


def test_each_permission_has_its_row_and_each_row_its_permission() -> None:
    told = [(resource, verb) for resource, verbs in ROWS for verb in verbs]
    assert sorted(told) == sorted((resource, verb) for _, _, resource, verb in GRANTED)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {'-'.join(row[1])}")
def test_a_row_names_every_rule_that_uses_the_permission(row: tuple[str, tuple[str, ...]]) -> None:
    resource, verbs = row
    rules, outside = ROWS[row]
    using = {rule.id for rule in RULES if resource in rule.resources and set(verbs) & set(rule.verbs)}
    known = {rule.id for rule in RULES} | {found.id for found in PROTECTED} | set(BODY_RULES) | set(GENERAL_RULES)
    assert using <= named(rules) <= known
    assert using or "default-deny" in rules
    assert named(outside) & set(POLICIES) or "reading isn't admitted" in outside


def test_every_protection_is_explained() -> None:
    assert {found.id for found in PROTECTED} <= named(PAGE)
    assert {"pod-identity", "pod-image-signed", "secret-type", "service-exposure"} <= set(BODY_RULES) & named(PAGE)


def test_the_outside_policies_are_those_of_the_chart() -> None:
    listed = re.findall(r"^\| `([a-z]+)` \| (?:ServiceAccount|everybody)", PAGE, re.MULTILINE)
    assert tuple(listed) == POLICIES
    done = template(VALUES | {"admissionPolicy.enabled": "true"}, literal=("admissionPolicy.enabled",))
    objects = [found for found in yaml.safe_load_all(done.stdout) if found]
    made = {found["metadata"]["name"] for found in objects if found["kind"] == "ValidatingAdmissionPolicy"}
    assert made == {f"logits-gateway-{name}-here" for name in POLICIES}
