"""How Accounts starts: settings, the bootstrap file, the store's schema and outgoing mail."""

from __future__ import annotations

import asyncio
import json
import os
import random
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_accounts.app import create_app
from logits_accounts.keys import SHAPE, checksum, make_key
from logits_accounts.settings import Settings
from logits_accounts.tables import Table
from logits_core.errors import LogitsError
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry
from vendor.accounts import PASSWORD, Vendor, quick_passwords, running, settings
from vendor.stores import NewStore, dump, rows, schema_differences

IDENTITY: dict[str, str] = {
    "name": "laptop",
    "envID": "6f6f2b1e-9a39-4a36-9d0a-5d2f4a3a7b11",
    "envKey": "abcdefgh.0123456789abcdefghijklmnopqrstuv",
}
BOOTSTRAP: dict[str, Any] = {
    "email": "admin@localhost",
    "password": PASSWORD,
    "organisation": "Local",
    "environment": IDENTITY,
}


def _file(folder: Path, **changes: Any) -> str:
    path = folder / "bootstrap.json"
    path.write_text(json.dumps({**BOOTSTRAP, **changes}))
    return str(path)


def _start(folder: Path, **changes: Any) -> None:
    chosen = settings(folder, **changes)
    app = create_app(chosen, Telemetry.create("accounts", chosen), passwords=quick_passwords())
    anyio.run(app.close)


@pytest.mark.anyio
async def test_the_bootstrap_file_makes_an_account_and_announces_its_environment(tmp_path: Path) -> None:
    async with running(tmp_path, bootstrap_file=_file(tmp_path)) as vendor:
        browser = await vendor.browser()
        assert (await browser.sign_in("admin@localhost")).status_code == 303
        page = await browser.get(f"/environments/{IDENTITY['envID']}")
        assert "laptop" in page.text
        assert IDENTITY["envKey"] not in page.text
        await vendor.announced(IDENTITY["envID"], IDENTITY["envKey"])


def test_the_bootstrap_file_is_applied_once(tmp_path: Path, new_store: NewStore) -> None:
    path, url = _file(tmp_path), new_store()
    for _ in range(2):
        _start(tmp_path, bootstrap_file=path, database_url=url)
    store = url or f"sqlite:///{tmp_path}/accounts.db"
    for table in ("users", "organisations", "environments"):
        assert rows(store, f"SELECT count(*) FROM {table}") == [(1,)]  # noqa: S608
    assert PASSWORD not in dump(store)
    assert IDENTITY["envKey"] not in dump(store)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "short"}, "password"),
        ({"extra": 1}, "extra"),
        ({"environment": {**IDENTITY, "envKey": "SECRET"}}, "environment.envKey"),
        ({"environment": {**IDENTITY, "envID": "x"}}, "environment.envID"),
    ],
)
def test_a_bad_bootstrap_file_is_named_without_its_secrets(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(LogitsError, match=words) as refusal:
        _start(tmp_path, bootstrap_file=_file(tmp_path, **changes))
    assert "SECRET" not in refusal.value.message
    with pytest.raises(LogitsError, match="cannot read"):
        _start(tmp_path, bootstrap_file=str(tmp_path / "missing.json"))


def test_mail_must_go_somewhere() -> None:
    environment = {"LOGITS_SERVICE_TOKEN": "0123456789abcdef"}
    with pytest.raises(LogitsError, match="LOGITS_DEVELOPMENT_MAILBOX"):
        from_env(Settings, environment)
    from_env(Settings, {**environment, "LOGITS_DEVELOPMENT_MAILBOX": "true"})
    with pytest.raises(LogitsError, match="LOGITS_SERVICE_TOKEN"):
        from_env(Settings, {"LOGITS_DEVELOPMENT_MAILBOX": "true"})


def test_the_migrations_make_the_tables(tmp_path: Path, new_store: NewStore) -> None:
    url = new_store()
    _start(tmp_path, database_url=url)
    assert schema_differences(url or f"sqlite:///{tmp_path}/accounts.db", Table.metadata) == []


@given(st.integers(0, 2**32))
def test_keys_have_the_shape_and_a_checksum(seed: int) -> None:
    key = make_key(random.Random(seed).randrange)
    assert SHAPE.fullmatch(key.text)
    assert key.text.endswith(checksum(key.text[:-6]))
    assert key.text not in repr(key)


class _Relay(asyncio.Protocol):
    """A mail relay that takes every mail, or none."""

    def __init__(self, mails: list[bytes], answer: str) -> None:
        self._mails = mails
        self._answer = answer
        self._data: bytes | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(b"220 relay\r\n")

    def data_received(self, data: bytes) -> None:
        if self._data is not None:
            self._data += data
            if self._data.endswith(b"\r\n.\r\n"):
                self._mails.append(self._data[:-5])
                self._data = None
                self._transport.write(f"{self._answer}\r\n".encode())
        elif data.upper().startswith(b"QUIT"):
            self._transport.write(b"221 bye\r\n")
        elif data.upper().startswith(b"DATA"):
            self._data = b""
            self._transport.write(b"354 go\r\n")
        else:
            self._transport.write(b"250 ok\r\n")


async def _with_relay(folder: Path, answer: str, mails: list[bytes]) -> tuple[Vendor, int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Relay(mails, answer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    smtp: dict[str, Any] = {"smtp_url": f"smtp://127.0.0.1:{port}", "public_url": "http://accounts.example"}
    async with server, running(folder, development_mailbox=False, **smtp) as vendor:
        browser = await vendor.browser()
        await browser.post("/sign-up", email="ada@example.com", password=PASSWORD, organisation="Acme")
        with anyio.fail_after(20):
            while not mails:
                await anyio.sleep(0.01)
            waiting = await vendor.accounts.services.outbox.unsent(10)
            while waiting and not waiting[0].attempts:
                await anyio.sleep(0.01)
                waiting = await vendor.accounts.services.outbox.unsent(10)
        return vendor, len(waiting)


@pytest.mark.anyio
async def test_mail_goes_out_by_smtp_and_is_forgotten(tmp_path: Path) -> None:
    mails: list[bytes] = []
    _, waiting = await _with_relay(tmp_path, "250 taken", mails)
    assert waiting == 0
    mail = message_from_bytes(mails[0], policy=default)
    assert (mail["To"], mail["Subject"]) == ("ada@example.com", "Confirm your e-mail address")
    assert "http://accounts.example/confirm/" in mail.get_content()


@pytest.mark.anyio
async def test_mail_that_is_refused_waits_for_another_attempt(tmp_path: Path) -> None:
    mails: list[bytes] = []
    _, waiting = await _with_relay(tmp_path, "451 later", mails)
    assert waiting == 1


def test_the_process_names_a_bad_environment(tmp_path: Path) -> None:
    import subprocess
    import sys

    environment = {**os.environ, "LOGITS_DATA_DIRECTORY": str(tmp_path), "LOGITS_SERVICE_TOKENN": "x"}
    result = subprocess.run(
        [sys.executable, "-m", "logits_accounts"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 2
    assert "LOGITS_SERVICE_TOKENN" in result.stderr
    assert "Traceback" not in result.stderr
