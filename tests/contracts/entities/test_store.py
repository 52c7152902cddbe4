"""What every entity store promises, on the simulator and on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logits_core.entities.changes import Verb
from logits_core.entities.history import event_for
from logits_core.entities.ports import EntityStore
from logits_core.entities.selectors import parse_selector
from logits_core.entities.sqlite import SqliteStore
from logits_core.errors import ErrorCode, LogitsError
from simulators.entity_store import SimulatedEntityStore
from simulators.entity_writes import DEPLOYMENTS, MODELS, create, done, labelled, refused, write


@pytest.fixture(params=["simulator", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EntityStore]:
    if request.param == "simulator":
        yield SimulatedEntityStore()
        return
    sqlite = SqliteStore(tmp_path / "entities.db")
    yield sqlite
    sqlite.close()


def test_a_created_entity_is_read_back_with_defaults(store: EntityStore) -> None:
    created = done(store, create("a"))
    assert store.get(DEPLOYMENTS, "a") == created
    assert created.metadata.resource_version == "1"
    assert created.metadata.generation == 1
    assert created.spec["maxReplicas"] == 1
    assert created.status == {}


def test_a_name_is_taken_once_per_kind(store: EntityStore) -> None:
    done(store, create("a"))
    assert refused(store, create("a")).code is ErrorCode.ALREADY_EXISTS
    spec = {"displayName": "A", "engine": "llamacpp", "source": "a.gguf"}
    body = {"metadata": {"name": "a"}, "spec": spec}
    assert done(store, write(Verb.CREATE, "a", body, kind=MODELS)).kind == "LanguageModel"


def test_a_stale_replace_is_refused_and_changes_nothing(store: EntityStore) -> None:
    first = done(store, create("a"))
    second = done(store, write(Verb.PATCH, "a", {"spec": {"enabled": True}}))
    error = refused(store, write(Verb.REPLACE, "a", first.to_json()))
    assert error.code is ErrorCode.CONFLICT
    assert error.field == "metadata.resourceVersion"
    assert store.get(DEPLOYMENTS, "a") == second


def test_a_replace_needs_a_version(store: EntityStore) -> None:
    done(store, create("a"))
    error = refused(store, write(Verb.REPLACE, "a", {"metadata": {"name": "a"}, "spec": {"model": "m"}}))
    assert (error.code, error.field) == (ErrorCode.INVALID, "metadata.resourceVersion")


def test_generation_counts_changes_of_the_spec_alone(store: EntityStore) -> None:
    done(store, create("a"))
    status = done(store, write(Verb.PATCH_STATUS, "a", {"status": {"stage": "Ready"}}))
    assert (status.metadata.generation, status.metadata.resource_version) == (1, "2")
    labels = done(store, write(Verb.PATCH, "a", {"metadata": {"labels": {"team": "x"}}}))
    assert labels.metadata.generation == 1
    spec = done(store, write(Verb.PATCH, "a", {"spec": {"enabled": True}}))
    assert spec.metadata.generation == 2
    assert spec.status == {"stage": "Ready"}


def test_each_verb_leaves_the_other_half_alone(store: EntityStore) -> None:
    done(store, create("a"))
    same = done(store, write(Verb.PATCH, "a", {"status": {"stage": "Failed"}}))
    assert same.status == {}
    same = done(store, write(Verb.PATCH_STATUS, "a", {"spec": {"enabled": True}, "status": {"replicas": 1}}))
    assert same.spec["enabled"] is False
    assert same.status == {"replicas": 1}


def test_a_write_without_effect_takes_no_revision(store: EntityStore) -> None:
    created = done(store, create("a"))
    commit = store.commit([write(Verb.PATCH, "a", {"spec": {"enabled": False}})])
    assert commit.answers == (created,)
    assert commit.changes == ()
    assert store.revision() == 1


def test_a_group_is_answered_in_order_and_refusals_disturb_nobody(store: EntityStore) -> None:
    commit = store.commit([create("a"), create("a"), create("b", minReplicas=9), create("c")])
    codes = [answer.code if isinstance(answer, LogitsError) else None for answer in commit.answers]
    assert codes == [None, ErrorCode.ALREADY_EXISTS, ErrorCode.INVALID, None]
    assert [change.revision for change in commit.changes] == [1, 2]
    assert store.changes(0, 10) == commit.changes


def test_a_repeated_create_gets_the_first_answer(store: EntityStore) -> None:
    first = done(store, create("a", key="k1"))
    done(store, write(Verb.PATCH, "a", {"spec": {"enabled": True}}))
    assert done(store, create("a", key="k1")) == first
    assert refused(store, create("b", key="k1")).code is ErrorCode.CONFLICT


def test_finalizers_hold_a_deletion_until_the_last_is_gone(store: EntityStore) -> None:
    body = {"metadata": {"name": "a", "finalizers": ["logits.ai/drain"]}, "spec": {"model": "m"}}
    done(store, write(Verb.CREATE, "a", body))
    marked = done(store, write(Verb.DELETE, "a"))
    assert marked.metadata.deletion_timestamp is not None
    assert done(store, write(Verb.DELETE, "a")) == marked
    grown = {"metadata": {"finalizers": ["logits.ai/drain", "logits.ai/more"]}}
    assert refused(store, write(Verb.PATCH, "a", grown)).field == "metadata.finalizers"
    done(store, write(Verb.PATCH, "a", {"metadata": {"finalizers": []}}))
    with pytest.raises(LogitsError) as error:
        store.get(DEPLOYMENTS, "a")
    assert error.value.code is ErrorCode.NOT_FOUND
    last = store.changes(2, 10)[-1]
    event = event_for(last)
    assert event is not None
    assert (event.type, event.entity.metadata.resource_version) == ("DELETED", "3")


def test_a_delete_may_demand_a_version(store: EntityStore) -> None:
    done(store, create("a"))
    assert refused(store, write(Verb.DELETE, "a", version="7")).code is ErrorCode.CONFLICT
    done(store, write(Verb.DELETE, "a", version="1"))
    assert refused(store, write(Verb.DELETE, "a")).code is ErrorCode.NOT_FOUND


def test_pages_show_the_revision_where_the_list_began(store: EntityStore) -> None:
    for name in ("a", "b", "c", "d"):
        done(store, create(name))
    first = store.page(DEPLOYMENTS, limit=2)
    assert first.following is not None
    done(store, write(Verb.DELETE, "c"))
    done(store, write(Verb.PATCH, "d", {"spec": {"enabled": True}}))
    done(store, create("bb"))
    rest = store.page(DEPLOYMENTS, limit=2, start=first.following)
    assert [item.name for item in first.items + rest.items] == ["a", "b", "c", "d"]
    assert rest.items[1].spec["enabled"] is False
    assert rest.following is None
    assert rest.revision == first.revision == 4


def test_compaction_expires_old_pages_and_old_watches_only(store: EntityStore) -> None:
    for name in ("a", "b", "c", "d"):
        done(store, create(name))
    start = store.page(DEPLOYMENTS, limit=1).following
    done(store, write(Verb.DELETE, "d"))
    assert store.compact(1) == 4
    assert [change.name for change in store.changes(4, 10)] == ["d"]
    assert store.page(DEPLOYMENTS, limit=9, start=start).items[-1].name == "d"
    assert store.compact(0) == 1
    for call in (lambda: store.changes(4, 10), lambda: store.page(DEPLOYMENTS, limit=9, start=start)):
        with pytest.raises(LogitsError) as error:
            call()
        assert error.value.code is ErrorCode.EXPIRED
    assert [item.name for item in store.page(DEPLOYMENTS, limit=9).items] == ["a", "b", "c"]
    assert store.changes(5, 10) == ()


def test_a_revision_that_is_yet_to_come_is_refused(store: EntityStore) -> None:
    with pytest.raises(LogitsError) as error:
        store.changes(1, 10)
    assert error.value.code is ErrorCode.EXPIRED


def test_selectors_choose_and_pages_fill_up(store: EntityStore) -> None:
    for number in range(9):
        done(store, labelled(f"e{number}", {"team": "x" if number % 3 else "y"}))
    page = store.page(DEPLOYMENTS, limit=2, selector=parse_selector("team=y"))
    assert [item.name for item in page.items] == ["e0", "e3"]
    rest = store.page(DEPLOYMENTS, limit=2, selector=parse_selector("team=y"), start=page.following)
    assert [item.name for item in rest.items] == ["e6"]
    assert rest.following is None


def test_a_watcher_with_a_selector_sees_entities_come_and_go(store: EntityStore) -> None:
    done(store, labelled("a", {"team": "x"}))
    done(store, write(Verb.PATCH, "a", {"metadata": {"labels": {"team": "y"}}}))
    done(store, write(Verb.PATCH, "a", {"metadata": {"labels": {"team": "x"}}}))
    events = [event_for(change, parse_selector("team=x")) for change in store.changes(0, 10)]
    assert [event.type if event else None for event in events] == ["ADDED", "DELETED", "ADDED"]
