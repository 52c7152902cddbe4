"""Keys and Usage in a browser: a key is made, used, rotated and revoked, and its use is drawn and counted."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from cluster.under_test import Platform, eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
QUESTION = {"model": "logits-demo", "messages": [{"role": "user", "content": "What is the Gateway?"}], "max_tokens": 5}


def ask(platform: Platform, key: str) -> httpx.Response:
    fields = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{platform.url}/api/v1/chat/completions", json=QUESTION, headers=fields, timeout=60)


def test_a_key_is_made_used_rotated_and_revoked(platform: Platform, page: Page) -> None:
    platform.switch(True)
    eventually(lambda: platform.stage() == "Ready", "the model to answer")
    page.goto(f"{platform.url}/keys")
    page.get_by_label("Name", exact=True).fill("browser-team")
    page.get_by_label("What it is for").fill("A test")
    page.get_by_label("Requests per minute").fill("1000")
    page.get_by_role("button", name="Create the key").press("Enter")
    shown = page.locator("[data-secret]")
    expect(shown).to_be_visible()
    key = shown.inner_text()
    row = page.get_by_role("row").filter(has_text="browser-team")
    expect(row).to_contain_text("active")
    expect(row).to_contain_text("1,000 requests/min")

    eventually(lambda: "x-ratelimit-limit-requests" in ask(platform, key).headers, "the key to be known")
    assert ask(platform, key).status_code == 200
    page.goto(f"{platform.url}/keys")
    expect(row).to_be_visible()
    expect(shown).to_have_count(0)
    assert key not in page.content(), "a key is shown once"

    row.get_by_text("Rotate", exact=True).click()
    page.get_by_role("button", name="Rotate browser-team").click()
    expect(page.get_by_text("The key of browser-team")).to_be_visible()
    assert shown.inner_text() != key
    expect(row).to_contain_text("rotating")
    page.get_by_role("button", name="Revoke browser-team").click()
    expect(row).to_contain_text("revoked")
    expect(shown).to_have_count(0)
    eventually(lambda: "x-ratelimit-limit-requests" not in ask(platform, key).headers, "the key to be of no use")

    see_the_use(page)
    page.get_by_role("link", name="Keys").click()
    page.get_by_role("button", name="Delete browser-team").click()
    expect(page.get_by_role("button", name="Delete browser-team")).to_have_count(0)


def see_the_use(page: Page) -> None:
    page.get_by_role("link", name="Usage").click()
    page.get_by_label("By", exact=True).select_option("key")
    page.get_by_label("Figure").select_option("requests")
    page.get_by_role("button", name="Show").click()
    eventually(lambda: _counted(page), "the use to be drawn")
    counted = page.get_by_role("row").filter(has_text="browser-team").get_by_role("cell")
    assert int(counted.first.inner_text()) >= 1
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert "browser-team,logits-demo" in download.value.path().read_text(encoding="utf-8")


def _counted(page: Page) -> bool:
    page.reload()
    drawn = page.locator("svg.chart rect title").all_text_contents()
    return any(title.startswith("browser-team: ") for title in drawn)
