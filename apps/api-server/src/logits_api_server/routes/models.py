"""The models that callers may name: list and retrieve."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from logits_api_server.callers import Callers
from logits_api_server.catalog import Catalog, model_object
from logits_core.keys import Grant


def grant_of(request: Request[Any, Any, Any], callers: NamedDependency[Callers]) -> Grant:
    """Return what the caller may do."""
    fields = dict(request.scope["headers"])
    return callers.identify(fields.get(b"authorization"), fields.get(b"x-api-key")).grant


@get(["/v1/models", "/api/v1/models"], operation_id="list_models", sync_to_thread=False)
def list_models(catalog: NamedDependency[Catalog], grant: NamedDependency[Grant]) -> dict[str, Any]:
    """List the enabled models that the caller may call."""
    found = [model_object(deployment) for deployment in catalog.enabled() if grant.allows(deployment.name)]
    ends = {"first_id": found[0]["id"] if found else None, "last_id": found[-1]["id"] if found else None}
    return {"object": "list", "data": found, "has_more": False, **ends}


@get(["/v1/models/{model:path}", "/api/v1/models/{model:path}"], operation_id="get_model", sync_to_thread=False)
def get_model(model: FromPath[str], catalog: NamedDependency[Catalog], grant: NamedDependency[Grant]) -> dict[str, Any]:
    """Return one enabled model that the caller may call."""
    name = model.removeprefix("/")
    grant.require(name)
    return model_object(catalog.require(name, grant))


def model_routes() -> Router:
    """Return the routes."""
    provide = Provide(grant_of, sync_to_thread=False)
    return Router("/", route_handlers=[list_models, get_model], dependencies={"grant": provide})
