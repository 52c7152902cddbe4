"""Pages of an organisation's members and of invitations."""

from __future__ import annotations

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template

from logits_accounts.access import MEMBER, PUBLIC
from logits_accounts.adapters.people import SignedIn
from logits_accounts.forms import Form
from logits_accounts.roles import Role
from logits_accounts.services import Services

MAX_FORM_BYTES = 16_384

Fields = URLEncodedBody[dict[str, str]]
Person = NamedDependency[SignedIn]
Visitor = NamedDependency[SignedIn | None]
Named = NamedDependency[Services]


async def _page(services: Services, person: SignedIn, organisation: str, form: Form) -> Template:
    belonging = await services.organisations.enter(person, organisation)
    members, invitations = await services.organisations.members(organisation)
    context = {
        "belonging": belonging,
        "members": members,
        "invitations": invitations,
        "roles": list(Role),
        "form": form,
        "user": person,
    }
    return Template("members.html", context=context, status_code=200 if form.valid else 422)


@get("/organisations/{organisation:str}/members", operation_id="listMembers")
async def list_members(organisation: FromPath[str], person: Person, services: Named) -> Template:
    """Members, roles and open invitations."""
    return await _page(services, person, organisation, Form({}))


@post("/organisations/{organisation:str}/invitations", operation_id="invite")
async def invite(organisation: FromPath[str], data: Fields, person: Person, services: Named) -> Response[Any]:
    """Invite somebody by mail."""
    form = Form(data)
    email, role = form.email(), form.role()
    if form.valid:
        with form.refusals():
            await services.organisations.invite(person, organisation, email, role=role, token=services.new_token())
    if not form.valid:
        return await _page(services, person, organisation, form)
    services.mailer.ring()
    return _back(organisation)


def _back(organisation: str) -> Redirect:
    return Redirect(f"/organisations/{organisation}/members", status_code=303)


@post("/organisations/{organisation:str}/invitations/{invitation:str}/revoke", operation_id="revoke")
async def revoke(organisation: FromPath[str], invitation: FromPath[str], person: Person, services: Named) -> Redirect:
    """Take an invitation back."""
    await services.organisations.revoke(person, organisation, invitation)
    return _back(organisation)


@post("/organisations/{organisation:str}/members/{member:str}/role", operation_id="assignRole")
async def assign_role(
    organisation: FromPath[str], member: FromPath[str], data: Fields, person: Person, services: Named
) -> Response[Any]:
    """Change a member's role."""
    form = Form(data)
    role = form.role()
    if form.valid:
        with form.refusals():
            await services.organisations.assign(person, organisation, member, role)
    return _back(organisation) if form.valid else await _page(services, person, organisation, form)


@post("/organisations/{organisation:str}/members/{member:str}/remove", operation_id="removeMember")
async def remove_member(
    organisation: FromPath[str], member: FromPath[str], person: Person, services: Named
) -> Response[Any]:
    """Remove a member, or leave."""
    form = Form({})
    with form.refusals():
        await services.organisations.assign(person, organisation, member, None)
    if not form.valid:
        return await _page(services, person, organisation, form)
    return Redirect("/", status_code=303) if member == person.user_id else _back(organisation)


@get("/invitations/{token:str}", operation_id="invitationPage", opt=dict(PUBLIC))
async def invitation_page(token: FromPath[str], visitor: Visitor, services: Named) -> Template:
    """What the invitation is about, and how to accept it."""
    invited = await services.organisations.invitation(token)
    context = {"invited": invited, "token": token, "user": visitor}
    return Template("invitation.html", context=context)


@post("/invitations/{token:str}", operation_id="acceptInvitation")
async def accept_invitation(token: FromPath[str], person: Person, services: Named) -> Redirect:
    """Join the organisation."""
    organisation = await services.organisations.accept(person, token)
    return Redirect(f"/organisations/{organisation}", status_code=303)


def member_routes() -> Router:
    """Pages about who belongs to an organisation."""
    handlers = [
        list_members,
        invite,
        revoke,
        assign_role,
        remove_member,
        invitation_page,
        accept_invitation,
    ]
    return Router(path="/", route_handlers=handlers, opt=dict(MEMBER), request_max_body_size=MAX_FORM_BYTES)
