"""The Gateway's side of the Ops API: registration, desired release and reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from vendor.ops_api import ENVIRONMENT, Caller, release, running

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


async def test_the_newest_release_is_wanted_without_being_asked(ops: Caller) -> None:
    before = await ops.gateway.get(f"{ops.path}/desired")
    assert (before.json(), before.headers["etag"]) == ({"release": None}, '"none"')
    published = await ops.operator.post("/operator/v1/releases", json=release())
    assert published.status_code == 201
    after = await ops.gateway.get(f"{ops.path}/desired", headers={"if-none-match": '"none"'})
    assert after.json() == {"release": release()}
    unchanged = await ops.gateway.get(f"{ops.path}/desired", headers={"if-none-match": after.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_a_release_is_published_once(ops: Caller) -> None:
    assert (await ops.operator.post("/operator/v1/releases", json=release())).status_code == 201
    assert (await ops.operator.post("/operator/v1/releases", json=release())).status_code == 200
    other = await ops.operator.post("/operator/v1/releases", json=release(digit="b"))
    assert (other.status_code, other.json()["field"]) == (409, "payload.version")
    desired = (await ops.gateway.get(f"{ops.path}/desired")).json()
    assert desired == {"release": release()}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"payload": "e30="}, "signatures"),
        ({**release(), "extra": 1}, "extra"),
        ({**release(), "payload": "not base64"}, "payload"),
        ({**release(), "payload": "e30="}, "payload.version"),
        (release(counter=0), "payload.counter"),
    ],
)
async def test_a_bad_envelope_names_the_field(ops: Caller, document: dict[str, Any], field: str) -> None:
    answer = await ops.operator.post("/operator/v1/releases", json=document)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"].startswith(field.split(".", maxsplit=1)[0])
    assert (await ops.operator.get("/operator/v1/releases")).json() == {"items": []}


async def test_a_long_poll_answers_at_the_change(ops: Caller) -> None:
    for version, counter in (("0.1.0", 1), ("0.2.0", 2)):
        await ops.operator.post("/operator/v1/releases", json=release(version, counter))
    first = await ops.gateway.get(f"{ops.path}/desired")
    answers: list[dict[str, Any]] = []

    async def poll() -> None:
        headers = {"if-none-match": first.headers["etag"]}
        answer = await ops.gateway.get(f"{ops.path}/desired", params={"wait": 25}, headers=headers)
        answers.append(answer.json())

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(poll)
            await _waiters(ops, 1)
            chosen = await ops.operator.put(
                f"/operator/v1/environments/{ENVIRONMENT}/desired", json={"version": "0.2.0"}
            )
            assert chosen.status_code == 200
    assert answers == [{"release": release("0.2.0", 2)}]


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
