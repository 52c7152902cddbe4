"""A running Accounts beside a running Ops API for tests, with browsers that behave like browsers."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any

import anyio
import httpx
from argon2 import PasswordHasher
from prometheus_client import CollectorRegistry

from live_server import live
from logits_accounts.app import Accounts, create_app
from logits_accounts.passwords import Passwords
from logits_accounts.settings import Settings
from logits_shell.telemetry import Telemetry
from vendor import ops_api
from vendor.stores import NewStore

PASSWORD = "several plain words"


@dataclass
class Browser:
    """A browser on Accounts: keeps cookies, sends its origin with forms."""

    client: httpx.AsyncClient
    url: str

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def post(self, path: str, /, **fields: str) -> httpx.Response:
        return await self.client.post(path, data=fields, headers={"origin": self.url})

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return await self.post("/sign-in", email=email, password=password)


@dataclass
class Vendor:
    """The vendor's two systems and the customer's Gateway."""

    url: str
    accounts: Accounts
    registry: CollectorRegistry
    clock: ops_api.Clock
    ops: ops_api.Caller
    stack: AsyncExitStack

    def metric(self, name: str) -> float:
        """The value of one of Accounts' metrics."""
        return self.registry.get_sample_value(name) or 0.0

    async def browser(self) -> Browser:
        client = await self.stack.enter_async_context(
            httpx.AsyncClient(base_url=self.url, timeout=30, verify=ops_api.PLAIN)
        )
        return Browser(client, self.url)

    async def links(self, email: str, kind: str = "/") -> list[str]:
        """Links in the mailbox for an address whose path begins with ``kind``, the newest first."""
        browser = await self.browser()
        page = (await browser.get("/mailbox")).text
        articles = re.findall(r'<article.*?aria-label="Mail to (.*?)">(.*?)</article>', page, re.DOTALL)
        found = [re.search(r'href="([^"]+)"', body) for to, body in articles if unescape(to) == email]
        return [link[1] for link in found if link and link[1].startswith(kind)]

    async def member(self, email: str, organisation: str = "Acme") -> Browser:
        """A browser in which a new person with an organisation of their own is signed in."""
        browser = await self.browser()
        answer = await browser.post("/sign-up", email=email, password=PASSWORD, organisation=organisation)
        assert answer.status_code == 200, answer.text
        confirmed = await browser.post((await self.links(email, "/confirm"))[0], password=PASSWORD)
        assert confirmed.status_code == 303, confirmed.text
        return browser

    async def invited(self, owner: Browser, organisation: str, email: str, role: str) -> Browser:
        """A browser of somebody new who joined by invitation."""
        sent = await owner.post(f"{organisation}/invitations", email=email, role=role)
        assert sent.status_code == 303, sent.text
        link = (await self.links(email, "/invitations"))[0]
        browser = await self.browser()
        await browser.post("/sign-up", email=email, password=PASSWORD, next=link)
        confirmed = await browser.post((await self.links(email, "/confirm"))[0], password=PASSWORD)
        assert confirmed.headers["location"] == link
        assert (await browser.post(link)).headers["location"] == organisation
        return browser

    async def announced(self, environment: str, key: str) -> ops_api.Caller:
        """The environment's Gateway, once the Ops API knows its key."""
        headers = {"authorization": f"Bearer {key}"}
        gateway = await self.stack.enter_async_context(
            httpx.AsyncClient(base_url=self.ops.url, headers=headers, timeout=30, verify=ops_api.PLAIN)
        )
        path = f"/v1/environments/{environment}"
        with anyio.fail_after(20):
            while (await gateway.get(f"{path}/desired")).status_code != 200:
                await anyio.sleep(0.02)
        return replace(self.ops, gateway=gateway, environment=environment, path=path)


def settings(folder: Path, **changes: Any) -> Settings:
    values = {
        "data_directory": str(folder),
        "service_token": ops_api.SERVICE,
        "development_mailbox": True,
        **changes,
    }
    return Settings.model_validate(values)


def quick_passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@asynccontextmanager
async def running(folder: Path, *, new_store: NewStore = str, **changes: Any) -> AsyncGenerator[Vendor]:
    """Both vendor systems, wired to each other, each with a store of its own."""
    for name in ("ops", "accounts"):
        (folder / name).mkdir(exist_ok=True)
    async with ops_api.running(folder / "ops", database_url=new_store()) as ops, AsyncExitStack() as stack:
        wiring = {"ops_api_url": ops.url, "service_token": ops_api.SERVICE, "database_url": new_store()}
        chosen = settings(folder / "accounts", **{**wiring, **changes})
        telemetry = Telemetry.create("accounts", chosen)
        accounts = create_app(chosen, telemetry, clock=ops.clock, passwords=quick_passwords())
        stack.push_async_callback(accounts.close)
        async with live(accounts.asgi) as url, anyio.create_task_group() as group:
            for task in accounts.background:
                group.start_soon(task)
            async with AsyncExitStack() as browsers:
                yield Vendor(url, accounts, telemetry.registry, ops.clock, ops, browsers)
            ops.app.services.changes.close()
            group.cancel_scope.cancel()


def organisation_of(answer: httpx.Response) -> str:
    """The path of the only organisation, where the start page leads."""
    assert answer.status_code == 303
    return answer.headers["location"]


def shown(page: httpx.Response, identity: str) -> str:
    """The text of the element with an id."""
    found = re.search(rf'id="{identity}"[^>]*>(.*?)</', page.text, re.DOTALL)
    assert found, page.text
    return unescape(found[1])
