"""Signing up, confirming an address, signing in and out."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, URLEncodedBody
from litestar.response import Redirect, Template

from logits_accounts.access import PUBLIC, Access
from logits_accounts.adapters.people import NewPerson, SignedIn
from logits_accounts.forms import Form, local_path
from logits_accounts.services import Services
from logits_core.errors import ErrorCode, LogitsError

MAX_FORM_BYTES = 16_384
NOT_CHOSEN = "This is not the password that you chose when you signed up."
WRONG = "E-mail address or password is wrong. New here? Open the link we mailed you first."

Fields = URLEncodedBody[dict[str, str]]
Next = Annotated[str, QueryParameter(name="next", max_length=300)]
Visitor = NamedDependency[SignedIn | None]
AnyRequest = Request[Any, Any, Any]


def _form(template: str, form: Form, *, next_path: str, visitor: SignedIn | None = None) -> Template:
    status = 200 if form.valid else 422
    context = {"form": form, "next": next_path, "user": visitor}
    return Template(template, context=context, status_code=status)


@get("/sign-up", operation_id="signUpPage")
async def sign_up_page(
    visitor: Visitor, next_path: Next = "/", email: Annotated[str, QueryParameter(max_length=254)] = ""
) -> Template:
    """The form for new people."""
    return _form("sign_up.html", Form({"email": email}), next_path=local_path(next_path), visitor=visitor)


@post("/sign-up", operation_id="signUp", status_code=200)
async def sign_up(data: Fields, services: NamedDependency[Services]) -> Template:
    """Take a sign-up; the answer is the same whether the address is known or not."""
    form, next_path = Form(data), local_path(data.get("next", "/"))
    email, password = form.email(), form.password()
    organisation = form.name("organisation", name="organisation", required=next_path == "/")
    if not form.valid:
        return _form("sign_up.html", form, next_path=next_path)
    hashed = await services.passwords.hash(password)
    await services.people.sign_up(NewPerson(email, hashed, organisation, next_path), services.new_token())
    services.mailer.ring()
    return Template("check_mail.html", context={"email": email, "user": None})


@get("/confirm/{token:str}", operation_id="confirmPage")
async def confirm_page(token: FromPath[str], services: NamedDependency[Services]) -> Template:
    """Ask for the chosen password: only who signed up and reads the mail knows both."""
    pending = await _pending(services, token)
    return Template("confirm.html", context={"form": Form({}), "email": pending.email, "user": None})


async def _pending(services: Services, token: str) -> NewPerson:
    pending = await services.people.pending(token)
    if pending is None:
        raise LogitsError(ErrorCode.NOT_FOUND, "This link is used or older than a day. Sign in, or sign up again.")
    return pending


@post("/confirm/{token:str}", operation_id="confirm", status_code=200)
async def confirm(
    token: FromPath[str], data: Fields, services: NamedDependency[Services], access: NamedDependency[Access]
) -> Response[Any]:
    """Prove the address, make the account and sign in."""
    pending, form = await _pending(services, token), Form(data)
    _check_attempts(services, pending.email)
    if not await services.passwords.verify(data.get("password", ""), pending.password_hash):
        services.attempts.note(pending.email)
        form.errors["password"] = NOT_CHOSEN
        context = {"form": form, "email": pending.email, "user": None}
        return Template("confirm.html", context=context, status_code=422)
    user = await services.people.confirm(token)
    if user is None:
        return Redirect("/sign-in", status_code=303)
    return await _signed_in(services, access, user, pending.next_path)


@get("/sign-in", operation_id="signInPage")
async def sign_in_page(visitor: Visitor, next_path: Next = "/") -> Template:
    """The form for people with an account."""
    return _form("sign_in.html", Form({}), next_path=local_path(next_path), visitor=visitor)


@post("/sign-in", operation_id="signIn", status_code=200)
async def sign_in(
    request: AnyRequest,
    data: Fields,
    services: NamedDependency[Services],
    access: NamedDependency[Access],
) -> Response[Any]:
    """Check the password and start a session under a new id."""
    form, next_path = Form(data), local_path(data.get("next", "/"))
    email, password = form.text("email").lower()[:254], data.get("password", "")[:1000]
    _check_attempts(services, email)
    known = await services.people.credentials(email)
    if not await services.passwords.verify(password, known[1] if known else None) or known is None:
        services.attempts.note(email)
        services.metrics.sign_ins.labels("refused").inc()
        form.errors["password"] = WRONG
        return _form("sign_in.html", form, next_path=next_path)
    services.attempts.clear(email)
    if services.passwords.outdated(known[1]):
        await services.people.set_password_hash(known[0].user_id, await services.passwords.hash(password))
    return await _signed_in(services, access, known[0], next_path, replaces=access.token(request))


def _check_attempts(services: Services, email: str) -> None:
    wait = services.attempts.wait(email)
    if wait > 0:
        services.metrics.sign_ins.labels("throttled").inc()
        minutes = max(1, round(wait / 60))
        raise LogitsError(
            ErrorCode.OVER_LIMIT,
            f"Too many wrong passwords for this address. Try again in about {minutes} min.",
            retry_after=wait,
        )


async def _signed_in(
    services: Services, access: Access, user: SignedIn, next_path: str, *, replaces: str = ""
) -> Redirect:
    token = services.new_token()
    lasts = services.settings.session_days * 86_400
    await services.people.open_session(user.user_id, token, lasts=lasts, replaces=replaces)
    services.metrics.sign_ins.labels("accepted").inc()
    return Redirect(next_path, status_code=303, cookies=[access.cookie(token)])


@post("/sign-out", operation_id="signOut")
async def sign_out(
    request: AnyRequest, services: NamedDependency[Services], access: NamedDependency[Access]
) -> Redirect:
    """End the session."""
    await services.people.close_session(access.token(request))
    return Redirect("/sign-in", status_code=303, cookies=[access.cookie("")])


def sign_in_routes() -> Router:
    """Pages for people who are not signed in yet."""
    handlers = [sign_up_page, sign_up, confirm_page, confirm, sign_in_page, sign_in, sign_out]
    return Router(path="/", route_handlers=handlers, opt=dict(PUBLIC), request_max_body_size=MAX_FORM_BYTES)
