"""Pages that only show: overview, the release plan as JSON, playground, API sample."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Template

from logits_console.views import attention, component_rows, model_rows, release_cells
from logits_console.world import World


@get("/", operation_id="overview")
async def overview_page(world: NamedDependency[World]) -> Template:
    """Health at a glance: what needs attention, components, models, the release."""
    rows = model_rows(world.deployments.items, world.models.items)
    components = component_rows(world.components.items)
    gateway = await world.gateway_status()
    context = {
        "page": "overview",
        "models": rows,
        "components": components,
        "release": release_cells(gateway),
        "gateway": gateway or {},
        "attention": attention(rows, components, gateway),
    }
    return Template("overview.html", context=context)


@get("/release", operation_id="release")
async def release_plan(world: NamedDependency[World]) -> dict[str, Any]:
    """What the Gateway knows of releases and plans next, as JSON for ``logits gateway plan``."""
    return await world.gateway.status()


@get("/playground", operation_id="playground", sync_to_thread=False)
def playground_page(world: NamedDependency[World]) -> Template:
    """A conversation with a model."""
    rows = [row for row in model_rows(world.deployments.items, world.models.items) if row.enabled]
    return Template("playground.html", context={"page": "playground", "models": rows})


@get("/code", operation_id="code", sync_to_thread=False)
def code_page(request: Request[Any, Any, Any], world: NamedDependency[World]) -> Template:
    """How an application calls the API, with this platform's address and models filled in."""
    rows = [row for row in model_rows(world.deployments.items, world.models.items) if row.enabled]
    context = {
        "page": "code",
        "base_url": f"{request.headers.get('x-forwarded-proto', 'http')}://{request.headers.get('host', '')}/api/v1",
        "model": rows[0].name if rows else "logits-demo",
        "models": rows,
    }
    return Template("code.html", context=context)
