"""The `logits` command: keys and usage as the Console tells them, failures in one line."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from client.scripted import answer, scripted

KEY = {"name": "team", "state": "active", "prefixes": ["lgt_abc"], "models": [], "limits": ["60 requests/min"]}
USAGE = {"from": "a", "to": "b", "items": [{"name": "", "requests": 2, "promptTokens": 10, "completionTokens": 5}]}


def logits(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "logits_client.cli", arguments[0], "--url", url, *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "body", "request_line", "said"),
    [
        (["keys"], msgspec.json.encode({"items": [KEY]}), b"GET /console/keys ", "60 requests/min"),
        (
            ["keys", "create", "team", "--model", "m", "--concurrency", "2"],
            b'{"name":"team","key":"lgt_abc_secret","prefix":"lgt_abc"}',
            b"POST /console/keys ",
            "lgt_abc_secret\n",
        ),
        (
            ["keys", "rotate", "team", "--overlap", "2"],
            b'{"name":"team","key":"lgt_new_secret","prefix":"lgt_new"}',
            b"POST /console/keys/team/rotation ",
            "lgt_new_secret\n",
        ),
        (["keys", "revoke", "team"], b"", b"POST /console/keys/team/revocation ", "team: revoked"),
        (["keys", "delete", "team"], b"", b"DELETE /console/keys/team ", "team: deleted"),
        (["usage", "--by", "key"], msgspec.json.encode(USAGE), b"GET /console/usage?period=day&by=key ", "(no key)"),
        (["usage", "--csv", "--period", "month"], b"hour,key\r\n", b"GET /usage.csv?period=month ", "hour,key"),
    ],
)
def test_a_command_asks_and_prints(arguments: list[str], body: bytes, request_line: bytes, said: str) -> None:
    with scripted(answer(200, body)) as server:
        run = logits(server.url, *arguments)
    assert run.returncode == 0, run.stderr
    assert said in run.stdout
    assert server.requests[0].startswith(request_line)


def test_what_is_wished_of_a_key_is_sent_and_nothing_else() -> None:
    with scripted(answer(200, b'{"name":"team","key":"k"}')) as server:
        logits(server.url, "keys", "create", "team", "--model", "m", "--concurrency", "2", "--for", "tests")
    sent = msgspec.json.decode(server.requests[0].split(b"\r\n\r\n", 1)[1])
    assert sent == {"name": "team", "displayName": "tests", "models": ["m"], "concurrency": 2}


def test_a_refusal_is_one_line() -> None:
    problem = b'{"type":"urn:logits:error:already_exists","title":"t","status":409,"detail":"team exists"}'
    with scripted(answer(409, problem)) as server:
        run = logits(server.url, "keys", "create", "team")
    assert run.returncode == 1
    assert run.stderr.startswith("logits: ")
    assert "team exists" in run.stderr
    assert run.stderr.count("\n") == 1
