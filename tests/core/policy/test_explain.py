"""Explanations: they end as the Gateway's own decision would, and name the same rule."""

from __future__ import annotations

import pytest

from logits_core.policy import Limits, Mode
from logits_core.policy.explain import Question, explain

LIMITS = Limits("logits", {})
CORE = "/api/v1/namespaces/logits"


@pytest.mark.parametrize(
    ("question", "stage", "rule"),
    [
        (Question("controller", "GET", f"{CORE}/pods"), "forward", ""),
        (Question("controller", "GET", f"{CORE}/pods", headers=((b"upgrade", b"websocket"),)), "transport", ""),
        (Question("controller", "GET", f"{CORE}//pods"), "parse", ""),
        (Question("controller", "GET", f"{CORE}/secrets/a"), "authorise", "default-deny"),
        (Question("controller", "GET", f"{CORE}/pods/a/log"), "authorise", "no-subresources"),
        (Question("controller", "DELETE", f"{CORE}/pods"), "authorise", "no-deletecollection"),
        (Question("controller", "DELETE", f"{CORE}/pods/logits-gateway-0"), "authorise", "protect-gateway"),
        (Question("controller", "DELETE", f"{CORE}/pods/logits-a"), "forward", ""),
        (Question("controller", "PATCH", f"{CORE}/configmaps/logits-a"), "forward", ""),
        (
            Question(
                "controller",
                "POST",
                f"{CORE}/secrets",
                content_type="application/json",
                body=b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"logits-a"},'
                b'"type":"kubernetes.io/service-account-token"}',
            ),
            "body",
            "secret-type",
        ),
    ],
)
def test_the_last_step_says_how_it_ends(question: Question, stage: str, rule: str) -> None:
    last = explain(question, LIMITS)[-1]
    assert (last.stage, last.rule) == (stage, rule)
    assert last.passed == (stage == "forward")


def test_the_mode_stops_changes_before_their_body_is_read() -> None:
    question = Question("controller", "PATCH", f"{CORE}/configmaps/logits-a", body=b"{")
    last = explain(question, LIMITS, mode=Mode.PAUSED)[-1]
    assert (last.stage, last.rule, last.passed) == ("mode", "mode-paused", False)
