"""Exports: only what the schemas know leaves, byte for byte what was checked, and the log has its digest."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.gateway_site import Site, gateway_site

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.anyio

RECORD: dict[str, Any] = {
    "stream": "ab",
    "sequence": 1,
    "time": 1.5,
    "level": "info",
    "component": "console",
    "version": "0.1.0",
    "template": "engine {engine} is ready",
    "values": {"engine": {"kind": "identifier", "value": "llamacpp"}},
    "unsafe": 0,
}
SAMPLE: dict[str, Any] = {
    "component": "console",
    "instance": "0123456789abcdef",
    "time": 1.5,
    "name": "logits_requests_total",
    "value": 3.0,
    "labels": {"status": "200"},
}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Site, None]:
    async with gateway_site(tmp_path) as found:
        yield found


@pytest.fixture
async def collector(site: Site) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with await site.caller("collector") as client:
        yield client


def batch(*lines: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


async def post(client: httpx.AsyncClient, kind: str, plain: bytes, **changes: Any) -> httpx.Response:
    headers = {"content-encoding": "zstd", "idempotency-key": hashlib.sha256(plain).hexdigest()}
    body = changes.pop("body", zstd.compress(plain))
    return await client.post(f"/ops/v1/{kind}", content=body, headers=headers | changes)


@pytest.mark.parametrize(("kind", "line"), [("logs", RECORD), ("metrics", SAMPLE)])
async def test_a_good_batch_leaves_once(
    site: Site, collector: httpx.AsyncClient, kind: str, line: dict[str, Any]
) -> None:
    plain = batch(line, line)
    answer = await post(collector, kind, plain)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "duplicate": False})
    assert (await post(collector, kind, plain)).json()["duplicate"] is True
    digest = hashlib.sha256(plain).hexdigest()
    assert zstd.decompress(site.ops.batches[digest]) == plain
    notes = [json.loads(entry)["event"]["annotations"] for entry in site.audit]
    sent = [found for found in notes if found.get("logits.ai/egress-plain-sha256") == digest]
    assert sent[0]["logits.ai/egress-records"] == "2"
    assert sent[0]["logits.ai/egress-sha256"] == hashlib.sha256(site.ops.batches[digest]).hexdigest()
    assert sent[0]["logits.ai/caller"] == "collector"
    await _kept_for_the_customer(site, answer, plain, kind)


async def _kept_for_the_customer(site: Site, answer: httpx.Response, plain: bytes, kind: str) -> None:
    """The receipt names the record, and the ledger has the bytes and their text."""
    index = int(answer.headers["x-audit-receipt"].partition(",")[0].removeprefix("index="))
    outcome: dict[str, Any] = json.loads(site.audit[index])["event"]
    assert outcome["stage"] == "ResponseComplete"
    async with await site.caller("console") as console:
        page = (await console.get("/egress/entries?limit=200")).json()
        entry: dict[str, Any] = next(found for found in page["entries"] if found["id"] == outcome["auditID"])
        assert (entry["schema"], entry["caller"], entry["encoding"]) == (kind, "collector", "zstd")
        sent = (await console.get(f"/egress/bodies/{entry['cursor']}")).content
        assert hashlib.sha256(sent).hexdigest() == entry["sha256"] == outcome["annotations"]["logits.ai/egress-sha256"]
        assert (await console.get(f"/egress/bodies/{entry['cursor']}?plain=true")).content == plain
        begun: dict[str, Any] = json.loads(site.audit[int(entry["index"])])["event"]
        assert (begun["auditID"], begun["stage"]) == (entry["id"], "RequestReceived")
        assert {"registration", "report"} & {found.get("schema") for found in page["entries"]}
        questions = [found for found in page["entries"] if found["method"] == "GET"]
        assert all(found["size"] == 0 for found in questions)


BAD_LINES: list[Any] = [
    RECORD | {"prompt": "canary"},
    RECORD | {"values": {"a": {"kind": "text", "value": "canary"}}},
    RECORD | {"values": {"a": {"kind": "identifier", "value": "Not An Identifier"}}},
    RECORD | {"level": "canary"},
    {"canary": 1},
    [],
    5,
]


async def test_one_bad_line_keeps_the_whole_batch_here(site: Site, collector: httpx.AsyncClient) -> None:
    for line in BAD_LINES:
        answer = await post(collector, "logs", batch(RECORD, line))
        assert answer.status_code == 422, line
        document = answer.json()
        assert document["kind"] == "Status"
        assert "line 2" in document["message"]
    assert not site.ops.batches


async def test_batches_are_refused_in_the_dialect_of_the_edge(site: Site, collector: httpx.AsyncClient) -> None:
    plain = batch(RECORD)
    cases = [
        (await post(collector, "logs", plain, **{"content-encoding": "gzip"}), 415, "content-encoding"),
        (await post(collector, "logs", plain, **{"idempotency-key": "0" * 64}), 422, "idempotency-key"),
        (await post(collector, "logs", plain, **{"idempotency-key": "ä".encode()}), 422, "idempotency-key"),
        (await post(collector, "logs", plain, body=b"nonsense"), 400, "body"),
        (await post(collector, "logs", plain, body=zstd.compress(plain) * 2), 400, "body"),
        (await post(collector, "logs", plain, body=zstd.compress(plain)[:-3]), 400, "body"),
        (await post(collector, "logs", plain, body=b"x" * (5 << 20)), 413, ""),
        (await post(collector, "logs", b"\n" * (33 << 20)), 413, ""),
        (await post(collector, "metrics", plain), 422, ""),
    ]
    for answer, code, field in cases:
        assert answer.status_code == code, answer.text
        document = answer.json()
        assert document["kind"] == "Status"
        if field:
            assert document["details"]["causes"][0]["field"] == field
    assert not site.ops.batches


async def test_an_absent_vendor_is_a_503_that_keeps_the_batch(site: Site, collector: httpx.AsyncClient) -> None:
    site.ops.away = True
    answer = await post(collector, "logs", batch(RECORD))
    assert answer.status_code == 503
    assert answer.json()["details"]["retryAfterSeconds"] == 5


async def test_reports_hold_counts_and_codes_only(site: Site) -> None:
    async with await site.caller("controller") as controller:
        report: dict[str, Any] = {
            "sequence": 7,
            "components": [{"name": "console", "version": "0.1.0", "replicas": 1, "readyReplicas": 1}],
            "models": {"enabled": 1, "ready": 0},
            "nodes": 2,
            "gpus": 4,
        }
        assert (await controller.post("/ops/v1/reports", json=report)).status_code == 202
        sent = await site.reported(lambda found: "models" in found)
        assert (sent["nodes"], sent["gpus"], sent["models"]) == (2, 4, {"enabled": 1, "ready": 0})
        assert sent["sequence"] > 1_000_000
        bodies: tuple[Any, ...] = (
            report | {"note": "canary"},
            report | {"components": [{"name": "The customer's console"}]},
            report | {"components": [{"name": "console", "reason": "free text canary"}]},
            report | {"nodes": -1},
            [],
        )
        for bad in bodies:
            answer = await controller.post("/ops/v1/reports", json=bad)
            assert answer.status_code == 422, answer.text
        assert (await controller.post("/ops/v1/reports", content=b"{")).status_code == 400
        sequences = [found["sequence"] for found in site.ops.reports]
        assert sequences == sorted(set(sequences))
        assert "canary" not in json.dumps(site.ops.reports)
