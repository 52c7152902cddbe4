"""Pages of environments: make one, show its key once, follow its registration live, rotate, delete."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import anyio
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template
from litestar.types import ASGIApp

from logits_accounts.access import MEMBER
from logits_accounts.adapters.people import SignedIn
from logits_accounts.checklist import checklist
from logits_accounts.forms import Form
from logits_accounts.install import HIDDEN_KEY, install_command
from logits_accounts.keys import EnvironmentKey
from logits_accounts.services import Services
from logits_core.errors import LogitsError
from logits_shell.web.events import EventStream, encode_event

MAX_FORM_BYTES = 16_384
FOLLOW_SECONDS = 900.0
"""How long one live connection lasts; the browser comes back by itself and is asked who it is again."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0

Fields = URLEncodedBody[dict[str, str]]
Person = NamedDependency[SignedIn]
Named = NamedDependency[Services]


@get("/organisations/{organisation:str}/environments/new", operation_id="newEnvironmentPage")
async def new_environment_page(organisation: FromPath[str], person: Person, services: Named) -> Template:
    """The form for a new environment."""
    belonging = await services.organisations.enter(person, organisation)
    return Template("new_environment.html", context={"belonging": belonging, "form": Form({}), "user": person})


@post("/organisations/{organisation:str}/environments", operation_id="createEnvironment", status_code=200)
async def create_environment(organisation: FromPath[str], data: Fields, person: Person, services: Named) -> Template:
    """Make an environment and show its key, this once."""
    belonging, form = await services.organisations.enter(person, organisation), Form(data)
    name, environment, key = form.name("environment"), services.new_id(), services.new_key()
    if form.valid:
        with form.refusals():
            await services.environments.create(person, organisation, name, environment=environment, key=key)
    if not form.valid:
        context = {"belonging": belonging, "form": form, "user": person}
        return Template("new_environment.html", context=context, status_code=422)
    services.announcer.ring()
    return await _page(services, person, environment, key=key)


async def _page(
    services: Services,
    person: SignedIn,
    environment: str,
    *,
    key: EnvironmentKey | None = None,
    form: Form | None = None,
) -> Template:
    found, belonging = await services.environments.enter(person, environment)
    form = form or Form({})
    created = datetime.fromtimestamp(found.key_created_at, UTC).isoformat(timespec="seconds")
    settings = services.settings
    context = {
        "environment": found,
        "belonging": belonging,
        "key": key.text if key else "",
        "command": install_command(settings.chart, found.id, key.text if key else HIDDEN_KEY, settings.install_options),
        "rows": checklist({"keyId": found.key_id, "createdAt": created}, services.clock()),
        "form": form,
        "user": person,
    }
    return Template("environment.html", context=context, status_code=200 if form.valid else 422)


@get("/environments/{environment:str}", operation_id="showEnvironment")
async def show_environment(environment: FromPath[str], person: Person, services: Named) -> Template:
    """Identity, install command and live registration of one environment."""
    return await _page(services, person, environment)


@post("/environments/{environment:str}/rotate", operation_id="rotateKey", status_code=200)
async def rotate_key(environment: FromPath[str], person: Person, services: Named) -> Template:
    """Replace the key and show the new one, this once."""
    key = services.new_key()
    await services.environments.rotate(person, environment, key)
    services.announcer.ring()
    return await _page(services, person, environment, key=key)


@post("/environments/{environment:str}/delete", operation_id="deleteEnvironment")
async def delete_environment(
    environment: FromPath[str], data: Fields, person: Person, services: Named
) -> Response[Any]:
    """Delete an environment after its name was typed."""
    form, organisation = Form(data), ""
    with form.refusals():
        organisation = await services.environments.delete(person, environment, form.text("confirmation"))
    if not form.valid:
        return await _page(services, person, environment, form=form)
    services.announcer.ring()
    return Redirect(f"/organisations/{organisation}", status_code=303)


@get("/environments/{environment:str}/events", operation_id="followEnvironment")
async def follow_environment(environment: FromPath[str], person: Person, services: Named) -> ASGIApp:
    """The checklist now and after every change, as server-sent events."""
    await services.environments.enter(person, environment)
    return EventStream(_follow(environment, services))


async def _follow(environment: str, services: Services) -> AsyncGenerator[bytes, None]:
    borrower, deadline, pause = object(), time.monotonic() + FOLLOW_SECONDS, FIRST_PAUSE
    try:
        services.followers.acquire_on_behalf_of_nowait(borrower)
    except anyio.WouldBlock:
        services.metrics.followers_refused.inc()
        yield encode_event({"message": "Too many pages follow live right now."}, event="unreachable")
        return
    try:
        while time.monotonic() < deadline:
            try:
                async with aclosing(services.ops_api.follow(environment)) as states:
                    async for state in states:
                        yield encode_event({"rows": checklist(state, services.clock())}, event="checklist")
                        pause = FIRST_PAUSE
            except LogitsError as error:
                yield encode_event({"message": error.message}, event="unreachable")
            await anyio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
    finally:
        services.followers.release_on_behalf_of(borrower)


def environment_routes() -> Router:
    """Pages about environments."""
    handlers = [
        new_environment_page,
        create_environment,
        show_environment,
        rotate_key,
        delete_environment,
        follow_environment,
    ]
    return Router(path="/", route_handlers=handlers, opt=dict(MEMBER), request_max_body_size=MAX_FORM_BYTES)
