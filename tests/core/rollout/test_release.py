"""Releases: only what a trusted key signed, byte for byte, is a release."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Release, SignedRelease, key_id, parse_public_key, sign, verify

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
PUBLIC, OTHER_PUBLIC = KEY.public_key().public_bytes_raw(), OTHER.public_key().public_bytes_raw()
IMAGE = "localhost/logits/controller@sha256:" + "a" * 64
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def release(**changes: Any) -> Release:
    values: dict[str, Any] = {
        "version": "0.1.0",
        "counter": 1,
        "issued_at": WHEN,
        "images": {"controller": IMAGE},
    }
    return Release.make(**(values | changes))


ENVELOPE = sign(release(), KEY)


def test_a_signed_release_is_read_back() -> None:
    parsed = SignedRelease.parse(json.loads(json.dumps(ENVELOPE.document())))
    assert verify(parsed, [OTHER_PUBLIC, PUBLIC]) == release()
    assert ENVELOPE.signatures[0].keyid == key_id(PUBLIC)
    payload = json.loads(base64.b64decode(ENVELOPE.payload))
    assert payload["schema"] == "logits.release/v1"
    assert set(payload) == {"schema", "version", "counter", "issuedAt", "images"}


def test_one_good_signature_among_others_is_enough() -> None:
    assert verify(sign(release(), OTHER, KEY), [PUBLIC]) == release()


@pytest.mark.parametrize("keys", [[], [OTHER_PUBLIC]])
def test_other_keys_refuse_it(keys: list[bytes]) -> None:
    with pytest.raises(LogitsError) as caught:
        verify(ENVELOPE, keys)
    assert caught.value.code is ErrorCode.SIGNATURE_REFUSED


def test_a_stolen_key_id_proves_nothing() -> None:
    forged = sign(release(counter=9), OTHER)
    signature = forged.signatures[0].model_copy(update={"keyid": key_id(PUBLIC)})
    with pytest.raises(LogitsError):
        verify(forged.model_copy(update={"signatures": (signature,)}), [PUBLIC])
    with pytest.raises(LogitsError):
        verify(forged.model_copy(update={"signatures": ENVELOPE.signatures}), [PUBLIC])


@given(st.integers(min_value=0), st.integers(1, 255))
def test_no_changed_byte_of_the_payload_verifies(place: int, flip: int) -> None:
    payload = bytearray(ENVELOPE.payload_bytes())
    payload[place % len(payload)] ^= flip
    changed = ENVELOPE.model_copy(update={"payload": base64.b64encode(payload).decode()})
    with pytest.raises(LogitsError):
        verify(changed, [PUBLIC])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"images": {}}, "images"),
        ({"images": {"controller": IMAGE, "gateway": IMAGE}}, "images"),
        ({"images": {"controller": "localhost/logits/controller:latest"}}, "images"),
        ({"counter": 0}, "counter"),
        ({"counter": "1"}, "counter"),
        ({"version": "latest"}, "version"),
        ({"issued_at": datetime(2026, 1, 1)}, "issuedAt"),  # noqa: DTZ001 - the point of the case
    ],
)
def test_a_release_says_what_it_must(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(LogitsError) as caught:
        release(**changes)
    assert (caught.value.code, caught.value.field) == (ErrorCode.INVALID, field)


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"payload": 5, "signatures": []}, {**ENVELOPE.document(), "more": 1}, {"payload": "x" * 70_000}],
)
def test_what_is_no_envelope_is_refused(document: Any) -> None:
    with pytest.raises(LogitsError) as caught:
        SignedRelease.parse(document)
    assert caught.value.code is ErrorCode.INVALID


def test_public_keys_are_32_bytes() -> None:
    assert parse_public_key(base64.b64encode(PUBLIC).decode() + "\n") == PUBLIC
    for text in ("", "x", base64.b64encode(b"short").decode()):
        with pytest.raises(LogitsError):
            parse_public_key(text)
