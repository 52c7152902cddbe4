"""Watches over HTTP: gap-free from any revision, resumable, bounded, and followed by the cache."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import httpx
import pytest

from apps.entity_db.conftest import Start
from logits_core.errors import ErrorCode, LogitsError
from logits_shell.entities import EntityCache, EntityClient

pytestmark = pytest.mark.anyio

PLURAL = "modeldeployments"
DEADLINE = 10


async def test_a_watch_from_a_list_misses_nothing(start: Start) -> None:
    async with start() as db, EntityClient(db.url) as client:
        await client.create(PLURAL, "a", {"model": "m"})
        items, version = await client.list(PLURAL)
        assert [item.name for item in items] == ["a"]
        await client.patch(PLURAL, "a", {"spec": {"enabled": True}})
        await client.create("languagemodels", "x", {"displayName": "X", "engine": "vllm", "source": "x"})
        await client.create(PLURAL, "b", {"model": "m"})
        await client.delete(PLURAL, "a")
        seen: list[tuple[str, str, str]] = []
        with anyio.fail_after(DEADLINE):
            async with aclosing(client.watch(PLURAL, version)) as notices:
                async for notice in notices:
                    assert notice.entity is not None
                    seen.append((notice.type, notice.entity.name, notice.resource_version))
                    if len(seen) == 3:
                        break
        assert seen == [("MODIFIED", "a", "2"), ("ADDED", "b", "4"), ("DELETED", "a", "5")]


async def test_a_quiet_watch_says_how_far_it_has_seen(start: Start) -> None:
    async with start(bookmark_seconds=0.05) as db, EntityClient(db.url) as client:
        with anyio.fail_after(DEADLINE):
            async with aclosing(client.watch(PLURAL, "0")) as notices:
                first = await anext(notices)
                await client.create("components", "gateway", {})
                second = await anext(notices)
        assert (first.type, first.resource_version) == ("BOOKMARK", "0")
        assert (second.type, second.resource_version, second.entity) == ("BOOKMARK", "1", None)


async def test_a_watch_without_a_version_begins_with_what_there_is(start: Start) -> None:
    async with start() as db, EntityClient(db.url) as client:
        for name in ("a", "b"):
            await client.create(PLURAL, name, {"model": "m"})
        lines: list[str] = []
        async with httpx.AsyncClient() as http:
            with anyio.fail_after(DEADLINE):
                async with http.stream("GET", f"{db.url}/entities/{PLURAL}?watch=true") as answer:
                    assert answer.headers["content-type"].startswith("text/event-stream")
                    async for line in answer.aiter_lines():
                        lines.append(line)
                        if line.startswith("data:") and "BOOKMARK" in line:
                            break
        assert [line[:22] for line in lines if line.startswith("data:")].count('data: {"type":"ADDED",') == 2
        # Only the bookmark may be resumed from: the snapshot isn't in order of revisions.
        assert [line for line in lines if line.startswith("id:")] == ["id: 2"]


async def test_an_event_source_resumes_by_its_last_id(start: Start) -> None:
    async with start() as db, EntityClient(db.url) as client, httpx.AsyncClient() as http:
        for name in ("a", "b"):
            await client.create(PLURAL, name, {"model": "m"})
        url = f"{db.url}/entities/{PLURAL}?watch=true&resourceVersion=0"
        with anyio.fail_after(DEADLINE):
            async with http.stream("GET", url, headers={"last-event-id": "1"}) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("id:"):
                        assert line == "id: 2"
                        break


async def test_selectors_apply_to_watches(start: Start) -> None:
    async with start() as db, EntityClient(db.url) as client:
        await client.create(PLURAL, "a", {"model": "m"}, labels={"team": "x"})
        await client.create(PLURAL, "b", {"model": "m"}, labels={"team": "y"})
        await client.patch(PLURAL, "b", {"metadata": {"labels": {"team": "x"}}})
        with anyio.fail_after(DEADLINE):
            async with aclosing(client.watch(PLURAL, "1", selector="team=x")) as notices:
                notice = await anext(notices)
        assert notice.entity is not None
        assert (notice.type, notice.entity.name) == ("ADDED", "b")


async def test_a_compacted_revision_is_gone(start: Start) -> None:
    async with start(history_changes=10) as db, EntityClient(db.url) as client:
        for number in range(14):
            await client.create(PLURAL, f"n{number}", {"model": "m"})
        await db.app.writer.compact(10)
        # A restart empties the memory of recent changes; the stored history alone decides then.
    async with start(history_changes=10) as db, EntityClient(db.url) as client:
        with pytest.raises(LogitsError) as error:
            await anext(client.watch(PLURAL, "3"))
        assert error.value.code is ErrorCode.EXPIRED
        notice = await anext(client.watch(PLURAL, "4"))
        assert notice.resource_version == "5"


async def test_watches_are_bounded(start: Start) -> None:
    async with start(watchers_limit=1) as db, EntityClient(db.url) as client:
        async with aclosing(client.watch(PLURAL, "0")) as first:
            await anext(first)
            with pytest.raises(LogitsError) as error:
                await anext(client.watch(PLURAL, "0"))
            assert error.value.code is ErrorCode.OVER_LIMIT
            assert db.metric("logits_entity_db_watchers") == 1


async def test_the_cache_follows_and_survives_a_restart(start: Start) -> None:
    async with anyio.create_task_group() as group:
        async with start() as db, EntityClient(db.url) as client:
            await client.create(PLURAL, "a", {"model": "m"})
            cache = EntityCache(client, PLURAL)
            group.start_soon(cache.run)
            with anyio.fail_after(DEADLINE):
                await cache.ready.wait()
                assert list(cache.items) == ["a"]
                await client.create(PLURAL, "b", {"model": "m"})
                await cache.wait_until(lambda items: "b" in items)
                await client.delete(PLURAL, "a")
                await cache.wait_until(lambda items: "a" not in items)
                async with aclosing(cache.changes()) as changes:
                    assert await anext(changes) == {"b"}
                    await client.patch(PLURAL, "b", {"spec": {"enabled": True}})
                    assert await anext(changes) == {"b"}
                assert cache.items["b"].spec["enabled"] is True
            group.cancel_scope.cancel()


class Switch(httpx.AsyncBaseTransport):
    """A network that can be cut: while it is, connections fail and open answers end."""

    def __init__(self) -> None:
        self.inner = httpx.AsyncHTTPTransport()
        self.target = httpx.URL("http://nowhere")
        self.cut = False
        self.attempts = 0
        self.attempted = anyio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.cut:
            self.attempts += 1
            self.attempted.set()
            raise httpx.ConnectError("cut", request=request)
        request.url = request.url.copy_with(host=self.target.host, port=self.target.port)
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


async def test_the_cache_keeps_what_it_knows_while_the_database_is_away(start: Start) -> None:
    network = Switch()
    interruptions: list[ErrorCode] = []
    async with httpx.AsyncClient(transport=network) as http, anyio.create_task_group() as group:
        async with start() as db:
            network.target = httpx.URL(db.url)
            client = EntityClient("http://logits-entity-db:8080", http=http)
            await client.create(PLURAL, "a", {"model": "m"})
            cache = EntityCache(
                client, PLURAL, on_interruption=lambda error: interruptions.append(error.code), spread=lambda: 1.0
            )
            group.start_soon(cache.run)
            with anyio.fail_after(DEADLINE):
                await cache.ready.wait()
                network.cut = True
                db.app.watches.close()
                await network.attempted.wait()
            assert list(cache.items) == ["a"]
        async with start() as again:
            network.cut = False
            network.target = httpx.URL(again.url)
            with anyio.fail_after(DEADLINE):
                await client.create(PLURAL, "b", {"model": "m"})
                await cache.wait_until(lambda items: "b" in items)
        group.cancel_scope.cancel()
    assert ErrorCode.UNAVAILABLE in interruptions
