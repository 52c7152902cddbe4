"""The customer's word: pin, freeze, windows and approval, each stronger than whatever the vendor wants."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Accepted, Controls, Hold, Pending, Release, Verdict, decide
from logits_core.rollout.controls import APPROVAL, approvals_of, approve

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
ENVIRONMENT = "123e4567-e89b-42d3-a456-426614174000"
ALICE, BOB, MALLORY = (Ed25519PrivateKey.generate() for _ in range(3))


def public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def release(version: str = "0.2.0", counter: int = 2) -> Accepted:
    images = {"controller": "localhost/controller@sha256:" + "a" * 64}
    made = Release.make(version=version, counter=counter, issued_at=NOW, images=images)
    return Accepted(made, made.encode())


OFFER = release()
PENDING = Pending(
    "0.2.0", OFFER.digest, first=False, expires=NOW + timedelta(hours=6), approvals=(), environment=ENVIRONMENT
)


def controls(**fields: Any) -> Controls:
    return Controls.parse(json.dumps(fields))


def test_without_a_word_of_the_customer_the_release_begins() -> None:
    assert decide(controls(), PENDING, NOW) == Verdict()
    assert Controls.parse("") == controls()


@pytest.mark.parametrize(
    ("pin", "version", "admitted"),
    [
        ("", "0.2.0", True),
        ("0.2.0", "0.2.0", True),
        ("0.2", "0.2.7", True),
        ("0", "0.2.7", True),
        ("0.2", "0.20.0", False),
        ("0.2.0", "0.2.01", False),
        ("0.2.0", "0.2.0-rc1", True),
        ("0.2.0-rc1", "0.2.0", False),
    ],
)
def test_a_pin_is_compared_part_by_part(pin: str, version: str, admitted: bool) -> None:
    found = decide(controls(pin=pin), replace(PENDING, version=version), NOW)
    assert found == (Verdict() if admitted else Verdict(Hold.PINNED))


def test_a_freeze_holds_until_it_ends() -> None:
    assert decide(controls(freeze=True), PENDING, NOW) == Verdict(Hold.FROZEN)
    ends = NOW + timedelta(hours=1)
    frozen = controls(freeze=ends.isoformat())
    assert decide(frozen, PENDING, NOW) == Verdict(Hold.FROZEN, ends)
    assert decide(frozen, PENDING, ends) == Verdict()


def test_a_window_holds_all_but_the_first_release() -> None:
    nightly = controls(windows=[{"start": "02:00", "hours": 2}])
    opens = datetime(2026, 11, 24, 2, tzinfo=UTC)
    assert decide(nightly, PENDING, NOW) == Verdict(Hold.CLOSED, opens)
    assert decide(nightly, replace(PENDING, first=True), NOW) == Verdict()
    late = replace(PENDING, expires=opens + timedelta(hours=1))
    assert decide(nightly, late, opens) == Verdict()


def test_expired_metadata_changes_nothing_even_in_a_window() -> None:
    for expires in (None, NOW, NOW - timedelta(days=1)):
        assert decide(controls(), replace(PENDING, expires=expires), NOW) == Verdict(Hold.STALE)


def test_approval_needs_as_many_different_approvers_as_it_says() -> None:
    rule = controls(approval={"keys": [public(ALICE), public(BOB)], "threshold": 2})
    alice, bob, mallory = (approve(key, ENVIRONMENT, OFFER.digest) for key in (ALICE, BOB, MALLORY))
    for given_signatures, enough in (
        ((), False),
        ((alice,), False),
        ((alice, alice), False),
        ((alice, mallory), False),
        (("%", "", alice, "x" * 88), False),
        ((bob, mallory, alice), True),
    ):
        found = decide(rule, replace(PENDING, approvals=given_signatures), NOW)
        assert found == (Verdict() if enough else Verdict(Hold.UNAPPROVED))


def test_an_approval_is_for_one_release_in_one_environment() -> None:
    rule = controls(approval={"keys": [public(ALICE)]})
    for signature in (
        approve(ALICE, ENVIRONMENT, release("0.3.0", 3).digest),
        approve(ALICE, "6f6f2b1e-9a39-4a36-9d0a-5d2f4a3a7b11", OFFER.digest),
    ):
        assert decide(rule, replace(PENDING, approvals=(signature,)), NOW).hold is Hold.UNAPPROVED


def test_approvals_are_bounded() -> None:
    good = approve(ALICE, ENVIRONMENT, OFFER.digest)
    assert approvals_of({APPROVAL: f" {good}\n x "}) == (good, "x")
    assert approvals_of(None) == ()
    assert len(approvals_of({APPROVAL: "x " * 1000})) == 16


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ("{", "release"),
        ("[]", "release"),
        ('{"frozen": true}', "release.frozen"),
        ('{"freeze": "2026-12-24T00:00:00"}', "release.freeze"),
        ('{"pin": "latest"}', "release.pin"),
        ('{"windows": [{"start": "02:00", "hours": 1, "timeZone": "Nowhere"}]}', "release.windows.0.timeZone"),
        ('{"approval": {"keys": ["short"]}}', "release.approval.keys"),
    ],
)
def test_what_makes_no_sense_is_named_and_stops_changes(document: str, field: str) -> None:
    with pytest.raises(LogitsError) as caught:
        Controls.parse(document)
    assert caught.value.code is ErrorCode.INVALID
    assert (caught.value.field or "").startswith(field)
    assert decide(None, PENDING, NOW) == Verdict(Hold.UNREADABLE)


@given(
    freeze=st.booleans(),
    pin=st.sampled_from(["", "0.2", "9"]),
    approval=st.booleans(),
    closed=st.booleans(),
    free=st.booleans(),
    stale=st.booleans(),
)
def test_nothing_begins_unless_everything_lets_it(
    *, freeze: bool, pin: str, approval: bool, closed: bool, free: bool, stale: bool
) -> None:
    window = {"start": "02:00" if closed else "11:00", "hours": 2}
    word = controls(freeze=freeze, pin=pin, approval={"keys": [public(ALICE)] if approval else []}, windows=[window])
    pending = replace(PENDING, free=free, expires=NOW if stale else PENDING.expires)
    begins = decide(word, pending, NOW).hold is None
    assert begins is not (freeze or pin == "9" or approval or closed or not free or stale)
