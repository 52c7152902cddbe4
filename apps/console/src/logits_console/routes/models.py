"""Models: the table, and switching and scaling deployments, by form or by JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template

from logits_console.errors import is_fragment
from logits_console.forms import Change, change_of_form
from logits_console.views import model_rows
from logits_console.world import World
from logits_core.entities.model import Entity
from logits_shell.decoding import read
from logits_shell.web.origin import require_same_origin

PLURAL = "modeldeployments"
AnyRequest = Request[Any, Any, Any]


@get("/models", operation_id="models", sync_to_thread=False)
def models_page(world: NamedDependency[World]) -> Template:
    """Every model: its stage, why, and the switches."""
    rows = model_rows(world.deployments.items, world.models.items)
    deployed = {row.model for row in rows}
    catalogue = [world.models.items[name] for name in sorted(world.models.items) if name not in deployed]
    return Template("models.html", context={"page": "models", "models": rows, "catalogue": catalogue})


@post("/models/{name:str}", operation_id="switchModel", status_code=200)
async def switch_model(
    request: AnyRequest, name: FromPath[str], data: URLEncodedBody[dict[str, str]], world: NamedDependency[World]
) -> Response[Any]:
    """The form of a row: enable, disable, or set the limits."""
    require_same_origin("POST", request.headers)
    change = change_of_form(data)
    await world.client.patch(PLURAL, name, {"spec": change.spec()})
    return _done(request, f"{name}: {change.words()}")


@post("/models", operation_id="createModel", status_code=200)
async def create_model(
    request: AnyRequest, data: URLEncodedBody[dict[str, str]], world: NamedDependency[World]
) -> Response[Any]:
    """Deploy a model of the catalogue under its own name."""
    require_same_origin("POST", request.headers)
    name = data.get("model", "")
    await world.client.create(PLURAL, name, {"model": name, "enabled": True})
    return _done(request, f"{name}: deployed")


@get("/console/models", operation_id="listModels", sync_to_thread=False)
def list_models(world: NamedDependency[World]) -> dict[str, Any]:
    """Every model deployment, for programs."""
    return {"items": [world.deployments.items[name].to_json() for name in sorted(world.deployments.items)]}


@patch("/console/models/{name:str}", operation_id="changeModel")
async def change_model(request: AnyRequest, name: FromPath[str], world: NamedDependency[World]) -> Response[bytes]:
    """Switch or scale a deployment, for programs; no other site's form can send a PATCH."""
    change = read(Change, await request.body())
    changed: Entity = await world.client.patch(PLURAL, name, {"spec": change.spec()})
    return Response(msgspec.json.encode(changed.to_json()), media_type="application/json")


def _done(request: AnyRequest, message: str) -> Response[Any]:
    if is_fragment(request):
        return Template("toast.html", context={"good": True, "message": message})
    return Redirect("/models", status_code=303)
