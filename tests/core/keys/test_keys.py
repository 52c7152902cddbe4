"""Keys: made once, recognised by hash, refused when they must be, rotated with an overlap."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.entities.kinds import checked_spec, kind_of
from logits_core.errors import ErrorCode, LogitsError
from logits_core.keys import ApiKeySpec, Grant, KeyRing, Limits, Minted, bearer, mint, prefix_of, rotated

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def at(hours: float) -> str:
    return (NOW + timedelta(hours=hours)).isoformat()


def minted(seed: int = 1) -> Minted:
    return mint(random.Random(seed).randbytes, at(0))


def ring(*, required: bool = True, shares: int = 1, **spec: Any) -> tuple[str, KeyRing]:
    fresh = minted()
    keys = {"team": ApiKeySpec(credentials=(fresh.credential,), **spec)}
    return fresh.key, KeyRing(keys, required=required, shares=shares)


@given(st.integers())
def test_a_key_proves_itself_and_no_other(seed: int) -> None:
    one, other = minted(seed), minted(seed + 1)
    assert prefix_of(one.key) == one.credential.prefix
    assert one.credential.proves(one.key)
    assert not one.credential.proves(other.key)
    assert not one.credential.proves(one.key[:-1] + ("a" if one.key[-1] != "a" else "b"))


def test_what_is_stored_and_shown_in_logs_has_no_secret() -> None:
    fresh = minted()
    secret = fresh.key.rpartition("_")[2]
    assert secret not in fresh.credential.model_dump_json()
    assert secret not in repr(fresh)


def test_a_good_key_gets_what_its_entity_grants() -> None:
    key, keys = ring(models=("a",), requests_per_minute=10, tokens_per_minute=100, concurrency=3)
    grant = keys.authenticate(key, NOW)
    assert (grant.name, grant.limits) == ("team", Limits(10, 100, 3))
    grant.require("a")
    with pytest.raises(LogitsError) as refused:
        grant.require("b")
    assert refused.value.code is ErrorCode.FORBIDDEN


def test_limits_are_divided_among_processes_that_do_not_talk() -> None:
    key, keys = ring(requests_per_minute=10, concurrency=1, shares=4)
    assert keys.authenticate(key, NOW).limits == Limits(3, None, 1)


@pytest.mark.parametrize(
    ("spec", "said"),
    [({"revoked": True}, "revoked"), ({"expires_at": at(0)}, "expired"), ({"expires_at": at(-1)}, "expired")],
)
def test_a_key_that_is_over_is_refused(spec: dict[str, Any], said: str) -> None:
    key, keys = ring(**spec)
    with pytest.raises(LogitsError, match=said) as refused:
        keys.authenticate(key, NOW)
    assert refused.value.code is ErrorCode.UNAUTHENTICATED


@pytest.mark.parametrize("shown", ["", "unused", "lgt_x", minted(9).key, "\x00" * 300])
def test_no_key_is_refused_only_where_keys_are_required(shown: str) -> None:
    with pytest.raises(LogitsError):
        ring()[1].authenticate(shown, NOW)
    assert ring(required=False)[1].authenticate(shown, NOW) == Grant()


def test_a_known_prefix_with_another_secret_is_refused() -> None:
    key, keys = ring()
    forged = key[:-4] + "0000"
    with pytest.raises(LogitsError, match="not known"):
        keys.authenticate(forged, NOW)


def test_a_rotation_overlaps_and_then_ends() -> None:
    old, new = minted(1), minted(2)
    spec = rotated(ApiKeySpec(credentials=(old.credential,)), new.credential, at(24))
    keys = KeyRing({"team": spec}, required=True)
    for hours, key, good in ((23, old.key, True), (23, new.key, True), (25, old.key, False), (25, new.key, True)):
        if good:
            assert keys.authenticate(key, NOW + timedelta(hours=hours)).name == "team"
        else:
            with pytest.raises(LogitsError):
                keys.authenticate(key, NOW + timedelta(hours=hours))
    again = rotated(spec, minted(3).credential, at(48))
    assert [c.expires_at for c in again.credentials] == [None, at(48), at(24)]
    with pytest.raises(LogitsError):
        rotated(spec.model_copy(update={"revoked": True}), minted(3).credential, at(1))


@pytest.mark.parametrize(
    ("authorization", "other", "key"),
    [("Bearer a", "", "a"), ("bearer  a ", "b", "a"), ("Basic a", "b", "b"), ("", " b ", "b"), ("Bearer", "", "")],
)
def test_a_key_is_shown_as_a_bearer_or_as_anthropics_clients_do(authorization: str, other: str, key: str) -> None:
    assert bearer(authorization, other) == key


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"credentials": []}, "spec.credentials"),
        ({"expiresAt": "tomorrow"}, "spec.expiresAt"),
        ({"expiresAt": "2026-01-01T00:00:00"}, "spec.expiresAt"),
        ({"models": ["No!"]}, "spec.models.0"),
        ({"requestsPerMinute": 0}, "spec.requestsPerMinute"),
        ({"key": "lgt_"}, "spec.key"),
    ],
)
def test_a_bad_entity_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    good = {"credentials": [minted().credential.model_dump(by_alias=True)]}
    kind = kind_of("apikeys")
    assert checked_spec(kind, good)["revoked"] is False
    with pytest.raises(LogitsError) as refused:
        checked_spec(kind, {**good, **change})
    assert refused.value.field == field
