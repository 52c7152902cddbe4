"""The join of the two audit logs: what is in one and not in the other is named."""

from __future__ import annotations

from typing import Any

import pytest

from logits_client.kube_audit import GatewaySide, join, read_events
from logits_core.audit import Act, Subject, event

GATEWAY = "system:serviceaccount:logits:logits-gateway"
COUNT = 6


def ours(number: int, *, decision: str = "allow", code: int = 200) -> list[dict[str, Any]]:
    at = 1000.0 + 60 * number
    reference = {"resource": "configmaps", "namespace": "logits", "name": f"logits-{number}", "apiVersion": "v1"}
    subject = Subject("controller", "system:serviceaccount:logits:logits-component")
    act = Act(f"id-{number}", at, "patch", "/x", subject, reference=reference, notes={"decision": decision})
    return [event(act, "RequestReceived", now=at), event(act, "ResponseComplete", now=at, code=code)]


def theirs(number: int, **changes: Any) -> dict[str, Any]:
    reference = {"resource": "configmaps", "namespace": "logits", "name": f"logits-{number}", "apiVersion": "v1"}
    act = Act(f"id-{number}", 1000.0 + 60 * number, "patch", "/x", Subject("", GATEWAY), reference=reference)
    return event(act, "ResponseComplete", now=1001.0 + 60 * number, code=200) | changes


def side(*records: list[dict[str, Any]]) -> GatewaySide:
    gateway = GatewaySide()
    for index, found in enumerate(record for act in records for record in act):
        gateway.keep(index, found)
    return gateway


def everything() -> GatewaySide:
    return side(*(ours(number) for number in range(COUNT)))


def test_two_honest_logs_tell_the_same() -> None:
    refused = ours(50, decision="deny", code=403)
    gateway = side(*(ours(number) for number in range(COUNT)), refused)
    strangers = theirs(70, user={"username": "system:kube-scheduler"})
    joined = join(gateway, [*(theirs(number) for number in range(COUNT)), strangers], namespace="logits")
    assert joined.holds
    assert joined.lines() == [f"proved: {COUNT} acts stand in both logs, with the same verb and object"]


@pytest.mark.parametrize("account", ["logits-gateway", "logits-component"])
def test_an_act_behind_the_gateways_back_is_named(account: str) -> None:
    user = {"username": f"system:serviceaccount:logits:{account}"}
    events = [*(theirs(number) for number in range(COUNT)), theirs(3, auditID="elsewhere", verb="delete", user=user)]
    (found,) = join(everything(), events, namespace="logits").behind
    assert found.startswith(f"{account} did 'delete logits configmaps logits-3' on the API server (elsewhere)")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verb": "delete"}, "verb patch here, delete there"),
        ({"objectRef": {"resource": "secrets", "name": "logits-3"}}, "resource configmaps here, secrets there"),
        ({"objectRef": {"resource": "configmaps", "name": "other"}}, "name logits-3 here, other there"),
        ({"objectRef": {"resource": "configmaps", "namespace": "kube-system"}}, "namespace logits here"),
    ],
)
def test_an_act_that_was_another_is_named(change: dict[str, Any], words: str) -> None:
    events = [theirs(number, **(change if number == 3 else {})) for number in range(COUNT)]
    (found,) = join(everything(), events, namespace="logits").different
    assert words in found


def test_an_id_that_was_used_twice_is_named() -> None:
    events = [*(theirs(number) for number in range(COUNT)), theirs(2)]
    (found,) = join(everything(), events, namespace="logits").different
    assert "id-2 was used twice" in found


def test_an_act_that_the_api_server_never_saw_is_named() -> None:
    events = [theirs(number) for number in range(COUNT) if number != 3]
    (found,) = join(everything(), events, namespace="logits").missing
    assert "'patch logits configmaps logits-3' (id-3)" in found


def test_only_the_time_that_both_logs_cover_is_compared() -> None:
    assert join(everything(), [theirs(2), theirs(3), theirs(4)], namespace="logits").holds
    assert not join(everything(), [], namespace="logits").holds


def test_a_line_that_is_still_being_written_is_left() -> None:
    lines = ['{"kind":"Event","a":1}', "", '{"kind":"Other"}', '{"kind":"Event","a"']
    assert list(read_events(lines)) == [{"kind": "Event", "a": 1}]
