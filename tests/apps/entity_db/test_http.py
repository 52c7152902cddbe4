"""The HTTP API: verbs, and a clear refusal for everything that is wrong with a request."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from apps.entity_db.conftest import Start

pytestmark = pytest.mark.anyio

PATH = "/entities/modeldeployments"
BODY: dict[str, Any] = {"metadata": {"name": "demo"}, "spec": {"model": "m"}}
PATCH = {"content-type": "application/merge-patch+json"}
JSON = {"content-type": "application/json"}


async def test_the_life_of_an_entity(start: Start) -> None:
    async with start() as db, httpx.AsyncClient(base_url=db.url) as http:
        created = await http.post(PATH, json=BODY)
        assert created.status_code == 201
        entity = created.json()
        assert (entity["kind"], entity["metadata"]["generation"]) == ("ModelDeployment", 1)
        entity["spec"]["enabled"] = True
        replaced = (await http.put(f"{PATH}/demo", json=entity)).json()
        assert replaced["metadata"]["generation"] == 2
        patched = await http.patch(f"{PATH}/demo", content='{"spec":{"maxReplicas":3}}', headers=PATCH)
        assert patched.json()["spec"]["maxReplicas"] == 3
        status = await http.patch(f"{PATH}/demo/status", content='{"status":{"stage":"Ready"}}', headers=PATCH)
        assert status.json()["status"] == {"stage": "Ready"}
        listed = (await http.get(PATH)).json()
        assert listed["kind"] == "ModelDeploymentList"
        assert listed["items"] == [status.json()]
        assert listed["metadata"]["resourceVersion"] == "4"
        assert (await http.delete(f"{PATH}/demo", params={"resourceVersion": "4"})).status_code == 200
        assert (await http.get(f"{PATH}/demo")).status_code == 404


async def test_status_is_replaced_only_at_its_own_path(start: Start) -> None:
    async with start() as db, httpx.AsyncClient(base_url=db.url) as http:
        entity = (await http.post(PATH, json={**BODY, "status": {"stage": "Ready"}})).json()
        assert entity["status"] == {}
        entity["status"] = {"stage": "Ready"}
        answer = await http.put(f"{PATH}/demo/status", json=entity)
        assert answer.json()["status"] == {"stage": "Ready"}
        assert (await http.get(f"{PATH}/demo/status")).json() == answer.json()


async def test_kinds_are_listed_with_their_schemas(start: Start) -> None:
    async with start() as db, httpx.AsyncClient(base_url=db.url) as http:
        kinds = (await http.get("/entities")).json()
        assert [kind["plural"] for kind in kinds["items"]][:2] == ["languagemodels", "modeldeployments"]


async def test_a_repeated_create_is_answered_alike(start: Start) -> None:
    async with start() as db, httpx.AsyncClient(base_url=db.url) as http:
        answers = [await http.post(PATH, json=BODY, headers={"idempotency-key": "k"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].content == answers[1].content
        other = {**BODY, "metadata": {"name": "other"}}
        assert (await http.post(PATH, json=other, headers={"idempotency-key": "k"})).status_code == 409


async def test_pages(start: Start) -> None:
    async with start(page_limit=2) as db, httpx.AsyncClient(base_url=db.url) as http:
        for name in "abc":
            await http.post(PATH, json={**BODY, "metadata": {"name": name}})
        first = (await http.get(PATH, params={"limit": 50})).json()
        assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
        token = first["metadata"]["continue"]
        rest = (await http.get(PATH, params={"continue": token})).json()
        assert [item["metadata"]["name"] for item in rest["items"]] == ["c"]
        assert "continue" not in rest["metadata"]


REFUSALS: list[tuple[str, str, dict[str, Any], int, str, str | None]] = [
    ("GET", "/entities/nopes", {}, 404, "NotFound", None),
    ("GET", "/elsewhere", {}, 404, "NotFound", None),
    ("GET", f"{PATH}/nobody", {}, 404, "NotFound", "metadata.name"),
    ("PUT", f"{PATH}/nobody", {"json": BODY}, 404, "NotFound", "metadata.name"),
    ("DELETE", f"{PATH}/nobody", {}, 404, "NotFound", "metadata.name"),
    ("POST", "/entities/nopes", {"json": BODY}, 404, "NotFound", None),
    ("DELETE", PATH, {}, 405, "MethodNotAllowed", None),
    ("POST", PATH, {"content": b"{", "headers": JSON}, 400, "BadRequest", None),
    ("POST", PATH, {"content": b"[]", "headers": JSON}, 400, "BadRequest", None),
    ("POST", PATH, {"content": b'"\xff"', "headers": JSON}, 400, "BadRequest", None),
    ("POST", PATH, {"content": b"[" * 4_000, "headers": JSON}, 400, "BadRequest", None),
    ("POST", PATH, {"content": b'{"a":"\\ud800"}', "headers": JSON}, 400, "BadRequest", None),
    ("POST", PATH, {"content": b"", "headers": JSON}, 400, "BadRequest", None),
    ("POST", PATH, {"content": b"{}"}, 415, "UnsupportedMediaType", "Content-Type"),
    ("PATCH", f"{PATH}/demo", {"json": {}}, 415, "UnsupportedMediaType", "Content-Type"),
    ("POST", PATH, {"json": BODY}, 409, "AlreadyExists", "metadata.name"),
    ("POST", PATH, {"json": {**BODY, "colour": 1}}, 422, "Invalid", "colour"),
    ("POST", PATH, {"json": {**BODY, "spec": {"model": "m", "colour": 1}}}, 422, "Invalid", "spec.colour"),
    ("POST", PATH, {"json": {**BODY, "spec": {"model": 1}}}, 422, "Invalid", "spec.model"),
    ("POST", PATH, {"json": BODY, "headers": {"idempotency-key": "k" * 256}}, 400, "BadRequest", "Idempotency-Key"),
    ("PUT", f"{PATH}/demo", {"json": BODY}, 422, "Invalid", "metadata.resourceVersion"),
    (
        "PUT",
        f"{PATH}/demo",
        {"json": {**BODY, "metadata": {"name": "demo", "resourceVersion": "99"}}},
        409,
        "Conflict",
        "metadata.resourceVersion",
    ),
    ("PUT", f"{PATH}/demo", {"json": {**BODY, "metadata": {"name": "x"}}}, 422, "Invalid", "metadata.name"),
    ("PATCH", f"{PATH}/demo", {"content": b'{"spec":[]}', "headers": PATCH}, 422, "Invalid", "spec"),
    (
        "PATCH",
        f"{PATH}/demo/status",
        {"content": b'{"status":{"stage":"Fine"}}', "headers": PATCH},
        422,
        "Invalid",
        "status.stage",
    ),
    ("DELETE", f"{PATH}/demo?resourceVersion=9", {}, 409, "Conflict", "metadata.resourceVersion"),
    ("DELETE", f"{PATH}/demo?resourceVersion=x", {}, 400, "BadRequest", "resourceVersion"),
    ("GET", f"{PATH}?labelSelector=a=b=c", {}, 400, "BadRequest", "labelSelector"),
    ("GET", f"{PATH}?continue=zzz", {}, 400, "BadRequest", "continue"),
    ("GET", f"{PATH}?limit=many", {}, 400, "BadRequest", "limit"),
    ("GET", f"{PATH}?watch=true&resourceVersion=-1", {}, 400, "BadRequest", "resourceVersion"),
    ("GET", f"{PATH}?watch=true&resourceVersion=99", {}, 410, "Expired", "resourceVersion"),
    ("POST", PATH, {"content": b" " * 5000, "headers": JSON}, 413, "RequestEntityTooLarge", None),
]


async def test_refusals_name_the_field_and_change_nothing(start: Start) -> None:
    async with start(body_bytes_limit=4096) as db, httpx.AsyncClient(base_url=db.url) as http:
        before = (await http.post(PATH, json=BODY)).json()
        for method, path, arguments, code, reason, field in REFUSALS:
            answer = await http.request(method, path, **arguments)
            case = f"{method} {path} {str(arguments)[:120]} -> {answer.text}"
            assert answer.status_code == code, case
            status = answer.json()
            assert (status["kind"], status["status"], status["reason"], status["code"]) == (
                "Status",
                "Failure",
                reason,
                code,
            ), case
            assert status["details"].get("field") == field, case
            assert status["message"], case
        assert (await http.get(f"{PATH}/demo")).json() == before
        assert (await http.get(PATH)).json()["metadata"]["resourceVersion"] == "1"


async def test_writes_beyond_the_queue_are_refused_and_counted(start: Start) -> None:
    async with start(queue_limit=1) as db, httpx.AsyncClient(base_url=db.url) as http:
        answers: list[httpx.Response] = []

        async def create(name: str) -> None:
            answers.append(await http.post(PATH, json={**BODY, "metadata": {"name": name}}))

        async with anyio.create_task_group() as group:
            for number in range(40):
                group.start_soon(create, f"n{number}")
        refused = [answer for answer in answers if answer.status_code == 503]
        kept = [answer for answer in answers if answer.status_code == 201]
        assert len(kept) + len(refused) == 40
        assert len((await http.get(PATH)).json()["items"]) == len(kept) > 0
        assert all(answer.headers["retry-after"] == "1" for answer in refused)
        name = "logits_entity_db_writes_total"
        assert db.metric(name, kind="ModelDeployment", outcome="no_capacity") == len(refused)
        assert db.metric(name, kind="ModelDeployment", outcome="ok") == len(kept)


@pytest.mark.parametrize("depth", [50, 200, 400, 600, 800, 900, 950, 990, 2000])
async def test_deep_nesting_is_stored_or_refused_and_never_breaks(start: Start, depth: int) -> None:
    async with start() as db, httpx.AsyncClient(base_url=db.url) as http:
        await http.post(PATH, json=BODY)
        content = '{"status":{"deep":' + "[" * depth + "]" * depth + "}}"
        answer = await http.patch(f"{PATH}/demo/status", content=content, headers=PATCH)
        assert answer.status_code in {200, 400}
        assert (await http.get(PATH)).status_code == 200
        assert (await http.get(f"{PATH}/demo")).status_code == 200
