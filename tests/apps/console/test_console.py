"""The Console over HTTP, in front of a real Entity DB: pages, switches, live cells, refusals."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from apps.console.conftest import SAME_SITE, Console
from logits_client.verify import Trust, read_checkpoint, read_key, split_bundle, verify
from simulators.gateway_pages import REPORT

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/", "/models", "/playground", "/code", "/keys", "/usage", "/egress", "/audit"])
async def test_every_page_is_complete_and_asks_nobody_else(console: Console, path: str) -> None:
    http, _ = console
    page = await http.get(path, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "<h1>" in page.text
    assert "https://" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]


async def test_the_form_enables_and_disables(console: Console) -> None:
    http, entities = console
    for action, expected in (("enable", True), ("disable", False)):
        answer = await http.post("/models/demo", data={"action": action}, headers=SAME_SITE)
        assert answer.status_code == 303
        assert (await entities.get("modeldeployments", "demo")).spec["enabled"] is expected


async def test_limits_are_saved_and_a_bad_one_is_named(console: Console) -> None:
    http, entities = console
    form = {"action": "scale", "minReplicas": "0", "maxReplicas": "3", "scaleToZeroAfterSeconds": "30"}
    await http.post("/models/demo", data=form, headers=SAME_SITE)
    spec = (await entities.get("modeldeployments", "demo")).spec
    assert (spec["minReplicas"], spec["maxReplicas"]) == (0, 3)
    for bad in ({"minReplicas": "many"}, {"minReplicas": "9"}):
        refused = await http.post("/models/demo", data={"action": "scale", **bad}, headers=SAME_SITE)
        assert refused.status_code == 422
        assert "Replicas" in refused.json()["detail"]
    assert (await entities.get("modeldeployments", "demo")).spec["minReplicas"] == 0


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}])
async def test_a_form_of_another_site_changes_nothing(console: Console, headers: dict[str, str]) -> None:
    http, entities = console
    answer = await http.post("/models/demo", data={"action": "enable"}, headers=headers)
    assert answer.status_code == 403
    assert (await entities.get("modeldeployments", "demo")).spec["enabled"] is False


@pytest.mark.parametrize(
    ("name", "body", "status", "said"),
    [
        ("demo", b'{"enabled":true}', 200, '"enabled":true'),
        ("demo", b'{"enbled":true}', 422, "enbled"),
        ("demo", b'{"enabled":"yes"}', 422, "enabled"),
        ("demo", b"{", 400, "JSON document"),
        ("demo", b"{}", 422, "nothing to change"),
        ("nobody", b'{"enabled":true}', 404, "nobody"),
    ],
)
async def test_programs_change_models_by_json(console: Console, name: str, body: bytes, status: int, said: str) -> None:
    http, _ = console
    answer = await http.patch(f"/console/models/{name}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert said in answer.text


async def _events(http: httpx.AsyncClient, view: str) -> AsyncGenerator[dict[str, Any], None]:
    async with http.stream("GET", f"/live?view={view}") as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                yield msgspec.json.decode(line[6:])


async def test_a_change_shows_on_the_live_page(console: Console) -> None:
    http, entities = console
    with anyio.fail_after(20):
        async with aclosing(_events(http, "models")) as events:
            first = await anext(events)
            assert first["cells"]["m.demo.stage"]["text"] == "Disabled"
            await entities.patch_status(
                "modeldeployments",
                "demo",
                {"stage": "Failed", "conditions": [{"type": "Ready", "status": "False", "message": "no GPU is free"}]},
            )
            second = await anext(events)
    assert second["cells"]["m.demo.stage"] == {"text": "Failed", "state": "bad"}
    assert second["cells"]["m.demo.reason"]["text"] == "no GPU is free"


async def test_the_audit_log_is_shown_and_passed_on(console: Console) -> None:
    http, _ = console
    page = await http.get("/audit", headers={"accept": "text/html"})
    assert "/api/v1/namespaces/logits/pods/p-3" in page.text
    entries = (await http.get("/audit/entries?after=1&limit=1")).json()
    assert [entry["index"] for entry in entries["entries"]] == [1]
    (log,) = (await http.get("/audit/logs")).json()["logs"]
    note = (await http.get(f"{log['prefix']}/checkpoint")).text
    bundle = (await http.get(f"{log['prefix']}/tile/entries/000.p/3")).content
    found = split_bundle(bundle, 3)
    assert verify(read_checkpoint(note), found, Trust(read_key(log["key"]))).problem == ""
    assert (await http.get(f"{log['prefix']}/tile/entries/001")).status_code == 404


async def test_what_left_is_shown_with_its_text_and_never_as_a_page_of_ours(console: Console) -> None:
    http, _ = console
    page = await http.get("/egress", headers={"accept": "text/html"})
    for words in ("report", "/v1/environments/e/reports", "question", 'href="/egress/text/2026-01-02.1"', "30 days"):
        assert words in page.text
    text = await http.get("/egress/text/2026-01-02.1", headers={"accept": "text/html"})
    assert "&lt;b&gt;canary&lt;/b&gt;" in text.text
    saved = await http.get("/egress/bodies/2026-01-02.1?plain=true")
    assert (saved.content, saved.headers["content-disposition"]) == (REPORT, "attachment")
    listed = (await http.get("/egress/entries?limit=1")).json()
    assert [entry["cursor"] for entry in listed["entries"]] == ["2026-01-02.1"]
    assert (await http.get("/egress/bodies/2026-01-02.9")).status_code == 404


async def test_the_overview_says_what_needs_attention(console: Console) -> None:
    http, entities = console
    await entities.create("components", "collector", {})
    await entities.patch_status("components", "collector", {"replicas": 1, "message": "the image is missing"})
    with anyio.fail_after(20):
        while "the image is missing" not in (page := await http.get("/", headers={"accept": "text/html"})).text:
            pass
    assert "rolled back: the new Controller never became ready" in page.text
    assert "Next: 0.2.0" in page.text
    assert "The vendor says why: a leak." in page.text
