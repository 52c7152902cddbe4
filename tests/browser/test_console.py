"""The Console in a browser: enable a model, chat, see the audit entries, all by keyboard and live."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from cluster.under_test import Platform, eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
expect.set_options(timeout=90_000)


def test_enable_a_model_chat_and_see_the_audit_log(platform: Platform, page: Page) -> None:
    platform.switch(False)
    eventually(lambda: platform.stage() == "Disabled", "the model to be off")
    page.goto(f"{platform.url}/models")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    enable = page.get_by_role("button", name="Enable logits-demo")
    enable.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("logits-demo: enabled")).to_be_visible()
    expect(page.locator('[data-cell="m.logits-demo.stage"]')).to_have_text("Ready")

    page.get_by_role("link", name="Playground").click()
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    page.get_by_label("Your message").fill("What is the Gateway?")
    page.keyboard.press("Enter")
    answer = page.locator('.messages li[data-role="assistant"] span')
    expect(answer).not_to_be_empty()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    assert "cluster" in answer.inner_text().lower() or "kubernetes" in answer.inner_text().lower()
    expect(page.locator(".messages [data-route]")).to_contain_text("endpoint=logits-llm-logits-demo")

    page.get_by_role("link", name="Audit").click()
    expect(page.locator("tbody tr").first).to_be_visible()
    expect(page.get_by_text("controller").first).to_be_visible()


def test_a_change_elsewhere_shows_by_itself(platform: Platform, page: Page) -> None:
    page.goto(f"{platform.url}/models")
    expect(page.get_by_role("button", name="Disable logits-demo")).to_be_visible()
    platform.switch(False)
    expect(page.get_by_role("button", name="Enable logits-demo")).to_be_visible()
    platform.switch(True)
    expect(page.get_by_role("button", name="Disable logits-demo")).to_be_visible()
    expect(page.locator('[data-cell="m.logits-demo.stage"]')).to_have_text("Ready")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/models", "/playground", "/code", "/keys", "/usage", "/audit"])
def test_every_page_fits_a_narrow_screen(platform: Platform, page: Page, path: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(platform.url + path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
