"""The client's session: what it sends, and how it answers what no good server would say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest

from live_server import live
from logits_core.errors import ErrorCode, LogitsError
from logits_shell.kubernetes import (
    CONFIG_MAPS,
    PODS,
    KubernetesClient,
    KubernetesError,
    Limits,
    NoCredentials,
    StaticToken,
    TokenFile,
    in_cluster,
    resource_of,
)
from logits_shell.kubernetes.lines import LineSplitter, LineTooLongError

pytestmark = pytest.mark.anyio
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Scripted:
    """Answers every request with the same bytes, and remembers what was asked."""

    def __init__(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.body, self.status = body, status
        self.headers = [(k.encode(), v.encode()) for k, v in (headers or {}).items()]
        self.asked: list[dict[str, Any]] = []
        self.hang = False

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        self.asked.append(scope)
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": self.hang})
        if self.hang:
            while (await receive())["type"] != "http.disconnect":
                pass


async def refusal(server: Scripted, limits: Limits | None = None) -> KubernetesError:
    async with live(server) as url, KubernetesClient(url, NoCredentials(), limits=limits) as client:
        with pytest.raises(KubernetesError) as refused:
            await client.list(CONFIG_MAPS, namespace="n")
        return refused.value


async def test_a_status_keeps_the_servers_words() -> None:
    body = (
        b'{"kind":"Status","reason":"Invalid","message":"bad name","code":422,'
        b'"details":{"causes":[{"field":"metadata.name","reason":"FieldValueInvalid","message":"bad"}]}}'
    )
    error = await refusal(Scripted(body, 422))
    assert (error.code, error.http_status, error.reason) == (ErrorCode.INVALID, 422, "Invalid")
    assert error.field == "metadata.name"
    assert "bad name" in error.message
    assert error.answered


async def test_retry_after_is_kept() -> None:
    error = await refusal(Scripted(b"slow down", 429, {"retry-after": "7"}))
    assert (error.code, error.retry_after) == (ErrorCode.OVER_LIMIT, 7.0)


async def test_redirects_are_not_followed() -> None:
    server = Scripted(b"", 302, {"location": "http://127.0.0.1:1/elsewhere"})
    assert (await refusal(server)).http_status == 302
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "body", [b"not json", b'"text"', b'{"items":[]}', b'{"metadata":{"resourceVersion":"1"},"items":[{}]}']
)
async def test_an_answer_that_makes_no_sense(body: bytes) -> None:
    assert (await refusal(Scripted(body))).code is ErrorCode.UPSTREAM_FAILED


async def test_an_answer_beyond_the_bound() -> None:
    error = await refusal(Scripted(b" " * 5000), Limits(response_bytes=4096))
    assert error.reason == "AnswerTooLarge"


async def test_nobody_there() -> None:
    async with KubernetesClient("http://127.0.0.1:1", NoCredentials()) as client:
        with pytest.raises(KubernetesError) as refused:
            await client.get_path("/version")
    assert (refused.value.code, refused.value.answered) == (ErrorCode.UNAVAILABLE, False)


async def test_a_silent_watch_is_given_up() -> None:
    server = Scripted(b"")
    server.hang = True
    async with live(server) as url, KubernetesClient(url, NoCredentials()) as client:
        watch = client.watch(CONFIG_MAPS, namespace="n", resource_version="1", silence_seconds=0.05)
        with anyio.fail_after(10), pytest.raises(KubernetesError) as silent:
            await anext(watch)
    assert silent.value.reason == "Silence"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"garbage\n", ErrorCode.UPSTREAM_FAILED),
        (b'{"type":"ADDED","object":{}}\n', ErrorCode.UPSTREAM_FAILED),
        (b'{"type":"WHAT","object":{"metadata":{"resourceVersion":"1"}}}\n', ErrorCode.UPSTREAM_FAILED),
        (b'{"type":"ERROR","object":{"code":410,"reason":"Expired","message":"old"}}\n', ErrorCode.EXPIRED),
    ],
)
async def test_odd_lines_of_a_watch(line: bytes, code: ErrorCode) -> None:
    async with live(Scripted(line)) as url, KubernetesClient(url, NoCredentials()) as client:
        async with aclosing(client.watch(CONFIG_MAPS, namespace="n", resource_version="1")) as events:
            with pytest.raises(KubernetesError) as refused:
                await anext(events)
    assert refused.value.code is code


async def test_the_token_and_the_questions_that_are_asked(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    server = Scripted(b'{"metadata":{"resourceVersion":"1"},"items":null}')
    async with live(server) as url, KubernetesClient(f"{url}/kubernetes/", TokenFile(path)) as client:
        await client.list(PODS, namespace="n", label_selector="a=b")
        (tmp_path / "new").write_text("second")
        (tmp_path / "new").rename(path)
        await client.list(PODS, namespace="n")
    sent = [dict(scope["headers"])[b"authorization"] for scope in server.asked]
    assert sent == [b"Bearer first", b"Bearer second"]
    assert server.asked[0]["path"] == "/kubernetes/api/v1/namespaces/n/pods"
    assert server.asked[0]["query_string"] == b"labelSelector=a%3Db&limit=500"


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogitsError, match="cannot be read"):
        TokenFile(tmp_path / "none").token()
    (tmp_path / "empty").write_text(" ")
    with pytest.raises(LogitsError, match="empty"):
        TokenFile(tmp_path / "empty").token()


def test_outside_a_pod_there_is_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(LogitsError, match="KUBERNETES_SERVICE_HOST"):
        in_cluster({}, tmp_path)
    with pytest.raises(LogitsError, match=r"ca\.crt"):
        in_cluster({"KUBERNETES_SERVICE_HOST": "::1", "KUBERNETES_SERVICE_PORT": "443"}, tmp_path)


def test_secrets_do_not_show_in_representations() -> None:
    assert "hush" not in repr(StaticToken("hush"))


def test_paths_and_kinds() -> None:
    assert PODS.path(namespace="a b", name="x") == "/api/v1/namespaces/a%20b/pods/x"
    assert resource_of({"apiVersion": "v1", "kind": "Pod"}) is PODS
    with pytest.raises(ValueError, match="unknown kind"):
        resource_of({"apiVersion": "v1", "kind": "Nothing"})


def test_lines_come_whole_and_bounded() -> None:
    splitter = LineSplitter(8)
    assert splitter.feed(b"ab") == []
    assert splitter.feed(b"c\n\nde\nf") == [b"abc", b"de"]
    assert splitter.feed(b"\n") == [b"f"]
    with pytest.raises(LineTooLongError):
        splitter.feed(b"123456789")
