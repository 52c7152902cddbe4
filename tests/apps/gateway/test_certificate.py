"""The TLS port: the same door as the http port, with a certificate that stays what clients were given."""

from __future__ import annotations

import os
import signal
import ssl
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from logits_core.errors import LogitsError
from logits_gateway.adapters.certificate import Certificate
from logits_shell.serve import Secured, serve
from logits_shell.settings import AppSettings
from logits_shell.telemetry import Telemetry
from ports import free_ports


async def _scheme(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": message["type"] + ".complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


@pytest.mark.anyio
async def test_both_ports_serve_one_app_and_stop_together(tmp_path: Path) -> None:
    certificate = Certificate.kept(tmp_path, "logits")
    secure = free_ports()
    settings = AppSettings.model_validate(
        {"listen_address": "127.0.0.1", "http_port": 0, "metrics_port": 0, "drain_seconds": 1}
    )
    telemetry = Telemetry.create("gateway", settings)
    plain: list[int] = []
    listening = anyio.Event()

    def started(port: int, _: int) -> None:
        plain.append(port)
        listening.set()

    async def run() -> None:
        await serve(telemetry, settings, _scheme, secured=Secured(secure, certificate.context), started=started)

    trusted = ssl.create_default_context(cadata=certificate.chain)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await listening.wait()
            async with httpx.AsyncClient(verify=trusted, trust_env=False) as client:
                assert (await client.get(f"http://127.0.0.1:{plain[0]}/")).text == "http"
                assert (await client.get(f"https://localhost:{secure}/")).text == "https"
            async with httpx.AsyncClient(trust_env=False) as stranger:
                with pytest.raises(httpx.ConnectError):
                    await stranger.get(f"https://localhost:{secure}/")
            os.kill(os.getpid(), signal.SIGTERM)


def test_the_certificate_stays(tmp_path: Path) -> None:
    first = Certificate.kept(tmp_path, "logits")
    assert Certificate.kept(tmp_path, "logits").chain == first.chain
    assert (tmp_path / "tls.key").stat().st_mode & 0o077 == 0


def test_a_damaged_certificate_is_refused_with_the_remedy(tmp_path: Path) -> None:
    Certificate.kept(tmp_path, "logits")
    (tmp_path / "tls.crt").write_text("nonsense")
    with pytest.raises(LogitsError, match="remove both"):
        Certificate.kept(tmp_path, "logits")
