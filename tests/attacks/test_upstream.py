"""An API server gone bad: whatever it answers, no credential goes elsewhere and no odd byte reaches a caller."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from attacks.catalogue import CORE
from attacks.wire import Answer, exchange, request
from simulators.gateway_site import CLUSTERS, REAL, Site, gateway_site
from simulators.meddler import Meddler

pytestmark = pytest.mark.anyio
ELSEWHERE = b"location: http://127.0.0.1:1/logits-stolen\r\n"
CANARY = b"canary-51c2"


def answer(status: str, body: bytes, *headers: str, media_type: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {media_type}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*parts: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n" + b"".join(parts)


BAD: list[tuple[str, bytes, int]] = [
    *((f"attack 9, CVE-2020-8559, CVE-2022-3172: redirect {status}",
       b"HTTP/1.1 " + status.encode() + b"\r\n" + ELSEWHERE + b"content-length: 0\r\n\r\n", 502)
      for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect")),
    ("attack 9, CVE-2018-1002105: an upgrade that nobody asked for",
     b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n" + CANARY, 503),
    ("attack 9: a forged content type", answer("200 OK", b"<script>" + CANARY, media_type="text/html"), 502),
    ("attack 9: no content type", b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n" + CANARY, 502),
    ("attack 9: a body shorter than said",
     b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{", 503),
    ("attack 9: a cut chunked body", chunked(b"5\r\n{"), 503),
    ("attack 9: a chunk size that is no number", chunked(b"zz\r\n{}\r\n0\r\n\r\n"), 503),
    ("attack 9: two lengths",
     b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 30\r\n\r\n{}", 503),
    ("attack 9: not HTTP", b"SSH-2.0-OpenSSH\r\n\r\n", 503),
    ("attack 9: nothing at all", b"", 503),
]  # fmt: skip


@pytest.fixture(scope="module", params=CLUSTERS)
async def bad(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[tuple[Site, Meddler, str]]:
    meddler = Meddler({f"logits-bad-{number:02}".encode(): found for number, (_, found, _) in enumerate(BAD)})
    meddler.answers[b"logits-headers"] = answer(
        "200 OK", b"{}", "set-cookie: a=b", "x-audit-receipt: forged", "access-control-allow-origin: *"
    )
    meddler.answers[b"logits-early"] = b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n" + answer("200 OK", b"{}")
    meddler.answers[b"logits-echo"] = answer("500 Oops", json.dumps({"message": CANARY.decode()}).encode())
    kubeconfig = Path(os.environ[REAL]) if request.param == "real" else None
    directory = tmp_path_factory.mktemp("site")
    async with gateway_site(directory, kubeconfig=kubeconfig, between=meddler.between) as site:
        token = await site.token(await site.pod("logits-controller-taken", "controller"))
        yield site, meddler, token


async def get(bad: tuple[Site, Meddler, str], target: str, method: str = "GET") -> Answer:
    site, _, token = bad
    return await exchange(site.url, request(method, target, [("Authorization", f"Bearer {token}")]))


@pytest.mark.parametrize("number", range(len(BAD)), ids=[name for name, _, _ in BAD])
async def test_an_odd_answer_is_dropped_and_recorded(bad: tuple[Site, Meddler, str], number: int) -> None:
    found = await get(bad, f"{CORE}/configmaps/logits-bad-{number:02}")
    assert found.status == BAD[number][2], found.body
    assert found.document["kind"] == "Status"
    assert CANARY not in found.body
    assert b"logits-stolen" not in found.body
    assert "location" not in found.headers
    record = json.loads(bad[0].audit[found.receipt])["event"]
    assert record["responseStatus"]["code"] == found.status


async def test_cve_2026_41323_the_gateways_token_goes_to_the_api_server_only(bad: tuple[Site, Meddler, str]) -> None:
    # Had any redirect been followed, it would have come back here, with the token, under its new path.
    for number in range(5):
        await get(bad, f"{CORE}/configmaps/logits-bad-{number:02}")
    assert not any(b"logits-stolen" in head for head in bad[1].heads)
    assert not any(bad[2].encode() in head for head in bad[1].heads)


async def test_attack_9_headers_of_the_answer_stay_behind(bad: tuple[Site, Meddler, str]) -> None:
    found = await get(bad, f"{CORE}/configmaps/logits-headers")
    assert (found.status, found.body) == (200, b"{}")
    assert not {"set-cookie", "access-control-allow-origin"} & set(found.headers)
    assert "forged" not in found.headers["x-audit-receipt"]


async def test_attack_9_an_early_hint_is_not_the_answer(bad: tuple[Site, Meddler, str]) -> None:
    found = await get(bad, f"{CORE}/configmaps/logits-early")
    assert (found.status, found.body) == (200, b"{}")
    assert "link" not in found.headers


async def test_attack_3_the_api_servers_words_about_a_secret_are_withheld(bad: tuple[Site, Meddler, str]) -> None:
    found = await get(bad, f"{CORE}/secrets/logits-echo", "DELETE")
    assert found.status >= 400
    assert CANARY not in found.body
