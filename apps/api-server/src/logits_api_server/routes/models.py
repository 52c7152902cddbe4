"""The models that callers may name: list and retrieve."""

from __future__ import annotations

from typing import Any

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from logits_api_server.catalog import Catalog, model_object


@get(["/v1/models", "/api/v1/models"], operation_id="list_models", sync_to_thread=False)
def list_models(catalog: NamedDependency[Catalog]) -> dict[str, Any]:
    """List the enabled models."""
    return {"object": "list", "data": [model_object(deployment) for deployment in catalog.enabled()]}


@get(["/v1/models/{model:str}", "/api/v1/models/{model:str}"], operation_id="get_model", sync_to_thread=False)
def get_model(model: FromPath[str], catalog: NamedDependency[Catalog]) -> dict[str, Any]:
    """Return one enabled model."""
    return model_object(catalog.require(model))


def model_routes() -> Router:
    """Return the routes."""
    return Router("/", route_handlers=[list_models, get_model])
