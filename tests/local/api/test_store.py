"""The store: one counter, complete history, bounded, and the same after a restart."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.api.objects import CONFIG_MAPS
from logits_core.errors import ErrorCode, LogitsError
from logits_local.api.errors import StatusError
from logits_local.api.resources import Object, resource
from logits_local.api.store import Change, Store

NAMES = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(st.tuples(st.sampled_from(["put", "remove"]), NAMES, st.integers(0, 3)), max_size=40)


def value(name: str, content: int) -> Object:
    return {
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "data": {"content": str(content)},
    }


def run(store: Store, steps: list[tuple[str, str, int]]) -> None:
    for act, name, content in steps:
        if act == "put":
            store.put(CONFIG_MAPS, value(name, content))
        elif found := store.get(CONFIG_MAPS, "default", name):
            store.remove(CONFIG_MAPS, found)


def contents(store: Store) -> dict[str, Any]:
    return {item["metadata"]["name"]: item for item in store.objects(CONFIG_MAPS)}


@given(STEPS, st.integers(0, 40))
def test_a_list_and_the_changes_after_it_give_the_present(steps: list[tuple[str, str, int]], cut: int) -> None:
    store = Store(":memory:")
    run(store, steps[:cut])
    seen, revision = contents(store), store.revision
    run(store, steps[cut:])
    last = revision
    for change in store.changes_after(CONFIG_MAPS, revision):
        assert change.revision > last
        last = change.revision
        name = change.current["metadata"]["name"]
        assert change.previous == seen.get(name)
        if change.deleted:
            del seen[name]
        else:
            seen[name] = change.current
    assert seen == contents(store)


@settings(deadline=None)
@given(STEPS)
def test_a_restart_changes_nothing(steps: list[tuple[str, str, int]]) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "cluster.db"
        store = Store(path)
        run(store, steps)
        expected, revision = contents(store), store.revision
        store.close()
        again = Store(path)
        assert contents(again) == expected
        assert again.revision == revision
        assert again.changes_after(CONFIG_MAPS, revision) == []
        again.close()


@given(STEPS, st.integers(1, 5))
def test_history_is_bounded_and_never_has_a_gap(steps: list[tuple[str, str, int]], history: int) -> None:
    store, seen = Store(":memory:", history), list[Change]()
    store.observe(seen.append)
    run(store, steps)
    for revision in range(store.revision + 1):
        expected = [change for change in seen if change.revision > revision]
        if len(expected) <= history:
            assert store.changes_after(CONFIG_MAPS, revision) == expected
        else:
            with pytest.raises(StatusError) as caught:
                store.changes_after(CONFIG_MAPS, revision)
            assert caught.value.http_status == 410


def test_a_revision_from_the_future_is_expired() -> None:
    with pytest.raises(StatusError) as caught:
        Store(":memory:").changes_after(CONFIG_MAPS, 7)
    assert caught.value.http_status == 410


def test_a_busy_resource_does_not_expire_a_quiet_one() -> None:
    store = Store(":memory:", history=2)
    for number in range(10):
        store.put(CONFIG_MAPS, value("a", number))
    assert store.changes_after(resource("pods"), 0) == []


def test_the_file_is_held_by_one_process(tmp_path: Path) -> None:
    store = Store(tmp_path / "cluster.db")
    with pytest.raises(LogitsError) as caught:
        Store(tmp_path / "cluster.db")
    assert caught.value.code is ErrorCode.UNAVAILABLE
    store.close()


@pytest.mark.parametrize(
    "content", [b"this is no database at all, only text of some length", b"SQLite format 3\0" + b"x" * 200]
)
def test_a_foreign_file_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cluster.db"
    path.write_bytes(content)
    with pytest.raises(LogitsError) as caught:
        Store(path)
    assert caught.value.code is ErrorCode.CORRUPT
    assert path.read_bytes() == content
