"""Requests that two parsers could read in two ways: no second request hides in any of them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import anyio
import pytest

from attacks.catalogue import CORE
from attacks.conftest import Attacker
from attacks.wire import exchange

pytestmark = pytest.mark.anyio
SMUGGLED = f"GET {CORE}/configmaps/logits-smuggled HTTP/1.1\r\nHost: a\r\n"
"""What an attack hides; it would show in the audit log, even refused."""

WAYS: list[tuple[str, str]] = [
    ("CL.TE", "POST {t} HTTP/1.1\r\nHost: a\r\n{auth}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("TE.CL", "POST {t} HTTP/1.1\r\nHost: a\r\n{auth}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
    ("two lengths", "POST {t} HTTP/1.1\r\nHost: a\r\n{auth}Content-Length: 0\r\nContent-Length: 90\r\n\r\n"),
    ("a negative length", "POST {t} HTTP/1.1\r\nHost: a\r\n{auth}Content-Length: -1\r\n\r\n"),
    ("CVE-2025-43859: a chunk that ends elsewhere",
     "POST {t} HTTP/1.1\r\nHost: a\r\n{auth}Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n"),
    ("CVE-2023-37276: a chunk extension with a line in it",
     "POST {t} HTTP/1.1\r\nHost: a\r\n{auth}Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n"),
    ("CVE-2025-53643: trailers",
     "POST {t} HTTP/1.1\r\nHost: a\r\n{auth}Trailer: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n"),
    ("CVE-2023-47627: an encoding that is none",
     "POST {t} HTTP/1.1\r\nHost: a\r\n{auth}Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n"),
    ("CVE-2025-69224: letters that fold to ASCII",
     "POST {t} HTTP/1.1\r\nHost: a\r\n{auth}Transfer-Encoding: chun\u212aed\r\nContent-Length: 0\r\n\r\n"),
    ("bare line feeds", "GET {t} HTTP/1.1\nHost: a\n{auth}Impersonate-User: a\n\n"),
    ("a folded header", "GET {t} HTTP/1.1\r\nHost: a\r\n{auth}X-A: b\r\n Impersonate-User: a\r\nUpgrade: a\r\n\r\n"),
    ("CVE-2023-37276: a carriage return inside a value",
     "POST {t} HTTP/1.1\r\nHost: a\r\n{auth}X-A: \rxTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n0\r\n\r\n"),
    ("a space before the colon", "GET {t} HTTP/1.1\r\nHost: a\r\n{auth}Impersonate-User : a\r\n\r\n"),
    ("an absolute target", "GET http://169.254.169.254{t} HTTP/1.1\r\nHost: a\r\n{auth}\r\n"),
    ("CONNECT", "CONNECT 127.0.0.1:6443 HTTP/1.1\r\nHost: a\r\n{auth}\r\n"),
    ("CVE-2023-44487: the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("HTTP/0.9", "GET {t}\r\n"),
    ("a TLS hello", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"),
    ("100,000 headers", "GET {t} HTTP/1.1\r\nHost: a\r\n{auth}" + "a: b\r\n" * 100_000 + "\r\n"),
    ("a header of a megabyte", "GET {t} HTTP/1.1\r\nHost: a\r\n{auth}X-A: " + "b" * (1 << 20) + "\r\n\r\n"),
]  # fmt: skip


@pytest.mark.parametrize("text", [text for _, text in WAYS], ids=[f"attack 7: {name}" for name, _ in WAYS])
async def test_nothing_hides_behind_an_odd_request(attacker: Attacker, text: str) -> None:
    auth = f"Authorization: Bearer {attacker.token}\r\n"
    target = f"{CORE}/configmaps/logits-odd"
    sent = text.format(t=target, auth=auth) + SMUGGLED + auth + "\r\n"
    before = len(attacker.site.audit)
    answer = await exchange(attacker.site.url, sent.encode("utf-8"))
    assert answer.status == 0 or 400 <= answer.status < 500, answer
    with anyio.fail_after(10):
        while not (records := _about(attacker.site.audit[before:])):
            await anyio.sleep(0.02)
    for record in records:
        assert record["annotations"]["logits.ai/decision"] == "deny"
        assert "smuggled" not in record["requestURI"]
    assert (await attacker.send("GET", f"{CORE}/pods")).status == 200


def _about(lines: list[bytes]) -> list[dict[str, Any]]:
    """Records of the attacks; all others at that time are the Gateway's own."""
    records: list[dict[str, Any]] = [json.loads(line)["event"] for line in lines]
    return [found for found in records if found["verb"] == "unreadable" or "configmaps/logits-" in found["requestURI"]]


async def test_a_gzip_bomb_is_not_opened(attacker: Attacker) -> None:
    answer = await attacker.send(
        "PATCH",
        f"{CORE}/configmaps/logits-a",
        b"\x1f\x8b" + b"\x00" * 1000,
        content_type="application/apply-patch+yaml",
        headers=[("Content-Encoding", "gzip")],
    )
    assert answer.status == 400
    assert attacker.record(answer)["annotations"]["logits.ai/decision"] == "deny"


async def test_the_callers_audit_id_and_address_are_not_believed(attacker: Attacker) -> None:
    headers = [("Audit-ID", "chosen"), ("X-Forwarded-For", "1.2.3.4"), ("X-Real-IP", "1.2.3.4")]
    answer = await attacker.send("GET", f"{CORE}/pods", headers=headers)
    record = attacker.record(answer)
    assert answer.status == 200
    assert record["auditID"] != "chosen"
    assert record["sourceIPs"] == ["127.0.0.1"]


async def test_attack_7_slowloris_a_head_that_never_ends_is_cut_off(attacker: Attacker) -> None:
    host, port = attacker.site.url.removeprefix("http://").split(":")
    with anyio.fail_after(60):
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(f"GET {CORE}/pods HTTP/1.1\r\nHost: a\r\nX-A: ".encode())
            received = b""
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    received += await stream.receive()
    assert received == b"" or received.startswith(b"HTTP/1.1 408")
