"""Keys: the page and its forms, and the same for programs."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template

from logits_console.key_forms import KeyWish, Rotation, rotation_of_form, wish_of_form
from logits_console.keys import KeyRow, Keys
from logits_console.world import World
from logits_core.errors import ErrorCode, LogitsError
from logits_core.keys import Minted
from logits_shell.decoding import read
from logits_shell.web.origin import require_same_origin

AnyRequest = Request[Any, Any, Any]


@get("/keys", operation_id="keys")
async def keys_page(keys: NamedDependency[Keys], world: NamedDependency[World]) -> Template:
    """Every key, and the form of a new one."""
    return await _page(keys, world)


@post("/keys", operation_id="createKeyByForm", status_code=200)
async def create_key_by_form(
    request: AnyRequest,
    data: URLEncodedBody[dict[str, str]],
    keys: NamedDependency[Keys],
    world: NamedDependency[World],
) -> Template:
    """Make a key and show it, once."""
    require_same_origin("POST", request.headers)
    wish = wish_of_form(data)
    return await _page(keys, world, wish.name, await keys.create(wish.name, wish.spec()))


@post("/keys/{name:str}", operation_id="changeKeyByForm", status_code=200)
async def change_key_by_form(
    request: AnyRequest,
    name: FromPath[str],
    data: URLEncodedBody[dict[str, str]],
    keys: NamedDependency[Keys],
    world: NamedDependency[World],
) -> Response[Any]:
    """The form of a row: rotate, revoke or delete."""
    require_same_origin("POST", request.headers)
    match data.get("action", ""):
        case "rotate":
            return await _page(keys, world, name, await keys.rotate(name, rotation_of_form(data).overlap))
        case "revoke":
            await keys.revoke(name)
        case "delete":
            await keys.delete(name)
        case _:
            raise LogitsError(ErrorCode.INVALID, "action must be rotate, revoke or delete", field="action")
    return Redirect("/keys", status_code=303)


@get("/console/keys", operation_id="listKeys")
async def list_keys(keys: NamedDependency[Keys]) -> dict[str, Any]:
    """Every key, for programs; no secrets."""
    return {"items": [_fields(row) for row in await keys.rows()]}


@post("/console/keys", operation_id="createKey", status_code=201)
async def create_key(request: AnyRequest, keys: NamedDependency[Keys]) -> dict[str, Any]:
    """Make a key, for programs; its secret is in this answer and never again."""
    _only_json(request)
    wish = read(KeyWish, await request.body())
    return _shown(wish.name, await keys.create(wish.name, wish.spec()))


@post("/console/keys/{name:str}/rotation", operation_id="rotateKey", status_code=200)
async def rotate_key(request: AnyRequest, name: FromPath[str], keys: NamedDependency[Keys]) -> dict[str, Any]:
    """Give a key a new secret, for programs."""
    _only_json(request)
    rotation = read(Rotation, await request.body())
    return _shown(name, await keys.rotate(name, rotation.overlap))


@post("/console/keys/{name:str}/revocation", operation_id="revokeKey", status_code=204)
async def revoke_key(request: AnyRequest, name: FromPath[str], keys: NamedDependency[Keys]) -> None:
    """Refuse a key from now on, for programs."""
    _only_json(request)
    await keys.revoke(name)


@delete("/console/keys/{name:str}", operation_id="deleteKey")
async def delete_key(name: FromPath[str], keys: NamedDependency[Keys]) -> None:
    """Remove a key, for programs; no other site's form can send a DELETE."""
    await keys.delete(name)


def _only_json(request: AnyRequest) -> None:
    # Another site's form can't send this type without asking first.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise LogitsError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send application/json.", field="content-type")


def _shown(name: str, minted: Minted) -> dict[str, Any]:
    return {"name": name, "key": minted.key, "prefix": minted.credential.prefix}


def _fields(row: KeyRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "displayName": row.purpose,
        "state": row.state,
        "prefixes": row.prefixes,
        "createdAt": row.created,
        "until": row.until,
        "models": row.models,
        "limits": row.limits,
    }


async def _page(keys: Keys, world: World, name: str = "", minted: Minted | None = None) -> Template:
    context = {
        "page": "keys",
        "keys": await keys.rows(),
        "models": sorted(world.deployments.items),
        "name": name,
        "secret": minted.key if minted is not None else "",
    }
    return Template("keys.html", context=context)
