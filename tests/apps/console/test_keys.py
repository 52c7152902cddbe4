"""Keys in the Console: made and shown once, rotated with an overlap, revoked, and refused field by field."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.console.conftest import SAME_SITE, Console
from logits_core.errors import LogitsError
from logits_core.keys import ApiKeySpec, KeyRing

pytestmark = pytest.mark.anyio
PAGE = {"accept": "text/html", **SAME_SITE}


def secret_in(page: str) -> str:
    found = re.search(r"<code data-secret>([^<]+)</code>", page)
    return html.unescape(found[1]) if found else ""


async def ring(console: Console) -> KeyRing:
    found, _ = await console[1].list("apikeys")
    specs = {entity.name: ApiKeySpec.model_validate(entity.spec, by_alias=True) for entity in found}
    return KeyRing(specs, required=True)


async def test_a_key_is_made_by_the_form_and_shown_once(console: Console) -> None:
    http, entities = console
    form = {"name": "team", "displayName": "Search", "models": "demo, other", "requestsPerMinute": "60"}
    made = await http.post("/keys", data={**form, "expires": "2099-01-31"}, headers=PAGE)
    key = secret_in(made.text)
    assert made.headers["cache-control"] == "no-store"
    grant = (await ring(console)).authenticate(key, datetime.now(UTC))
    assert grant.models == {"demo", "other"}
    assert grant.limits.requests_per_minute == 60
    again = (await http.get("/keys", headers=PAGE)).text
    assert key not in again
    assert key[:13] in again
    assert "60 requests/min" in again
    assert key not in (await entities.get("apikeys", "team")).model_dump_json()


async def test_a_rotation_lets_the_old_secret_live_on_for_a_while(console: Console) -> None:
    http, _ = console
    old = secret_in((await http.post("/keys", data={"name": "team"}, headers=PAGE)).text)
    rotation = {"action": "rotate", "overlapHours": "2"}
    new = secret_in((await http.post("/keys/team", data=rotation, headers=PAGE)).text)
    keys, now = await ring(console), datetime.now(UTC)
    for key, at in ((old, now), (new, now), (new, now + timedelta(hours=3))):
        assert keys.authenticate(key, at).name == "team"
    with pytest.raises(LogitsError):
        keys.authenticate(old, now + timedelta(hours=3))
    assert "rotating" in (await http.get("/keys", headers=PAGE)).text


async def test_a_key_is_revoked_and_then_deleted(console: Console) -> None:
    http, entities = console
    key = secret_in((await http.post("/keys", data={"name": "team"}, headers=PAGE)).text)
    assert (await http.post("/keys/team", data={"action": "revoke"}, headers=PAGE)).status_code == 303
    with pytest.raises(LogitsError, match="revoked"):
        (await ring(console)).authenticate(key, datetime.now(UTC))
    refused = await http.post("/keys/team", data={"action": "rotate"}, headers=SAME_SITE)
    assert refused.status_code == 409
    assert (await http.post("/keys/team", data={"action": "delete"}, headers=PAGE)).status_code == 303
    assert await entities.list("apikeys") == ([], (await entities.list("apikeys"))[1])


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        ("/keys", {"name": "No!"}, "name"),
        ("/keys", {"name": "a", "requestsPerMinute": "many"}, "requestsPerMinute"),
        ("/keys", {"name": "a", "requestsPerMinute": "0"}, "requestsPerMinute"),
        ("/keys", {"name": "a", "models": "No!"}, "models"),
        ("/keys", {"name": "a", "expires": "soon"}, "expiresAt"),
        ("/keys/nobody", {"action": "revoke"}, "nobody"),
        ("/keys/nobody", {"action": "rotate", "overlapHours": "99999"}, "overlap"),
        ("/keys/nobody", {"action": "x"}, "action"),
    ],
)
async def test_a_bad_form_is_refused_and_changes_nothing(
    console: Console, path: str, form: dict[str, str], said: str
) -> None:
    http, entities = console
    refused = await http.post(path, data=form, headers=SAME_SITE)
    assert 400 <= refused.status_code < 500
    assert said in refused.text
    assert (await entities.list("apikeys"))[0] == []


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "cross-site"}])
async def test_another_sites_form_changes_nothing(console: Console, headers: dict[str, str]) -> None:
    http, entities = console
    assert (await http.post("/keys", data={"name": "team"}, headers=headers)).status_code == 403
    plain = await http.post("/console/keys", content=b'{"name":"team"}', headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    assert (await entities.list("apikeys"))[0] == []


async def test_programs_make_rotate_revoke_and_delete_keys(console: Console) -> None:
    http, _ = console
    wish: dict[str, Any] = {"name": "job", "concurrency": 2, "models": ["demo"]}
    made = await http.post("/console/keys", json=wish)
    assert made.status_code == 201
    assert made.json()["key"].startswith(made.json()["prefix"])
    twice = await http.post("/console/keys", json=wish)
    assert twice.status_code == 409
    fresh = await http.post("/console/keys/job/rotation", json={"overlapHours": 0})
    keys = await ring(console)
    assert keys.authenticate(fresh.json()["key"], datetime.now(UTC)).limits.concurrency == 2
    with pytest.raises(LogitsError):
        keys.authenticate(made.json()["key"], datetime.now(UTC))
    listed = (await http.get("/console/keys")).json()["items"]
    assert [(row["name"], row["state"], row["limits"]) for row in listed] == [("job", "active", ["2 at once"])]
    assert (await http.post("/console/keys/job/revocation", json={})).status_code == 204
    assert (await http.get("/console/keys")).json()["items"][0]["state"] == "revoked"
    assert (await http.delete("/console/keys/job")).status_code == 204
    assert (await http.post("/console/keys", json={"name": "a", "nope": 1})).status_code in {400, 422}
