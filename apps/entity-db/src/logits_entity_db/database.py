"""One running database: the store, its writer and its watches, as the routes use them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

import msgspec

from logits_core.entities.changes import Verb, Write, name_in
from logits_core.entities.kinds import Kind
from logits_core.entities.model import Entity, JsonObject
from logits_core.entities.ports import EntityStore
from logits_core.entities.revisions import parse_continuation
from logits_core.entities.selectors import Selector
from logits_core.entities.status import status_of
from logits_core.errors import ErrorCode, LogitsError
from logits_entity_db.adapters.writer import Writer
from logits_entity_db.watches import Sighting, Watches
from logits_shell.web.events import encode_event


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks to be changed, decoded but not yet judged.

    Attributes:
        verb: what to do.
        kind: the kind in the path.
        name: the name in the path; empty for a create.
        body: the decoded body.
        resource_version: from the query, as a precondition of a delete.
        idempotency_key: from the header, for a create.
    """

    verb: Verb
    kind: Kind
    name: str = ""
    body: JsonObject | None = None
    resource_version: str | None = None
    idempotency_key: str | None = None


class Database:
    """What the routes call.

    Reads run on the event loop: they are microseconds from the page cache, and a thread costs more.

    Args:
        store: reads.
        writer: writes.
        watches: follows.
        now: returns the time.
        new_uid: makes identifiers for new entities.
        page_limit: entities on one page of a list, at most.
    """

    def __init__(
        self,
        store: EntityStore,
        writer: Writer,
        watches: Watches,
        *,
        now: Callable[[], datetime],
        new_uid: Callable[[], str],
        page_limit: int,
    ) -> None:
        self._store = store
        self._writer = writer
        self._watches = watches
        self._now = now
        self._new_uid = new_uid
        self._page_limit = page_limit

    async def change(self, request: Request) -> Entity:
        """Carry out a change and return the entity that answers it, once it is durable."""
        body = request.body or {}
        write = Write(
            verb=request.verb,
            kind=request.kind,
            name=request.name or name_in(body),
            body=body,
            now=self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            uid=self._new_uid(),
            resource_version=request.resource_version,
            idempotency_key=request.idempotency_key,
        )
        return await self._writer.submit(write)

    def get(self, kind: Kind, name: str) -> Entity:
        """Return one entity."""
        return self._store.get(kind, name)

    def list(self, kind: Kind, selector: Selector, *, limit: int | None, token: str) -> JsonObject:
        """Return one page of a list as it travels."""
        start = parse_continuation(token) if token else None
        bound = min(limit or self._page_limit, self._page_limit)
        page = self._store.page(kind, limit=bound, selector=selector, start=start)
        following = {"continue": page.following.to_token()} if page.following else {}
        return {
            "kind": f"{kind.name}List",
            "metadata": {"resourceVersion": str(page.revision), **following},
            "items": [entity.to_json() for entity in page.items],
        }

    def watch(self, kind: Kind, selector: Selector, after: int | None) -> AsyncGenerator[bytes, None]:
        """Return the frames of a watch; without a revision it begins with everything there is.

        Raises:
            LogitsError: ``EXPIRED`` or ``OVER_LIMIT``, before the first frame.
        """
        existing: tuple[Entity, ...] = ()
        if after is None:
            page = self._store.page(kind, limit=self._page_limit, selector=selector)
            if page.following:
                raise LogitsError(
                    ErrorCode.EXPIRED,
                    f"There are more than {self._page_limit} entities. List them page by page, "
                    "and watch from the list's resourceVersion.",
                    field="resourceVersion",
                )
            existing, after = page.items, page.revision
        self._watches.admit(after)
        return self._frames(kind, selector, existing, after)

    async def _frames(
        self, kind: Kind, selector: Selector, existing: tuple[Entity, ...], after: int
    ) -> AsyncGenerator[bytes, None]:
        for entity in existing:
            yield encode_event({"type": "ADDED", "object": entity.to_json()})
        try:
            async with aclosing(self._watches.follow(kind, selector, after)) as sightings:
                async for sighting in sightings:
                    yield _frame(kind, sighting)
        except LogitsError as error:
            yield encode_event({"type": "ERROR", "object": status_of(error)})


def _frame(kind: Kind, sighting: Sighting) -> bytes:
    revision = str(sighting.revision)
    if sighting.event is None:
        bookmark = {"kind": kind.name, "metadata": {"resourceVersion": revision}}
        return encode_event({"type": "BOOKMARK", "object": bookmark}, identity=revision)
    event = {"type": sighting.event.type, "object": sighting.event.entity.to_json()}
    return encode_event(event, identity=revision)


def schemas(kinds: tuple[Kind, ...]) -> bytes:
    """Return the document of ``GET /entities``: the kinds with their JSON schemas."""
    return msgspec.json.encode({"kind": "KindList", "items": [kind.schema() for kind in kinds]})
