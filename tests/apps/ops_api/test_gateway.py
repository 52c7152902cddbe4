"""The Gateway's side of the Ops API: registration, desired release and reports."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import msgspec
import pytest

from logits_core.rollout import Accepted, Offer, Site, TrustedPair, agree
from logits_core.rollout.agreement import take_metadata, take_roots
from simulators.vendor_desk import VendorDesk, copied
from vendor.ops_api import ENVIRONMENT, Caller, running

pytestmark = pytest.mark.anyio

REGISTRATION = {"gatewayVersion": "0.1.0", "kubernetesVersion": "v1.29.4-gke.100", "nodes": 2, "gpus": 2}


async def test_registration_shows_up_for_operators(ops: Caller) -> None:
    answer = await ops.gateway.post(f"{ops.path}/registration", json=REGISTRATION)
    assert answer.status_code == 200
    assert answer.json()["environment"] == ENVIRONMENT
    state = (await ops.operator.get(f"/operator/v1/environments/{ENVIRONMENT}")).json()
    assert state["registration"] == REGISTRATION
    assert state["registeredAt"] == "2027-01-15T08:00:00Z"
    assert (state["nodes"], state["gpus"]) == (2, 2)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"nodes": -1}, "nodes"),
        ({"nodes": "two"}, "nodes"),
        ({"kubernetesVersion": "my secret cluster"}, "kubernetesVersion"),
        ({"clusterName": "acme"}, "clusterName"),
    ],
)
async def test_a_bad_registration_is_named_and_changes_nothing(ops: Caller, change: dict[str, Any], field: str) -> None:
    answer = await ops.gateway.post(f"{ops.path}/registration", json=REGISTRATION | change)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field
    assert field in answer.json()["detail"]
    state = (await ops.operator.get(f"/operator/v1/environments/{ENVIRONMENT}")).json()
    assert state["registration"] is None


async def test_malformed_json_and_missing_fields(ops: Caller) -> None:
    broken = await ops.gateway.post(f"{ops.path}/registration", content=b'{"nodes": ')
    assert broken.status_code == 400
    short = await ops.gateway.post(f"{ops.path}/registration", json={"gatewayVersion": "0.1.0"})
    assert (short.status_code, short.json()["field"]) == (422, "kubernetesVersion")
    huge = await ops.gateway.post(f"{ops.path}/registration", content=b" " * 70_000)
    assert huge.status_code == 413


async def offered(ops: Caller, **parameters: Any) -> Offer:
    answer = await ops.gateway.get(f"{ops.path}/desired", params=parameters)
    assert answer.status_code == 200, answer.text
    return Offer.parse(answer.content)


def agreed(ops: Caller, offer: Offer) -> Accepted | None:
    """What a Gateway makes of an offer."""
    trusted, refusal = take_roots(TrustedPair(), offer, ops.desk.pins)
    assert refusal is None
    now = datetime.fromtimestamp(ops.clock(), UTC)
    site = Site(ENVIRONMENT, "0.1.0", "v1.36.0")
    return agree(take_metadata(trusted, offer, now), offer.release.encode(), site)


async def test_the_newest_release_is_wanted_without_being_asked(ops: Caller) -> None:
    before = await ops.gateway.get(f"{ops.path}/desired")
    assert (Offer.parse(before.content), before.headers["etag"]) == (Offer(), '"none"')
    assert (await ops.publish("0.1.0")).status_code == 201
    after = await ops.gateway.get(f"{ops.path}/desired", headers={"if-none-match": '"none"'})
    accepted = agreed(ops, Offer.parse(after.content))
    assert accepted is not None
    assert accepted.release.version == "0.1.0"
    unchanged = await ops.gateway.get(f"{ops.path}/desired", headers={"if-none-match": after.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_publishing_the_same_again_changes_nothing(ops: Caller) -> None:
    assert (await ops.publish("0.1.0")).status_code == 201
    assert ((await ops.publish()).status_code, (await ops.publish()).json()["changed"]) == (200, False)


async def test_an_older_or_a_strangers_publication_is_refused(ops: Caller, tmp_path: Path) -> None:
    old = copied(ops.desk)
    await ops.publish("0.1.0", "0.2.0")
    for desk in (old, VendorDesk.begin(tmp_path / "stranger", clock=old.clock)):
        answer = await ops.publish(desk=desk)
        assert answer.status_code in (409, 422), answer.text
    found = (await ops.operator.get("/operator/v1/releases")).json()["items"]
    assert [(item["version"], item["recalled"]) for item in found] == [("0.2.0", False), ("0.1.0", False)]


async def test_another_director_key_than_the_roots_is_refused_at_publishing(tmp_path: Path) -> None:
    other = VendorDesk.begin(tmp_path / "other", clock=lambda: datetime.fromtimestamp(1_800_000_000, UTC))
    async with running(tmp_path) as ops:
        answer = await ops.publish(desk=other)
        assert (answer.status_code, answer.json()["field"]) == (422, "LOGITS_DIRECTOR_KEY")


async def test_missing_or_changed_files_are_refused(ops: Caller) -> None:
    ops.desk.release("0.1.0")
    whole = ops.desk.desk.directory.publication()
    for files in ({}, {"releases/0.1.0.json": whole.releases["releases/0.1.0.json"] + " "}):
        content = msgspec.json.encode(msgspec.structs.replace(whole, releases=files))
        answer = await ops.operator.post("/operator/v1/releases", content=content)
        assert (answer.status_code, answer.json()["field"]) == (422, "releases")
    assert (await ops.operator.get("/operator/v1/releases")).json() == {"items": []}


async def test_the_word_stays_until_half_of_its_life_is_over_and_then_has_a_higher_version(ops: Caller) -> None:
    await ops.publish("0.1.0")
    first = await offered(ops)
    assert await offered(ops) == first
    ops.clock.now += 3 * 3600 + 1
    second = await offered(ops)
    versions = [json.loads(offer.director.timestamp)["signed"]["version"] for offer in (first, second)]
    assert versions[1] > versions[0]
    ops.clock.now -= 86_400
    ops.clock.now += 3600 * 30
    third = await offered(ops)
    assert json.loads(third.director.timestamp)["signed"]["version"] > versions[1]


async def test_known_roots_are_not_sent_again(ops: Caller) -> None:
    await ops.publish("0.1.0")
    offer = await offered(ops, roots="1,1")
    assert (offer.images.roots, offer.director.roots) == ((), ())
    assert offer.images.timestamp


async def test_a_recalled_release_is_wanted_nowhere_and_cannot_be(ops: Caller) -> None:
    await ops.publish("0.1.0", "0.2.0")
    put = f"/operator/v1/environments/{ENVIRONMENT}/desired"
    assert (await ops.operator.put(put, json={"version": "0.1.0", "reason": "calm"})).status_code == 200
    accepted = agreed(ops, await offered(ops))
    assert accepted is not None
    assert (accepted.release.version, accepted.reason) == ("0.1.0", "calm")
    ops.desk.recall("0.1.0")
    assert (await ops.publish()).status_code == 201
    assert agreed(ops, await offered(ops)) is None
    answer = await ops.operator.put(put, json={"version": "0.1.0"})
    assert (answer.status_code, answer.json()["field"]) == (422, "version")
    assert "recalled" in answer.json()["detail"]
    assert (await ops.operator.put(put, json={"version": "0.2.0", "reason": "\u202e"})).status_code == 422


async def test_a_long_poll_answers_at_the_change(ops: Caller) -> None:
    await ops.publish("0.1.0", "0.2.0")
    first = await ops.gateway.get(f"{ops.path}/desired")
    answers: list[Offer] = []

    async def poll() -> None:
        headers = {"if-none-match": first.headers["etag"]}
        answer = await ops.gateway.get(f"{ops.path}/desired", params={"wait": 25}, headers=headers)
        answers.append(Offer.parse(answer.content))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(poll)
            await _waiters(ops, 1)
            chosen = await ops.operator.put(
                f"/operator/v1/environments/{ENVIRONMENT}/desired", json={"version": "0.1.0"}
            )
            assert chosen.status_code == 200
    accepted = agreed(ops, answers[0])
    assert accepted is not None
    assert accepted.release.version == "0.1.0"


async def test_a_long_poll_ends_when_the_process_stops(ops: Caller) -> None:
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:

            async def poll() -> None:
                headers = {"if-none-match": '"none"'}
                answer = await ops.gateway.get(f"{ops.path}/desired", params={"wait": 25}, headers=headers)
                assert answer.status_code == 304

            group.start_soon(poll)
            await _waiters(ops, 1)
            ops.app.services.changes.close()


async def _waiters(ops: Caller, count: int) -> None:
    while ops.metric("logits_ops_waiters") < count:
        await anyio.lowlevel.checkpoint()


async def test_waiters_are_bounded(tmp_path: Path) -> None:
    async with running(tmp_path, max_waiters=1) as ops:
        headers = {"if-none-match": '"none"'}
        refused = httpx.Response(500)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:

                async def poll() -> None:
                    await ops.gateway.get(f"{ops.path}/desired", params={"wait": 25}, headers=headers)

                group.start_soon(poll)
                await _waiters(ops, 1)
                refused = await ops.gateway.get(f"{ops.path}/desired", params={"wait": 25}, headers=headers)
                ops.app.services.changes.close()
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0


async def test_only_published_versions_can_be_desired(ops: Caller) -> None:
    path = f"/operator/v1/environments/{ENVIRONMENT}/desired"
    unknown = await ops.operator.put(path, json={"version": "9.9.9"})
    assert (unknown.status_code, unknown.json()["field"]) == (422, "version")
    nowhere = await ops.operator.put("/operator/v1/environments/nobody/desired", json={"version": "9.9.9"})
    assert nowhere.status_code == 404


async def test_reports_merge_and_old_ones_are_ignored(ops: Caller) -> None:
    first = {"sequence": 2, "nodes": 3, "models": {"enabled": 1, "ready": 0}}
    assert (await ops.gateway.post(f"{ops.path}/reports", json=first)).json() == {"accepted": True}
    second = {
        "sequence": 3,
        "release": {"desired": {"version": "0.1.0", "counter": 1}, "running": None, "state": "RollingOut"},
        "components": [
            {"name": "controller", "version": "0.1.0", "replicas": 1, "readyReplicas": 0},
            {"name": "console", "version": "", "replicas": 0, "readyReplicas": 0, "reason": ""},
        ],
    }
    assert (await ops.gateway.post(f"{ops.path}/reports", json=second)).json() == {"accepted": True}
    late = {"sequence": 1, "nodes": 99}
    assert (await ops.gateway.post(f"{ops.path}/reports", json=late)).json() == {"accepted": False}
    state = (await ops.operator.get(f"/operator/v1/environments/{ENVIRONMENT}")).json()
    assert state["nodes"] == 3
    assert state["models"] == {"enabled": 1, "ready": 0}
    assert state["release"]["state"] == "RollingOut"
    assert state["components"][0]["name"] == "controller"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"nodes": 1}, "sequence"),
        ({"sequence": 1, "prompt": "hello"}, "prompt"),
        ({"sequence": 1, "release": {"state": "Great"}}, "release.state"),
        ({"sequence": 1, "release": {"message": "line\nbreak"}}, "release.message"),
        ({"sequence": 1, "components": [{"name": "my model"}]}, "components"),
        ({"sequence": 1, "components": [{"name": "console", "reason": "free text"}]}, "components"),
        ({"sequence": 1, "models": {"enabled": 1, "ready": 1, "names": ["x"]}}, "models.names"),
    ],
)
async def test_a_report_with_free_text_is_refused(ops: Caller, document: dict[str, Any], field: str) -> None:
    answer = await ops.gateway.post(f"{ops.path}/reports", json=document)
    assert answer.status_code == 422
    assert answer.json()["field"].startswith(field)


async def test_accounts_follows_the_registration_live(ops: Caller) -> None:
    seen: list[dict[str, Any]] = []
    path = f"/internal/v1/environments/{ENVIRONMENT}/events"
    with anyio.fail_after(20):
        async with ops.service.stream("GET", path) as stream:
            async for line in stream.aiter_lines():
                if not line.startswith("data: "):
                    continue
                seen.append(json.loads(line.removeprefix("data: ")))
                if len(seen) == 2:
                    break
                await ops.gateway.post(f"{ops.path}/registration", json=REGISTRATION)
    assert seen[0]["registration"] is None
    assert seen[1]["registration"] == REGISTRATION


async def test_an_environment_id_must_be_a_uuid(ops: Caller) -> None:
    answer = await ops.announce("not-a-uuid")
    assert (answer.status_code, answer.json()["field"]) == (422, "environment")
