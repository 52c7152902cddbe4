"""Safe values: nothing but the closed set of types, each within its domain, ever leaves."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.errors import LogitsError
from logits_core.redaction import (
    SAFE_TYPES,
    Count,
    Identifier,
    LogRecord,
    Reason,
    Safe,
    Seconds,
    decode_exported,
    decode_sample,
)

UNSAFE = st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.booleans(), st.none(), st.binary())


def _exported(values: dict[str, object]) -> bytes:
    record = LogRecord(1.0, "info", "gateway", "{a} happened to {b}", values)
    return msgspec.json.encode(record.export("0" * 16, 1, "0.1.0"))


@given(UNSAFE, UNSAFE)
def test_the_export_does_not_depend_on_unsafe_values(one: object, other: object) -> None:
    assert _exported({"a": one, "b": Count(1)}) == _exported({"a": other, "b": Count(1)})


@given(st.text())
def test_free_text_does_not_pass_as_an_identifier(text: str) -> None:
    try:
        value = Identifier(text)
    except ValueError:
        return
    assert len(str(value.value)) <= 48
    assert str(value.value).isascii()


def test_a_type_outside_the_registry_is_not_exported() -> None:
    class Smuggler(Safe):
        kind = "count"

    exported = _exported({"a": Smuggler("secret"), "b": 1})
    assert b"secret" not in exported
    assert b'"unsafe":2' in exported


@pytest.mark.parametrize("bad", [Count, Seconds])
def test_numbers_outside_their_domain_are_refused(bad: type[Safe]) -> None:
    with pytest.raises(ValueError, match="between"):
        bad(-1)


def test_what_is_exported_can_be_read_back_strictly() -> None:
    line = _exported({"a": Reason("Unschedulable"), "b": Seconds(1.23456)})
    assert decode_exported(line).values["b"].value == 1.235


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "not an exported"),
        (b'{"stream":"a"}', "sequence"),
        (_exported({}).replace(b'"unsafe":0', b'"prompt":"x"'), "prompt"),
        (_exported({"a": Count(1)}).replace(b'"kind":"count"', b'"kind":"text"'), "not a safe type"),
        (_exported({"a": Count(1)}).replace(b'"value":1', b'"value":"free text"'), "real number"),
        (_exported({}).replace(b'"level":"info"', b'"level":"loud"'), "level"),
        (b'"' + b"x" * 20_000 + b'"', "more than"),
    ],
)
def test_anything_else_is_refused_by_name(line: bytes, message: str) -> None:
    with pytest.raises(LogitsError, match=message):
        decode_exported(line)


def test_every_safe_type_is_registered_under_its_own_name() -> None:
    assert all(SAFE_TYPES[kind].kind == kind for kind in SAFE_TYPES)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("logits_requests_total", {"model": "customer-model"}),
        ("customer_secret", {}),
        ("logits_requests_total", {"outcome": "Free text!"}),
    ],
)
def test_samples_off_the_passlist_are_refused(name: str, labels: dict[str, str]) -> None:
    sample = {
        "component": "gateway",
        "instance": "0" * 16,
        "time": 1.0,
        "name": name,
        "value": 1.0,
        "labels": labels,
    }
    with pytest.raises(LogitsError):
        decode_sample(msgspec.json.encode(sample))
