"""Accounts in a browser: sign up, create an environment, and watch the checklist turn green as a cluster joins."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from cluster.under_test import Platform, eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
STEPS = ("key", "gateway", "controller", "hardware", "components", "model")


@contextmanager
def joined(platform: Platform, env_id: str, env_key: str) -> Generator[None, None, None]:
    """Let the running cluster belong to another environment, and give it back afterwards."""
    before = json.loads(platform.kubectl("get", "secret", "logits-environment", "-o", "json"))["data"]
    own = {name: base64.b64encode(value.encode()).decode() for name, value in (("envID", env_id), ("envKey", env_key))}
    try:
        _identify(platform, own)
        yield
    finally:
        _identify(platform, before)
        eventually(lambda: platform.environment()["release"]["state"] == "Ready", "the old environment", seconds=120)


def _identify(platform: Platform, data: dict[str, str]) -> None:
    platform.kubectl("patch", "secret", "logits-environment", "--type=merge", "-p", json.dumps({"data": data}))
    platform.kubectl("delete", "pod", "-l", "logits.ai/component=gateway")


def _sign_up(page: Page, url: str, mail: str, password: str) -> None:
    page.goto(url)
    page.get_by_role("link", name="Sign up").first.click()
    page.get_by_label("E-mail address").fill(mail)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("Organisation").fill("Test organisation")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Sign up")
    page.goto(f"{url}/mailbox")
    page.locator(f'article[aria-label="Mail to {mail}"]').get_by_role("link", name="Open the link").click()
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Confirm and sign in").click()


def _create_environment(page: Page) -> tuple[str, str]:
    page.get_by_role("link", name="New environment").first.click()
    page.get_by_label("Name", exact=True).fill("From the browser")
    page.get_by_role("button", name="Create environment").click()
    expect(page.locator("#install-command")).to_contain_text("helm install")
    return page.locator("#env-id").inner_text().strip(), page.locator("#env-key").inner_text().strip()


def test_sign_up_and_watch_the_checklist_turn_green(platform: Platform, page: Page) -> None:
    expect.set_options(timeout=120_000)
    mail = f"new-{secrets.token_hex(4)}@example.com"
    _sign_up(page, platform.accounts_url, mail, secrets.token_urlsafe(16))
    env_id, env_key = _create_environment(page)
    expect(page.locator('li[data-step="key"]')).to_have_attribute("data-status", "ok")
    expect(page.locator('li[data-step="gateway"]')).to_have_attribute("data-status", "waiting")
    with joined(platform, env_id, env_key):
        for step in STEPS:
            expect(page.locator(f'li[data-step="{step}"]')).to_have_attribute("data-status", "ok")
    page.reload()
    expect(page.locator("#env-id")).to_have_text(env_id)
    assert env_key not in page.content()


def test_a_wrong_password_is_told_beside_the_form(platform: Platform, page: Page) -> None:
    page.goto(platform.accounts_url)
    page.get_by_label("E-mail address").fill("you@logits.local")
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("E-mail address or password is wrong")).to_be_visible()
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")
