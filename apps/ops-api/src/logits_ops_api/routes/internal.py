"""Routes for Accounts: announce environments and follow their registration live."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from litestar import Response, Router, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody
from litestar.types import ASGIApp

from logits_core.errors import ErrorCode, LogitsError
from logits_ops_api.access import SERVICE
from logits_ops_api.schemas import EnvironmentKey
from logits_ops_api.services import Services
from logits_shell.decoding import read
from logits_shell.web.events import EventStream, encode_event

REFRESH_SECONDS = 30.0
"""How often a follower gets the state although nothing changed: last contact moves silently."""


@put("/{environment:str}", operation_id="putEnvironment", request_max_body_size=4096)
async def put_environment(
    environment: FromPath[str], body: RawBody, services: NamedDependency[Services]
) -> Response[dict[str, Any]]:
    """Announce an environment or its new key; safe to repeat."""
    created = await services.environments.put(_identity(environment), read(EnvironmentKey, body))
    services.changes.publish(environment)
    state = await services.environments.state(environment)
    return Response(state.document(), status_code=201 if created else 200)


def _identity(environment: str) -> str:
    try:
        canonical = str(UUID(environment)) == environment
    except ValueError:
        canonical = False
    if not canonical:
        raise LogitsError(ErrorCode.INVALID, "an envID is a UUID in lower case", field="environment")
    return environment


@delete("/{environment:str}", operation_id="deleteEnvironment", status_code=204)
async def delete_environment(environment: FromPath[str], services: NamedDependency[Services]) -> None:
    """Forget an environment and all its telemetry; safe to repeat."""
    await services.environments.remove(environment)
    services.changes.publish(environment)


@get("/{environment:str}", operation_id="getRegistration")
async def get_registration(environment: FromPath[str], services: NamedDependency[Services]) -> dict[str, Any]:
    """The state behind the registration checklist."""
    return (await services.environments.state(environment)).document()


@get("/{environment:str}/events", operation_id="followRegistration")
async def follow_registration(environment: FromPath[str], services: NamedDependency[Services]) -> ASGIApp:
    """The state now and after every change, as server-sent events."""
    await services.environments.state(environment)
    return EventStream(_states(environment, services))


async def _states(environment: str, services: Services) -> AsyncGenerator[bytes, None]:
    with services.changes.watch(environment) as watch:
        while not services.changes.closing:
            try:
                state = await services.environments.state(environment)
            except LogitsError:
                return
            yield encode_event(state.document(), event="state")
            await watch.next(REFRESH_SECONDS)


def internal_routes() -> Router:
    """Everything below ``/internal/v1/environments``."""
    handlers = [
        put_environment,
        delete_environment,
        get_registration,
        follow_registration,
    ]
    return Router(path="/internal/v1/environments", route_handlers=handlers, opt=dict(SERVICE))
