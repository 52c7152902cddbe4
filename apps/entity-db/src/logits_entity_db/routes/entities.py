"""The routes under /entities: handlers decode, call the database, encode."""

from typing import Annotated, Final

from litestar import Response, Router, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, QueryParameter, RawBody
from litestar.types import ASGIApp

from logits_core.entities.changes import Verb
from logits_core.entities.kinds import KINDS, kind_of
from logits_core.entities.revisions import parse_revision
from logits_core.entities.selectors import parse_selector
from logits_core.errors import ErrorCode, LogitsError
from logits_entity_db.database import Database, Request, schemas
from logits_entity_db.routes.bodies import JSON, MERGE_PATCH, decode, entity_response, json_answer
from logits_shell.web.events import EventStream

KEY_LIMIT: Final = 255
"""Characters that an idempotency key may have."""

ContentType = Annotated[str, HeaderParameter(name="content-type")]
IdempotencyKey = Annotated[str, HeaderParameter(name="idempotency-key")]
LastEventId = Annotated[str, HeaderParameter(name="last-event-id")]
Version = Annotated[str, QueryParameter(name="resourceVersion")]
Select = Annotated[str, QueryParameter(name="labelSelector")]
Limit = Annotated[int, QueryParameter(name="limit", ge=0)]
Continue = Annotated[str, QueryParameter(name="continue")]
Watching = Annotated[bool, QueryParameter(name="watch")]
Db = NamedDependency[Database]


@get("/", operation_id="listKinds", sync_to_thread=False)
def list_kinds() -> Response[bytes]:
    """Return the kinds and their JSON schemas."""
    return Response(schemas(KINDS), media_type=JSON)


@get("/{plural:str}", operation_id="listEntities", sync_to_thread=False)
def list_or_watch(
    plural: FromPath[str],
    database: Db,
    *,
    selector: Select = "",
    limit: Limit = 0,
    token: Continue = "",
    watch: Watching = False,
    version: Version = "",
    last_event_id: LastEventId = "",
) -> ASGIApp:
    """Return a page of entities, or with ``watch=true`` a stream of what happens to them."""
    kind, selects = kind_of(plural), parse_selector(selector)
    if not watch:
        return json_answer(database.list(kind, selects, limit=limit, token=token))
    since = last_event_id or version
    after = parse_revision(since) if since else None
    return EventStream(database.watch(kind, selects, after))


@post("/{plural:str}", operation_id="createEntity")
async def create(
    plural: FromPath[str],
    body: RawBody,
    database: Db,
    content_type: ContentType = "",
    idempotency_key: IdempotencyKey = "",
) -> Response[bytes]:
    """Create an entity; a repetition with the same Idempotency-Key gets the first answer."""
    kind = kind_of(plural)
    if len(idempotency_key) > KEY_LIMIT:
        message = f"Idempotency-Key must have at most {KEY_LIMIT} characters. Shorten it."
        raise LogitsError(ErrorCode.MALFORMED, message, field="Idempotency-Key")
    document = decode(body, content_type, JSON)
    request = Request(Verb.CREATE, kind, body=document, idempotency_key=idempotency_key or None)
    return entity_response(await database.change(request), 201)


@get("/{plural:str}/{name:str}", operation_id="readEntity", sync_to_thread=False)
def read(plural: FromPath[str], name: FromPath[str], database: Db) -> Response[bytes]:
    """Return one entity."""
    return entity_response(database.get(kind_of(plural), name))


@put("/{plural:str}/{name:str}", operation_id="replaceEntity")
async def replace(
    plural: FromPath[str], name: FromPath[str], body: RawBody, database: Db, content_type: ContentType = ""
) -> Response[bytes]:
    """Replace metadata and spec of the revision named in the body."""
    request = Request(Verb.REPLACE, kind_of(plural), name, decode(body, content_type, JSON))
    return entity_response(await database.change(request))


@patch("/{plural:str}/{name:str}", operation_id="patchEntity")
async def merge(
    plural: FromPath[str], name: FromPath[str], body: RawBody, database: Db, content_type: ContentType = ""
) -> Response[bytes]:
    """Merge a patch into metadata and spec."""
    request = Request(Verb.PATCH, kind_of(plural), name, decode(body, content_type, MERGE_PATCH))
    return entity_response(await database.change(request))


@delete("/{plural:str}/{name:str}", operation_id="deleteEntity", status_code=200)
async def remove(plural: FromPath[str], name: FromPath[str], database: Db, version: Version = "") -> Response[bytes]:
    """Delete an entity, or mark it while finalizers remain."""
    if version:
        parse_revision(version)
    request = Request(Verb.DELETE, kind_of(plural), name, resource_version=version or None)
    return entity_response(await database.change(request))


@get("/{plural:str}/{name:str}/status", operation_id="readStatus", sync_to_thread=False)
def read_status(plural: FromPath[str], name: FromPath[str], database: Db) -> Response[bytes]:
    """Return one entity, as the status path does in Kubernetes."""
    return entity_response(database.get(kind_of(plural), name))


@put("/{plural:str}/{name:str}/status", operation_id="replaceStatus")
async def replace_status(
    plural: FromPath[str], name: FromPath[str], body: RawBody, database: Db, content_type: ContentType = ""
) -> Response[bytes]:
    """Replace the status of the revision named in the body."""
    request = Request(Verb.REPLACE_STATUS, kind_of(plural), name, decode(body, content_type, JSON))
    return entity_response(await database.change(request))


@patch("/{plural:str}/{name:str}/status", operation_id="patchStatus")
async def merge_status(
    plural: FromPath[str], name: FromPath[str], body: RawBody, database: Db, content_type: ContentType = ""
) -> Response[bytes]:
    """Merge a patch into the status."""
    request = Request(Verb.PATCH_STATUS, kind_of(plural), name, decode(body, content_type, MERGE_PATCH))
    return entity_response(await database.change(request))


def entity_routes() -> Router:
    """Return every route under ``/entities``."""
    single = (read, replace, merge, remove, read_status, replace_status, merge_status)
    return Router(path="/entities", route_handlers=[list_kinds, list_or_watch, create, *single])
