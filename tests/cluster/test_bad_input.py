"""Bad input at every edge of the running platform: refused in the edge's own dialect, and nothing changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from cluster.under_test import Platform

MERGE = {"content-type": "application/merge-patch+json"}
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
ZSTD = {"content-encoding": "zstd", "idempotency-key": "0" * 64}
CHAT = "/api/v1/chat/completions"
DEPLOYMENT = "/entities/modeldeployments/logits-demo"
SOMEBODY = "11111111-2222-4333-8444-555555555555"
MESSAGES: list[dict[str, str]] = [{"role": "user", "content": "hi"}]


@dataclass(frozen=True)
class Bad:
    """A request that must be refused.

    Attributes:
        what: what is wrong with it.
        method: HTTP method.
        path: on the edge; `{env}` stands for the envID.
        body: bytes as they are, anything else as JSON.
        status: that answers it.
        words: that the message contains: the field, and what to do.
        headers: on top of the edge's own.
    """

    what: str
    method: str
    path: str
    body: Any
    status: int
    words: tuple[str, ...]
    headers: dict[str, str] = field(default_factory=dict[str, str])


def entity(name: str, kind: str = "ModelDeployment", **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}, "spec": {"model": "logits-demo", **spec}}


INFERENCE = (
    Bad("malformed JSON", "POST", CHAT, b'{"model":', 400, ("not valid JSON",)),
    Bad("no object", "POST", CHAT, [], 400, ("JSON object",)),
    Bad("wrong type", "POST", CHAT, {"model": 5, "messages": MESSAGES}, 400, ("'model'", "str")),
    Bad("wrong type of stream", "POST", CHAT, {"model": "logits-demo", "stream": "yes"}, 400, ("'stream'", "bool")),
    Bad("missing field", "POST", CHAT, {"messages": MESSAGES}, 400, ("'model'", "Add")),
    Bad("what the engine refuses", "POST", CHAT, {"model": "logits-demo"}, 400, ("messages", "required")),
    Bad("one key twice", "POST", CHAT, b'{"model":"a","model":"b"}', 400, ("'model'", "one")),
    Bad("unknown model", "POST", CHAT, {"model": "nope", "messages": MESSAGES}, 404, ("'nope'", "logits-demo")),
    Bad("unknown model to look up", "GET", "/api/v1/models/nope", None, 404, ("'nope'", "logits-demo")),
    Bad("too large", "POST", CHAT, b'{"model":"' + b"a" * (33 << 20) + b'"}', 413, ("larger", "less")),
    Bad("unknown path", "POST", "/api/v1/nope", {}, 404, ("/api/v1/nope", "/v1/chat/completions")),
    Bad("wrong method", "GET", CHAT, None, 405, ("POST",)),
)
ENTITIES = (
    Bad("unknown kind", "GET", "/entities/nopes", None, 404, ("'nopes'", "modeldeployments")),
    Bad("unknown name", "GET", "/entities/modeldeployments/nope", None, 404, ("'nope'", "List")),
    Bad("malformed JSON", "POST", "/entities/modeldeployments", b"{", 400, ("not JSON",)),
    Bad(
        "wrong type", "PATCH", DEPLOYMENT, {"spec": {"minReplicas": "two"}}, 422, ("spec.minReplicas", "integer"), MERGE
    ),
    Bad("unknown field", "PATCH", DEPLOYMENT, {"spec": {"minReplica": 2}}, 422, ("spec.minReplica ", "Remove"), MERGE),
    Bad("bounds crossed", "PATCH", DEPLOYMENT, {"spec": {"minReplicas": 5}}, 422, ("minReplicas (5)",), MERGE),
    Bad("wrong media type", "PATCH", DEPLOYMENT, {"spec": {}}, 415, ("Content-Type", "merge-patch"), JSON),
    Bad(
        "stale version",
        "PATCH",
        DEPLOYMENT,
        {"metadata": {"resourceVersion": "1"}, "spec": {"maxReplicas": 5}},
        409,
        ("changed since resourceVersion 1", "Read it again"),
        MERGE,
    ),
    Bad("no version", "PUT", DEPLOYMENT, entity("logits-demo"), 422, ("metadata.resourceVersion", "Send")),
    Bad("bad name", "POST", "/entities/modeldeployments", entity("A b"), 422, ("metadata.name", "lower-case")),
    Bad("taken name", "POST", "/entities/modeldeployments", entity("logits-demo"), 409, ("exists already", "another")),
    Bad("wrong kind", "POST", "/entities/modeldeployments", entity("x", "Demand"), 422, ("kind", "'ModelDeployment'")),
    Bad("too large", "POST", "/entities/modeldeployments", entity("x", model="b" * (3 << 20)), 413, ("less",)),
    Bad("bad selector", "GET", "/entities/demands?labelSelector=((", None, 400, ("label selector", "Write")),
    Bad("bad limit", "GET", "/entities/demands?limit=many", None, 400, ("limit", "int", "Change")),
    Bad("bad revision", "GET", "/entities/demands?watch=true&resourceVersion=x", None, 400, ("resourceVersion 'x'",)),
)
CONSOLE = (
    Bad("unknown model", "PATCH", "/console/models/nope", {"enabled": True}, 404, ("'nope'",)),
    Bad("malformed JSON", "PATCH", "/console/models/logits-demo", b"{", 400, ("JSON document",)),
    Bad("wrong type", "PATCH", "/console/models/logits-demo", {"enabled": "maybe"}, 422, ("enabled", "bool")),
    Bad(
        "unknown field",
        "PATCH",
        "/console/models/logits-demo",
        {"enable": True},
        422,
        ("enable is not a field", "remove"),
    ),
    Bad("bounds crossed", "PATCH", "/console/models/logits-demo", {"minReplicas": 9}, 422, ("minReplicas (9)",)),
    Bad("nothing", "PATCH", "/console/models/logits-demo", {}, 422, ("nothing to change", "enabled")),
    Bad("bad form", "POST", "/models/logits-demo", b"action=scale&minReplicas=x", 422, ("minReplicas", "number"), FORM),
    Bad(
        "another site",
        "POST",
        "/models/logits-demo",
        b"action=disable",
        403,
        ("Origin",),
        {**FORM, "origin": "http://a.b"},
    ),
    Bad("bad parameter", "GET", "/audit/entries?after=x", None, 400, ("after", "int")),
    Bad("unknown path", "GET", "/nope", None, 404, ("nothing at this path",)),
)
OPERATOR = (
    Bad("wrong token", "POST", "/operator/v1/releases", {}, 401, ("operator token",), {"authorization": "Bearer x"}),
    Bad("malformed JSON", "POST", "/operator/v1/releases", b"{", 400, ("JSON document",)),
    Bad(
        "wrong type",
        "POST",
        "/operator/v1/releases",
        {"images": 5, "director": {}, "releases": {}},
        422,
        ("images", "object"),
    ),
    Bad(
        "unknown version",
        "PUT",
        "/operator/v1/environments/{env}/desired",
        {"version": "9.9.9"},
        422,
        ("9.9.9", "publish"),
    ),
    Bad(
        "unknown field",
        "PUT",
        "/operator/v1/environments/{env}/desired",
        {"versions": "1"},
        422,
        ("versions", "remove"),
    ),
    Bad("unknown environment", "GET", f"/operator/v1/environments/{SOMEBODY}", None, 404, (SOMEBODY,)),
    Bad("wrong key", "GET", "/v1/environments/{env}/desired", None, 401, ("envKey", "compare")),
    Bad("wrong key of a batch", "POST", "/v1/environments/{env}/logs", b"hello", 401, ("envKey",), ZSTD),
    Bad("wrong service token", "DELETE", "/internal/v1/environments/{env}", None, 401, ("service token",)),
    Bad("unknown path", "GET", "/nope", None, 404, ("nothing at this path",)),
)
ACCOUNTS = (
    Bad("wrong password", "POST", "/sign-in", b"email=you%40logits.local&password=wrong", 422, ("password",), FORM),
    Bad("bad fields", "POST", "/sign-up", b"email=nomail&password=short", 422, ("address", "characters"), FORM),
    Bad("another site", "POST", "/sign-in", b"email=a", 403, ("another site",), {**FORM, "origin": "http://a.b"}),
    Bad("unknown page", "GET", "/nope", None, 404, ("does not exist",)),
)


def openai_message(answer: httpx.Response) -> str:
    error = answer.json()["error"]
    assert error.keys() >= {"message", "type", "param", "code"}
    return str(error["message"])


def status_message(answer: httpx.Response) -> str:
    status = answer.json()
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", answer.status_code)
    assert status["reason"]
    return str(status["message"])


def problem_detail(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    return f"{problem['detail']} {problem.get('field', '')}"


def page_text(answer: httpx.Response) -> str:
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


@dataclass(frozen=True)
class Edge:
    """Where requests go in, and how refusals are worded there."""

    name: str
    bad: tuple[Bad, ...]
    message: Callable[[httpx.Response], str]
    url: Callable[[Platform], str]
    headers: Callable[[Platform], dict[str, str]] = lambda _: {}


EDGES = (
    Edge("inference", INFERENCE, openai_message, lambda p: p.url),
    Edge("entities", ENTITIES, status_message, lambda p: p.url),
    Edge("console", CONSOLE, problem_detail, lambda p: p.url),
    Edge(
        "ops-api",
        OPERATOR,
        problem_detail,
        lambda p: p.ops_api_url,
        lambda p: {"authorization": f"Bearer {p.operator_token}"},
    ),
    Edge("accounts", ACCOUNTS, page_text, lambda p: p.accounts_url),
)


def state(platform: Platform) -> dict[str, Any]:
    """What bad input must not change: the deployments, and what the vendor wants of the environment."""
    deployments = platform.get("/entities/modeldeployments")["items"]
    releases = platform.operator("GET", "/operator/v1/releases").json()
    return {
        "deployments": {
            item["metadata"]["name"]: (item["metadata"]["generation"], item["spec"]) for item in deployments
        },
        "releases": releases,
        "desired": platform.environment().get("desired"),
    }


@pytest.fixture(params=EDGES, ids=lambda edge: edge.name)
def edge(request: pytest.FixtureRequest) -> Edge:
    return request.param


@pytest.fixture
def client(platform: Platform, edge: Edge) -> Iterator[httpx.Client]:
    """One connection for all, so that no refusal may leave it in a bad state."""
    with httpx.Client(
        base_url=edge.url(platform), headers=edge.headers(platform), timeout=30, trust_env=False
    ) as connected:
        yield connected


def test_bad_input_is_refused_in_the_dialect_of_the_edge_and_changes_nothing(
    platform: Platform, edge: Edge, client: httpx.Client, subtests: pytest.Subtests
) -> None:
    before = state(platform)
    for bad in edge.bad:
        content = bad.body if isinstance(bad.body, bytes | None) else json.dumps(bad.body).encode()
        headers = ({} if content is None else JSON) | {"origin": edge.url(platform)} | bad.headers
        with subtests.test(bad.what):
            path = bad.path.replace("{env}", platform.env_id)
            answer = client.request(bad.method, path, content=content, headers=headers)
            assert answer.status_code == bad.status, answer.text
            message = edge.message(answer)
            for word in bad.words:
                assert word in message
    assert state(platform) == before
