"""Chromium for the browser tests: Debian's, driven by Playwright, allowed to talk to our pages only."""

from __future__ import annotations

import shutil
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright

from cluster.under_test import Platform

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def platform(embedded: Platform) -> Platform:
    """Pages are the same on either cluster; the embedded one shows them soonest."""
    return embedded


@pytest.fixture(scope="module")
def browser() -> Generator[Browser, None, None]:
    """A headless Chromium; the tests skip where there is none.

    Playwright's synchronous face keeps an event loop running in this thread, so it must end with the module:
    tests with loops of their own may follow in the same process.
    """
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine: install your system's chromium package")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Generator[Page, None, None]:
    """A page that fails the test on any script error and on any request to somewhere else."""
    context = browser.new_context()
    context.set_default_timeout(60_000)
    problems: list[str] = []

    def local_only(route: Route) -> None:
        if "//127.0.0.1" in route.request.url:
            route.continue_()
        else:
            problems.append(f"asked for {route.request.url}")
            route.abort()

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            problems.append(message.text)

    context.route("**/*", local_only)
    opened = context.new_page()
    opened.on("console", said)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    context.close()
    assert not problems, problems
