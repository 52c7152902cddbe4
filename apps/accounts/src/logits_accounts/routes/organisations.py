"""Pages of organisations: choose one, found one, see its environments."""

from __future__ import annotations

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template

from logits_accounts.access import MEMBER
from logits_accounts.adapters.people import SignedIn
from logits_accounts.forms import Form
from logits_accounts.services import Services

MAX_FORM_BYTES = 16_384

Fields = URLEncodedBody[dict[str, str]]
Person = NamedDependency[SignedIn]
Named = NamedDependency[Services]


@get("/", operation_id="home")
async def home(person: Person, services: Named) -> Response[Any]:
    """Lead to the only organisation, or let choose."""
    organisations = await services.organisations.of(person)
    if len(organisations) == 1:
        return Redirect(f"/organisations/{organisations[0][0].organisation_id}", status_code=303)
    context = {"organisations": organisations, "form": Form({}), "user": person}
    return Template("organisations.html", context=context)


@get("/organisations", operation_id="listOrganisations")
async def list_organisations(person: Person, services: Named) -> Template:
    """All organisations of the person, and a form for another."""
    organisations = await services.organisations.of(person)
    context = {"organisations": organisations, "form": Form({}), "user": person}
    return Template("organisations.html", context=context)


@post("/organisations", operation_id="foundOrganisation")
async def found_organisation(data: Fields, person: Person, services: Named) -> Response[Any]:
    """Found an organisation."""
    form = Form(data)
    name = form.name("organisation")
    if form.valid:
        organisation = await services.organisations.found(person, name)
        return Redirect(f"/organisations/{organisation}", status_code=303)
    organisations = await services.organisations.of(person)
    context = {"organisations": organisations, "form": form, "user": person}
    return Template("organisations.html", context=context, status_code=422)


@get("/organisations/{organisation:str}", operation_id="showOrganisation")
async def show_organisation(organisation: FromPath[str], person: Person, services: Named) -> Template:
    """The organisation's environments."""
    belonging = await services.organisations.enter(person, organisation)
    environments = await services.environments.of(organisation)
    context = {"belonging": belonging, "environments": environments, "user": person}
    return Template("organisation.html", context=context)


def organisation_routes() -> Router:
    """Pages for signed-in people."""
    handlers = [home, list_organisations, found_organisation, show_organisation]
    return Router(path="/", route_handlers=handlers, opt=dict(MEMBER), request_max_body_size=MAX_FORM_BYTES)
