"""The SQLite store and the simulator stay equal under any sequence of writes, reads and restarts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from logits_core.entities.changes import Verb, Write
from logits_core.entities.history import event_for
from logits_core.entities.model import Entity, JsonObject
from logits_core.entities.ports import EntityStore
from logits_core.entities.revisions import Continuation
from logits_core.entities.sqlite import SqliteStore
from logits_core.errors import LogitsError
from simulators.entity_store import SimulatedEntityStore
from simulators.entity_writes import DEPLOYMENTS, create, write

NAMES = st.sampled_from(["a", "b", "c"])
PATCHES: st.SearchStrategy[JsonObject] = st.sampled_from(
    [
        {"spec": {"enabled": True}},
        {"spec": {"enabled": False}},
        {"spec": {"maxReplicas": 0}},
        {"metadata": {"labels": {"team": "x"}}},
        {"metadata": {"labels": None}},
        {"metadata": {"finalizers": ["logits.ai/drain"]}},
        {"metadata": {"finalizers": []}},
        {"metadata": {"resourceVersion": "3"}, "spec": {"minReplicas": 0}},
    ]
)
STATUSES: st.SearchStrategy[JsonObject] = st.sampled_from(
    [{"status": {"stage": "Ready"}}, {"status": {"stage": None}}, {"status": {"replicas": -1}}]
)


@st.composite
def writes_of_any_kind(draw: st.DrawFn) -> Write:
    """Any write but a replace, valid or not."""
    name = draw(NAMES)
    match draw(st.sampled_from(["create", "keyed", "patch", "status", "delete"])):
        case "create":
            return create(name)
        case "keyed":
            return create(name, key=draw(st.sampled_from(["k1", "k2"])))
        case "patch":
            return write(Verb.PATCH, name, draw(PATCHES))
        case "status":
            return write(Verb.PATCH_STATUS, name, draw(STATUSES))
        case _:
            return write(Verb.DELETE, name)


def _outcome(answer: Entity | LogitsError) -> object:
    return (answer.code, answer.field) if isinstance(answer, LogitsError) else answer


def _read(store: EntityStore, after: int) -> object:
    try:
        return store.changes(after, 1000)
    except LogitsError as error:
        return error.code


class StoreMachine(RuleBasedStateMachine):
    """Does the same to both stores and compares everything that a client can see."""

    @initialize()
    def start(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "entities.db"
        self.sqlite = SqliteStore(self.path)
        self.model = SimulatedEntityStore()
        self.watched: dict[str, Entity] = {}
        self.watched_to = 0
        self.page: Continuation | None = None

    @rule(writes=st.lists(writes_of_any_kind(), min_size=1, max_size=4))
    def commit(self, writes: list[Write]) -> None:
        real, simulated = self.sqlite.commit(writes), self.model.commit(writes)
        assert [_outcome(answer) for answer in real.answers] == [_outcome(a) for a in simulated.answers]
        assert real.changes == simulated.changes

    @rule(name=NAMES, stale=st.integers(0, 3))
    def replace(self, name: str, stale: int) -> None:
        try:
            current = self.model.get(DEPLOYMENTS, name).to_json()
        except LogitsError:
            return
        version = max(1, int(current["metadata"]["resourceVersion"]) - stale)
        current["metadata"] = {**current["metadata"], "resourceVersion": str(version)}
        self.commit([write(Verb.REPLACE, name, current)])

    @rule(after=st.integers(0, 40))
    def history(self, after: int) -> None:
        assert _read(self.sqlite, after) == _read(self.model, after)

    @rule(keep=st.integers(0, 20))
    def compact(self, keep: int) -> None:
        assert self.sqlite.compact(keep) == self.model.compact(keep)

    @rule()
    def restart(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteStore(self.path)

    @rule(limit=st.integers(1, 3))
    def list_page(self, limit: int) -> None:
        pages: list[object] = []
        for store in (self.sqlite, self.model):
            try:
                pages.append(store.page(DEPLOYMENTS, limit=limit, start=self.page))
            except LogitsError as error:
                pages.append(error.code)
        assert pages[0] == pages[1]
        following = getattr(pages[0], "following", None)
        self.page = following if isinstance(following, Continuation) else None

    @precondition(lambda self: _read(self.model, self.watched_to) != "expired")
    @rule()
    def watch(self) -> None:
        """A watcher that applies events to its own copy ends with the list's world."""
        for change in self.sqlite.changes(self.watched_to, 1000):
            event = event_for(change)
            assert event is not None
            assert change.revision == self.watched_to + 1
            self.watched_to = change.revision
            if event.type == "DELETED":
                del self.watched[event.entity.name]
            else:
                assert (event.type == "MODIFIED") == (event.entity.name in self.watched)
                self.watched[event.entity.name] = event.entity
        listed = {item.name: item for item in self.sqlite.page(DEPLOYMENTS, limit=1000).items}
        assert listed == self.watched

    @invariant()
    def same_world(self) -> None:
        if hasattr(self, "sqlite"):
            assert self.sqlite.revision() == self.model.revision()
            assert self.sqlite.page(DEPLOYMENTS, limit=99) == self.model.page(DEPLOYMENTS, limit=99)

    def teardown(self) -> None:
        if hasattr(self, "sqlite"):
            self.sqlite.close()
            self.directory.cleanup()


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
