"""Members, roles and invitations: who may do what, and that somebody always owns."""

from __future__ import annotations

import re

import pytest

from vendor.accounts import PASSWORD, Browser, Vendor, organisation_of

pytestmark = pytest.mark.anyio

OWNER, ADMIN, MEMBER = "owner@example.com", "admin@example.com", "member@example.com"


async def _team(vendor: Vendor) -> tuple[str, dict[str, Browser]]:
    owner = await vendor.member(OWNER)
    organisation = organisation_of(await owner.get("/"))
    admin = await vendor.invited(owner, organisation, ADMIN, "admin")
    member = await vendor.invited(owner, organisation, MEMBER, "member")
    return organisation, {"owner": owner, "admin": admin, "member": member}


async def _ids(browser: Browser, organisation: str) -> dict[str, str]:
    page = (await browser.get(f"{organisation}/members")).text
    found = re.findall(r'members/([0-9a-f-]{36})/role".*?Role of (\S+?)<', page, re.DOTALL)
    return {email: identity for identity, email in found}


async def test_what_each_role_may_do(vendor: Vendor) -> None:
    organisation, team = await _team(vendor)
    allowed = {
        "owner": {"invite admin", "invite owner", "new environment", "view"},
        "admin": {"invite admin", "new environment", "view"},
        "member": {"view"},
    }
    for role, browser in team.items():
        answers = {
            "invite admin": await browser.post(
                f"{organisation}/invitations", email=f"a-{role}@example.com", role="admin"
            ),
            "invite owner": await browser.post(
                f"{organisation}/invitations", email=f"o-{role}@example.com", role="owner"
            ),
            "new environment": await browser.post(f"{organisation}/environments", name=f"by {role}"),
            "view": await browser.get(f"{organisation}/members"),
        }
        done = {action for action, answer in answers.items() if answer.status_code in (200, 303)}
        assert done == allowed[role]
        refused = {a.status_code for action, a in answers.items() if action not in done}
        assert refused <= {403}


async def test_strangers_learn_nothing(vendor: Vendor) -> None:
    organisation, _ = await _team(vendor)
    stranger = await vendor.member("stranger@example.com", "Elsewhere")
    for path in (organisation, f"{organisation}/members", f"{organisation}/environments/new"):
        assert (await stranger.get(path)).status_code == 404
    assert (await stranger.post(f"{organisation}/environments", name="x")).status_code == 404
    invite = await stranger.post(f"{organisation}/invitations", email="s@example.com", role="member")
    assert invite.status_code == 404
    assert "Acme" not in (await stranger.get("/organisations")).text


async def test_an_organisation_keeps_an_owner(vendor: Vendor) -> None:
    organisation, team = await _team(vendor)
    owner = team["owner"]
    ids = await _ids(owner, organisation)
    path = f"{organisation}/members/{ids[OWNER]}"
    demoted = await owner.post(f"{path}/role", role="member")
    assert demoted.status_code == 422
    assert "at least one owner" in demoted.text
    left = await owner.post(f"{path}/remove")
    assert "at least one owner" in left.text
    assert (await team["admin"].post(f"{path}/remove")).status_code == 403
    assert (await team["admin"].post(f"{organisation}/members/{ids[MEMBER]}/role", role="owner")).status_code == 403
    promoted = await owner.post(f"{organisation}/members/{ids[ADMIN]}/role", role="owner")
    assert promoted.status_code == 303
    assert (await owner.post(f"{path}/remove")).headers["location"] == "/"
    assert (await owner.get(organisation)).status_code == 404


async def test_members_leave_and_are_removed(vendor: Vendor) -> None:
    organisation, team = await _team(vendor)
    ids = await _ids(team["owner"], organisation)
    assert (await team["member"].post(f"{organisation}/members/{ids[ADMIN]}/remove")).status_code == 403
    assert (await team["member"].post(f"{organisation}/members/{ids[MEMBER]}/remove")).status_code == 303
    assert (await team["member"].get(organisation)).status_code == 404
    assert (await team["owner"].post(f"{organisation}/members/{ids[ADMIN]}/remove")).status_code == 303
    assert (await team["admin"].get(organisation)).status_code == 404
    nobody = await team["owner"].post(f"{organisation}/members/{ids[ADMIN]}/role", role="admin")
    assert nobody.status_code == 404
    wrong = await team["owner"].post(f"{organisation}/members/{ids[OWNER]}/role", role="king")
    assert wrong.status_code == 422
    assert "Choose one of the roles" in wrong.text


async def test_an_invitation_is_for_one_address_and_one_use(vendor: Vendor) -> None:
    owner = await vendor.member(OWNER)
    organisation = organisation_of(await owner.get("/"))
    await owner.post(f"{organisation}/invitations", email=MEMBER, role="member")
    (link,) = await vendor.links(MEMBER)
    other = await vendor.member("other@example.com", "Elsewhere")
    assert "Sign in as" in (await other.get(link)).text
    refused = await other.post(link)
    assert refused.status_code == 403
    member = await vendor.browser()
    assert "Sign up" in (await member.get(link)).text
    await member.post("/sign-up", email=MEMBER, password=PASSWORD, next=link)
    await member.post((await vendor.links(MEMBER, "/confirm"))[0], password=PASSWORD)
    assert (await member.post(link)).status_code == 303
    assert (await member.post(link)).status_code == 404
    again = await owner.post(f"{organisation}/invitations", email=MEMBER, role="admin")
    assert again.status_code == 422
    assert "is a member already" in again.text


async def test_invitations_expire_are_replaced_and_taken_back(vendor: Vendor) -> None:
    owner = await vendor.member(OWNER)
    organisation = organisation_of(await owner.get("/"))
    visitor = await vendor.browser()
    for _ in range(2):
        await owner.post(f"{organisation}/invitations", email=MEMBER, role="member")
    newest, replaced = await vendor.links(MEMBER)
    if (await visitor.get(newest)).status_code == 404:
        newest, replaced = replaced, newest
    assert (await visitor.get(newest)).status_code == 200
    assert (await visitor.get(replaced)).status_code == 404
    vendor.clock.now += 7 * 86_400 + 1
    assert (await visitor.get(newest)).status_code == 404
    owner = await vendor.browser()
    await owner.sign_in(OWNER)
    await owner.post(f"{organisation}/invitations", email="late@example.com", role="member")
    (link,) = await vendor.links("late@example.com")
    page = (await owner.get(f"{organisation}/members")).text
    (revoke,) = re.findall(r'action="([^"]+/revoke)"', page)
    assert (await owner.post(revoke)).status_code == 303
    assert (await visitor.get(link)).status_code == 404


async def test_names_are_shown_as_text(vendor: Vendor) -> None:
    browser = await vendor.member(OWNER, "<script>alert(1)</script>")
    page = await browser.get(organisation_of(await browser.get("/")))
    assert "&lt;script&gt;" in page.text
    assert "<script>alert" not in page.text
