"""Log and metric batches: stored once each, refused whole when anything in them is not safe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from vendor.ops_api import Caller, lines, record, running
from vendor.stores import rows

pytestmark = pytest.mark.anyio

SAMPLE = {
    "component": "api-server",
    "instance": "0123456789abcdef",
    "time": 1_800_000_000.0,
    "name": "logits_requests_total",
    "value": 3.0,
    "labels": {"status": "200"},
}


async def test_a_batch_is_stored_once(ops: Caller) -> None:
    plain = lines(record(1), record(2))
    assert (await ops.send("logs", plain)).json() == {"accepted": 2, "duplicate": False}
    assert (await ops.send("logs", plain)).json() == {"accepted": 0, "duplicate": True}
    assert [line["sequence"] for line in await ops.log_lines()] == [1, 2]


async def test_a_record_is_stored_once_however_batches_are_cut(ops: Caller) -> None:
    await ops.send("logs", lines(record(1), record(2)))
    again = await ops.send("logs", lines(record(2), record(3), record(1, stream="f" * 16)))
    assert again.json() == {"accepted": 2, "duplicate": False}
    stored = [(line["stream"][0], line["sequence"]) for line in await ops.log_lines()]
    assert sorted(stored) == [("0", 1), ("0", 2), ("0", 3), ("f", 1)]


async def test_paging_by_after(ops: Caller) -> None:
    await ops.send("logs", lines(*(record(n) for n in range(1, 6))))
    path = f"/operator/v1/environments/{ops.environment}/logs"
    first = (await ops.operator.get(path, params={"limit": 3})).json()
    rest = (await ops.operator.get(path, params={"after": first["next"]})).json()
    assert [i["record"]["sequence"] for i in first["items"] + rest["items"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prompt": "my secret"}, "lines[2]"),
        ({"level": "loud"}, "lines[2].level"),
        ({"values": {"name": {"kind": "text", "value": "my secret"}}}, "lines[2].values.name.kind"),
        ({"values": {"name": {"kind": "identifier", "value": "My Secret"}}}, "lines[2].values.name.value"),
        ({"time": "soon"}, "lines[2]"),
    ],
)
async def test_an_unsafe_line_refuses_the_whole_batch(ops: Caller, change: dict[str, Any], field: str) -> None:
    answer = await ops.send("logs", lines(record(1), record(2, **change)))
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert "lines[2]" in answer.json()["detail"]
    assert await ops.log_lines() == []


async def test_metrics_follow_the_same_rules(ops: Caller) -> None:
    plain = lines(SAMPLE, {**SAMPLE, "value": 4.0})
    assert (await ops.send("metrics", plain)).json() == {"accepted": 2, "duplicate": False}
    assert (await ops.send("metrics", plain)).json() == {"accepted": 0, "duplicate": True}
    stored = (await ops.operator.get(f"/operator/v1/environments/{ops.environment}/metrics")).json()
    assert [sample["value"] for sample in stored["items"][0]["samples"]] == [3.0, 4.0]
    named = await ops.send("metrics", lines({**SAMPLE, "labels": {"model": "acme-secret"}}))
    assert (named.status_code, named.json()["field"]) == (422, "lines[1].labels")


async def test_wrong_wrapping_is_named(ops: Caller) -> None:
    plain = lines(record(1))
    encoding = await ops.send("logs", plain, headers={"content-encoding": "identity"})
    assert (encoding.status_code, encoding.json()["field"]) == (415, "Content-Encoding")
    key = await ops.send("logs", plain, headers={"idempotency-key": "0" * 64})
    assert (key.status_code, key.json()["field"]) == (422, "Idempotency-Key")
    assert (await ops.send("logs", plain, content=b"not zstd")).status_code == 400
    assert (await ops.send("logs", plain, content=zstd.compress(plain)[:-3])).status_code == 400
    assert (await ops.send("logs", plain, content=zstd.compress(plain) + b"more")).status_code == 400
    assert await ops.log_lines() == []


async def test_bombs_and_heaps_are_refused(tmp_path: Path) -> None:
    limits = {"max_batch_bytes": 4096, "max_batch_plain_bytes": 65_536, "max_batch_records": 10}
    async with running(tmp_path, **limits) as ops:
        bomb = await ops.send("logs", b"\0" * 10_000_000)
        assert bomb.status_code == 413
        many = await ops.send("logs", lines(*(record(n) for n in range(11))))
        assert many.status_code == 413
        noise = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(1000))
        assert (await ops.send("logs", noise)).status_code == 413


async def test_what_is_stored_is_what_was_sent_and_readable(ops: Caller) -> None:
    await ops.send("logs", lines(record(1)))
    await ops.send("metrics", lines(SAMPLE))
    url = ops.app.services.settings.store_url()
    ((stored,),) = rows(url, "SELECT record FROM log_lines")
    ((body,),) = rows(url, "SELECT body FROM batches WHERE kind = 'metrics'")
    assert json.loads(stored)["template"] == record(1)["template"]
    assert json.loads(body) == SAMPLE


async def test_retention_by_age_and_by_number(ops: Caller) -> None:
    from logits_ops_api.adapters.retention import Expiry, Retention
    from logits_shell.database import Database

    await ops.send("logs", lines(record(1)))
    ops.clock.now += 1000
    await ops.send("logs", lines(*(record(n) for n in range(2, 10))))
    for value in range(4):
        await ops.send("metrics", lines({**SAMPLE, "value": float(value)}))
    database = Database(ops.app.services.settings.store_url())
    expiry = Expiry(database, Retention(seconds=500, log_lines=5, metric_batches=2))
    # One line and its batch by age; three lines and two metric batches by number.
    assert await expiry.expire(ops.clock.now) == 2 + 3 + 2
    assert await expiry.expire(ops.clock.now) == 0
    database.close()
    assert [line["sequence"] for line in await ops.log_lines()] == [5, 6, 7, 8, 9]
    stored = (await ops.operator.get(f"/operator/v1/environments/{ops.environment}/metrics")).json()
    assert [item["samples"][0]["value"] for item in stored["items"]] == [2.0, 3.0]
