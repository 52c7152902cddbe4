"""Server-side apply: properties of field ownership."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from local.api.objects import at, config_map, writer
from logits_local.api.apply import ownerships
from logits_local.api.errors import StatusError
from logits_local.api.fields import Path, decode_fields, encode_fields
from logits_local.api.resources import Object
from logits_local.api.store import Store
from logits_local.api.writes import WriteOptions

KEYS = st.sampled_from(["a", "b", "c"])
DATA = st.dictionaries(KEYS, st.sampled_from(["1", "2"]), max_size=3)
ELEMENTS = st.sampled_from(["f:spec", "f:name", 'k:{"name":"a"}', 'v:"x"', "f:."])
PATHS = st.frozensets(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=8)


@given(PATHS)
def test_field_sets_survive_their_encoding(paths: frozenset[Path]) -> None:
    assert frozenset(decode_fields(encode_fields(paths))) == paths


def data_owner(value: Object, key: str) -> set[str]:
    path = ("f:data", f"f:{key}")
    return {entry.writer.manager for entry in ownerships(value) if path in entry.paths}


@given(st.lists(st.tuples(st.sampled_from(["m", "n"]), DATA, st.booleans()), min_size=1, max_size=8))
def test_applied_values_win_or_conflict_and_every_key_has_an_owner(
    steps: list[tuple[str, dict[str, str], bool]],
) -> None:
    made = writer(Store(":memory:"))
    live: Object = {}
    for manager, data, force in steps:
        before = dict(live.get("data", {}))
        try:
            written = made.apply(at("one"), config_map("one", data), WriteOptions(manager, force=force))
        except StatusError:
            assert not force
            assert any(before.get(key) != value and data_owner(live, key) - {manager} for key, value in data.items())
            assert made.read(at("one")) == live
            continue
        live = written.value
        held = live.get("data", {})
        assert held.items() >= data.items()
        for key in held:
            assert data_owner(live, key)
        for key in set(held) - set(data):
            assert data_owner(live, key) - {manager}
        again = made.apply(at("one"), config_map("one", data), WriteOptions(manager))
        assert again.value == live


@given(DATA, DATA)
def test_an_update_leaves_each_field_with_one_owner(first: dict[str, str], second: dict[str, str]) -> None:
    made = writer(Store(":memory:"))
    made.apply(at("one"), config_map("one", first), WriteOptions("applier"))
    value = made.patch(at("one"), lambda _: config_map("one", second), WriteOptions("editor")).value
    assert value.get("data", {}) == second
    for key, content in second.items():
        assert data_owner(value, key) == ({"applier"} if first.get(key) == content else {"editor"})
    for key in set(first) - set(second):
        assert not data_owner(value, key)
