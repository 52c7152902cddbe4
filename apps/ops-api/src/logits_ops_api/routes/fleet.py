"""The fleet pages: every environment at a glance, for a signed-in operator."""

from __future__ import annotations

import json
from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template

from logits_ops_api.access import FORM, PAGE, PUBLIC, SESSION_COOKIE, matches_sha256
from logits_ops_api.services import Services
from logits_ops_api.state import timestamp

SHOWN_LINES = 200
SILENT_SECONDS = 90


@get("/", operation_id="home", opt=dict(PUBLIC))
async def home() -> Redirect:
    """Lead a person who opened the bare address to the fleet."""
    return Redirect("/fleet", status_code=303)


@get("/fleet/sign-in", operation_id="signInPage", opt=dict(PUBLIC))
async def sign_in_page() -> Template:
    """The form that asks for the operator token."""
    return Template("sign_in.html", context={"error": ""})


@post("/fleet/sign-in", operation_id="signIn", opt=dict(FORM), request_max_body_size=4096)
async def sign_in(data: URLEncodedBody[dict[str, str]], services: NamedDependency[Services]) -> Response[Any]:
    """Exchange the operator token for a session cookie."""
    if not matches_sha256(data.get("token", "").strip(), services.settings.operator_token_sha256):
        context = {"error": "This is not the operator token."}
        return Template("sign_in.html", context=context, status_code=401)
    token = services.new_token()
    lifetime = services.settings.operator_session_hours * 3600
    await services.sessions.open(token, expires_at=services.clock() + lifetime)
    return Redirect("/fleet", status_code=303, cookies=[_cookie(services, token, round(lifetime))])


def _cookie(services: Services, token: str, max_age: int) -> Cookie:
    return Cookie(
        key=SESSION_COOKIE,
        value=token,
        max_age=max_age,
        path="/",
        httponly=True,
        samesite="lax",
        secure=services.settings.secure_cookies,
    )


@post("/fleet/sign-out", operation_id="signOut", opt=dict(PAGE))
async def sign_out(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Redirect:
    """End the session."""
    await services.sessions.close(request.cookies.get(SESSION_COOKIE, ""))
    return Redirect("/fleet/sign-in", status_code=303, cookies=[_cookie(services, "", 0)])


@get("/fleet", operation_id="fleet", opt=dict(PAGE))
async def fleet(services: NamedDependency[Services]) -> Template:
    """Every environment with what it runs, what it should run and when it was last heard of."""
    now = services.clock()
    rows = [
        {**state.document(), "silent": state.last_seen_at is None or now - state.last_seen_at > SILENT_SECONDS}
        for state in await services.environments.states()
    ]
    releases = await services.releases.listing()
    published = [
        {"version": r.version, "counter": r.counter, "recalled": r.recalled, "at": timestamp(r.published_at)}
        for r in releases
    ]
    return Template("fleet.html", context={"environments": rows, "releases": published})


@get("/fleet/{environment:str}", operation_id="fleetEnvironment", opt=dict(PAGE))
async def fleet_environment(environment: FromPath[str], services: NamedDependency[Services]) -> Template:
    """One environment with its components and its newest log records."""
    state = await services.environments.state(environment)
    lines = await services.telemetry.newest_lines(environment, SHOWN_LINES)
    records = [_shown(json.loads(record)) for _, record in lines]
    return Template("environment.html", context={"environment": state.document(), "records": records})


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    values = {name: value["value"] for name, value in record.get("values", {}).items()}
    text = record["template"]
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return {**record, "text": text, "at": timestamp(record["time"])}


def fleet_routes() -> Router:
    """The pages for people."""
    handlers = [home, sign_in_page, sign_in, sign_out, fleet, fleet_environment]
    return Router(path="/", route_handlers=handlers)
