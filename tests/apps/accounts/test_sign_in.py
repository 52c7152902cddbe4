"""Signing up and in: proven addresses, sessions that can't be planted, forms from our own pages only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute

from vendor.accounts import PASSWORD, Browser, Vendor, organisation_of, running
from vendor.stores import rows

pytestmark = pytest.mark.anyio

ADA = "ada@example.com"
COOKIE = "logits-accounts-session"


async def test_sign_up_confirm_and_found_an_organisation(vendor: Vendor) -> None:
    browser = await vendor.browser()
    answer = await browser.post("/sign-up", email=" Ada@Example.com ", password=PASSWORD, organisation="Acme")
    assert "Check your mail" in answer.text
    assert (await browser.sign_in(ADA)).status_code == 422, "the address isn't proven yet"
    (link,) = await vendor.links(ADA)
    assert (await browser.get(link)).status_code == 200
    wrong = await browser.post(link, password="another password")
    assert wrong.status_code == 422
    assert "not the password" in wrong.text
    assert (await browser.post(link, password=PASSWORD)).headers["location"] == "/"
    home = await browser.get(organisation_of(await browser.get("/")))
    assert "Acme" in home.text
    assert "No environment yet" in home.text
    used = await browser.get(link)
    assert used.status_code == 404
    assert "used or older than a day" in used.text


async def test_a_known_address_gets_the_same_answer(vendor: Vendor) -> None:
    await vendor.member(ADA)
    browser = await vendor.browser()
    fields = {"password": PASSWORD, "organisation": "Acme"}
    known = await browser.post("/sign-up", email=ADA, **fields)
    unknown = await browser.post("/sign-up", email="bob@example.com", **fields)
    assert known.text.replace(ADA, "") == unknown.text.replace("bob@example.com", "")
    assert await vendor.links(ADA, "/sign-in") == ["/sign-in"]
    wrong_password = await browser.sign_in(ADA, "not the password")
    wrong_person = await browser.sign_in("eve@example.com", "not the password")
    assert wrong_password.text.replace(ADA, "") == wrong_person.text.replace("eve@example.com", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"email": "ada"}, "not an e-mail address"),
        ({"email": ""}, "Enter an e-mail address"),
        ({"password": "short"}, "at least 10 characters"),
        ({"organisation": ""}, "Give the organisation a name"),
        ({"organisation": "x" * 101}, "at most 100 characters"),
    ],
)
async def test_form_errors_stand_beside_their_field(vendor: Vendor, change: dict[str, str], words: str) -> None:
    browser = await vendor.browser()
    fields = {"email": ADA, "password": PASSWORD, "organisation": "Acme"} | change
    answer = await browser.post("/sign-up", **fields)
    (name,) = change
    assert answer.status_code == 422
    assert f'aria-describedby="{name}-error' in answer.text
    assert words in answer.text
    assert PASSWORD not in answer.text
    assert await vendor.links(ADA) == []


async def test_a_planted_session_is_worth_nothing(vendor: Vendor) -> None:
    await vendor.member(ADA)
    browser = await vendor.browser()
    browser.client.cookies.set(COOKIE, "attackers-choice", domain="127.0.0.1")
    answer = await browser.sign_in(ADA)
    assert answer.status_code == 303
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]
    attacker = await vendor.browser()
    attacker.client.cookies.set(COOKIE, "attackers-choice", domain="127.0.0.1")
    assert (await attacker.get("/organisations")).headers["location"].startswith("/sign-in")


async def test_every_sign_in_gets_a_new_session_and_sign_out_ends_it(vendor: Vendor) -> None:
    browser = await vendor.member(ADA)
    first = browser.client.cookies[COOKIE]
    await browser.sign_in(ADA)
    second = browser.client.cookies[COOKIE]
    assert first != second
    stale = httpx.Cookies({COOKIE: first})
    async with httpx.AsyncClient(base_url=vendor.url, cookies=stale) as old:
        assert (await old.get("/organisations")).status_code == 303
    assert (await browser.get("/organisations")).status_code == 200
    await browser.post("/sign-out")
    async with httpx.AsyncClient(base_url=vendor.url, cookies={COOKIE: second}) as old:
        assert (await old.get("/organisations")).status_code == 303


async def test_sessions_and_links_expire(vendor: Vendor) -> None:
    browser = await vendor.member(ADA)
    vendor.clock.now += vendor.accounts.services.settings.session_days * 86_400 - 1
    assert (await browser.get("/organisations")).status_code == 200
    vendor.clock.now += 1
    assert (await browser.get("/organisations")).status_code == 303
    await browser.post("/sign-up", email="bob@example.com", password=PASSWORD, organisation="B")
    (link,) = await vendor.links("bob@example.com")
    vendor.clock.now += 86_401
    assert (await browser.get(link)).status_code == 404


async def test_forms_from_elsewhere_are_refused(vendor: Vendor) -> None:
    browser = await vendor.member(ADA)
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "origin": vendor.url},
        {"sec-fetch-site": "same-site"},
        {},
    ):
        answer = await browser.client.post("/organisations", data={"name": "Planted"}, headers=headers)
        assert answer.status_code == 403, headers
    assert "Planted" not in (await browser.get("/organisations")).text
    own = {"sec-fetch-site": "same-origin"}
    assert (await browser.client.post("/organisations", data={"name": "Own"}, headers=own)).status_code == 303


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a\nb", "/" + "x" * 301]
)
async def test_signing_in_only_leads_to_our_own_pages(vendor: Vendor, path: str) -> None:
    await vendor.member(ADA)
    browser = await vendor.browser()
    answer = await browser.post("/sign-in", email=ADA, password=PASSWORD, next=path)
    assert answer.headers["location"] == "/"


async def test_guessing_is_slowed_down(vendor: Vendor) -> None:
    await vendor.member(ADA)
    browser = await vendor.browser()
    for _ in range(10):
        assert (await browser.sign_in(ADA, "guess")).status_code == 422
    blocked = await browser.sign_in(ADA)
    assert blocked.status_code == 429
    assert int(blocked.headers["retry-after"]) > 0
    assert (await browser.sign_in("bob@example.com", "guess")).status_code == 422
    vendor.clock.now += 901
    assert (await browser.sign_in(ADA)).status_code == 303


async def test_mail_to_one_address_is_bounded(vendor: Vendor) -> None:
    browser = await vendor.browser()
    for _ in range(15):
        await browser.post("/sign-up", email=ADA, password=PASSWORD, organisation="Acme")
    assert len(await vendor.links(ADA)) == 10
    assert vendor.metric("logits_accounts_mails_dropped_total") == 5


async def test_an_old_hash_is_made_stronger_at_sign_in(vendor: Vendor) -> None:
    from argon2 import PasswordHasher

    await vendor.member(ADA)
    weaker = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1, hash_len=16).hash(PASSWORD)
    url = vendor.accounts.services.settings.store_url()
    rows(url, "UPDATE users SET password_hash = :weaker", weaker=weaker)
    assert (await (await vendor.browser()).sign_in(ADA)).status_code == 303
    ((now,),) = rows(url, "SELECT password_hash FROM users")
    assert now != weaker
    assert (await (await vendor.browser()).sign_in(ADA)).status_code == 303


async def test_pages_are_for_signed_in_people(vendor: Vendor) -> None:
    browser = await vendor.browser()
    checked = 0
    for route in vendor.accounts.asgi.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            access = handler.opt.get("access")
            assert access in ("public", "member", "asset"), route.path
            if access != "member" or handler.http_methods == {"OPTIONS"}:
                continue
            path = route.path
            for parameter in ("organisation", "environment", "member", "invitation", "token"):
                path = path.replace("{" + parameter + ":str}", "any")
            answer = await (browser.get(path) if "GET" in handler.http_methods else browser.post(path))
            assert answer.headers.get("location", "").startswith("/sign-in"), (path, answer.text)
            checked += 1
    assert checked > 15


async def test_every_answer_carries_the_security_headers(vendor: Vendor) -> None:
    browser = await vendor.browser()
    for path in ("/sign-in", "/nothing-here", "/assets/tokens.css", "/assets/copy.js", "/mailbox"):
        answer = await browser.get(path)
        assert "default-src 'none'" in answer.headers["content-security-policy"], path
        assert answer.headers["x-content-type-options"] == "nosniff"
    missing = await browser.get("/nothing-here")
    assert missing.status_code == 404
    assert "This page does not exist" in missing.text


async def test_malformed_requests_get_a_page(vendor: Vendor) -> None:
    browser = await vendor.browser()
    own = {"origin": vendor.url}
    huge = await browser.client.post("/sign-in", data={"email": "x" * 20_000}, headers=own)
    assert huge.status_code == 413
    json = await browser.client.post("/sign-in", json=["email"], headers=own)
    assert json.status_code in (400, 422)
    method = await browser.client.delete("/sign-in", headers=own)
    assert method.status_code == 405
    for answer in (huge, json, method):
        assert "<h1>" in answer.text


async def test_without_the_development_mailbox_there_is_none(tmp_path: Path) -> None:
    smtp: dict[str, Any] = {"smtp_url": "smtp://127.0.0.1:1", "public_url": "https://accounts.example"}
    async with running(tmp_path, development_mailbox=False, **smtp) as vendor:
        browser = await vendor.browser()
        assert (await browser.get("/mailbox")).status_code == 404
        assert "Mailbox" not in (await browser.get("/sign-in")).text


async def test_over_https_the_cookie_insists_on_it(tmp_path: Path) -> None:
    async with running(tmp_path, public_url="https://accounts.example") as vendor:
        browser: Browser = await vendor.browser()
        await browser.post("/sign-up", email=ADA, password=PASSWORD, organisation="Acme")
        answer = await browser.post((await vendor.links(ADA))[0], password=PASSWORD)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-logits-accounts-session=")
        assert "Secure" in cookie
