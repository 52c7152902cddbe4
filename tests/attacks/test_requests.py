"""Every attack that is one request is denied with a Status that names the rule, and recorded."""

from __future__ import annotations

import pytest

from attacks.catalogue import EVERYTHING, Attack
from attacks.conftest import Attacker

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("attack", EVERYTHING, ids=lambda attack: attack.name)
async def test_it_is_denied_and_recorded(attacker: Attacker, attack: Attack) -> None:
    answer = await attacker.send(
        attack.method, attack.target, attack.body, content_type=attack.content_type, headers=list(attack.headers)
    )
    assert answer.status == attack.status, answer.body
    if attack.method == "HEAD":
        return
    document = answer.document
    assert (document["kind"], document["status"], document["code"]) == ("Status", "Failure", attack.status)
    assert attack.rule in document["message"]
    record = attacker.record(answer)
    assert record["responseStatus"]["code"] == attack.status
    assert record["annotations"]["logits.ai/decision"] == "deny"
    assert record["stage"] == "ResponseComplete"
    if attack.rule:
        assert record["annotations"]["logits.ai/rule"] == attack.rule
        assert f"rule {attack.rule}" in document["message"]
        assert record["annotations"]["logits.ai/caller"] == "controller"
