"""The chain: a completion through all ten systems, and what happens when any of them goes."""

from __future__ import annotations

import json
import secrets
import threading
from pathlib import Path

import httpx
import pytest
from openai import OpenAI

from cluster.under_test import VENDOR, Platform, eventually
from logits_local.platform.release import release_desk


def test_a_completion_answers_in_sensible_words(platform: Platform) -> None:
    answer = platform.ask(temperature=0)
    assert answer.status_code == 200, answer.text
    text = answer.json()["choices"][0]["message"]["content"].lower()
    assert "kubernetes" in text or "cluster" in text
    assert answer.headers["x-request-id"]


def test_the_stock_openai_client_works(platform: Platform) -> None:
    client = OpenAI(base_url=f"{platform.url}/api/v1", api_key="unused")
    assert "logits-demo" in [model.id for model in client.models.list()]
    stream = client.chat.completions.create(
        model="logits-demo", messages=[{"role": "user", "content": "What is Logits?"}], stream=True
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert len(pieces) > 3
    assert "".join(pieces).strip()
    client.close()


def test_an_unknown_model_names_those_that_exist(platform: Platform) -> None:
    answer = platform.ask(model="nobody")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "logits-demo" in error["message"]


def test_the_model_landed_where_the_gpu_is(platform: Platform) -> None:
    (pod,) = platform.pods("llm-server")
    node = json.loads(platform.kubectl("get", "node", pod["spec"]["nodeName"], "-o", "json"))
    assert int(node["status"]["allocatable"]["nvidia.com/gpu"]) > 0


def test_every_pod_runs_without_privileges(platform: Platform) -> None:
    for pod in json.loads(platform.kubectl("get", "pods", "-o", "json"))["items"]:
        for container in pod["spec"]["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert "@sha256:" in container["image"]


def test_a_canary_in_a_prompt_reaches_no_log_that_leaves(platform: Platform) -> None:
    canary = f"canary-{secrets.token_hex(8)}"
    assert platform.ask(f"Please repeat {canary}", max_tokens=16).status_code == 200
    platform.ask(f"{canary}", model=canary)
    httpx.get(f"{platform.url}/entities/{canary}", timeout=10, trust_env=False)
    headers = {"x-request-id": canary, "authorization": f"Bearer {canary}", "user-agent": canary, "x-canary": canary}
    httpx.get(f"{platform.url}/{canary}?q={canary}", headers=headers, timeout=10, trust_env=False)
    streamed = {
        "model": "logits-demo",
        "stream": True,
        "max_tokens": 8,
        "user": canary,
        "messages": [{"role": "system", "content": canary}, {"role": "user", "content": canary}],
    }
    chat = f"{platform.url}/api/v1/chat/completions"
    assert httpx.post(chat, json=streamed, headers=headers, timeout=60, trust_env=False).status_code == 200
    assert httpx.post(chat, content=f'{{"model": "{canary}', timeout=10, trust_env=False).status_code == 400
    # Only what was collected after the canary was sent proves anything, so wait for newer samples.
    before = platform.environment()["metricSamples"]
    eventually(lambda: platform.environment()["metricSamples"] > before, "newer samples", seconds=120)
    path = f"/operator/v1/environments/{platform.env_id}"
    shown = [platform.operator("GET", path + part).text for part in ("", "/logs?after=0", "/metrics?after=0")]
    assert "logits_" in shown[2]
    assert canary not in "".join(shown)
    assert not platform.stored_by_ops_api(canary)
    assert platform.stored_by_ops_api(platform.env_id), "the search itself finds what is there"
    size = platform.get("/audit/entries?after=0&limit=1")["size"]
    for after in range(0, size, 500):
        page = httpx.get(f"{platform.url}/audit/entries?after={after}&limit=500", timeout=20, trust_env=False)
        assert canary not in page.text


def test_disabling_removes_the_pods_and_enabling_brings_them_back(platform: Platform) -> None:
    platform.switch(False)
    eventually(lambda: not platform.pods("llm-server"), "the pods to go")
    eventually(lambda: platform.stage() == "Disabled", "the stage to say so")
    refused = platform.ask()
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "model_not_found"
    platform.switch(True)
    eventually(lambda: platform.stage() == "Ready", "the model to return")
    eventually(platform.answers, "an answer")


def test_a_model_that_sleeps_is_woken_by_a_request(platform: Platform) -> None:
    spec = {"minReplicas": 0, "maxReplicas": 1, "scaleToZeroAfterSeconds": 2}
    url = f"{platform.url}/console/models/logits-demo"
    assert httpx.patch(url, json=spec, timeout=10, trust_env=False).status_code == 200
    try:
        eventually(lambda: platform.stage() == "ScaledToZero", "the model to sleep", seconds=120)
        answer = platform.ask(max_tokens=8)
        assert answer.status_code == 200, answer.text
    finally:
        awake = {"minReplicas": 1, "scaleToZeroAfterSeconds": 600}
        assert httpx.patch(url, json=awake, timeout=10, trust_env=False).status_code == 200
    eventually(lambda: platform.stage() == "Ready", "the model to stay")


def _long_stream(platform: Platform) -> httpx.Client:
    return httpx.Client(base_url=platform.url, timeout=60, trust_env=False)


def test_a_killed_engine_ends_the_stream_with_an_error_and_the_next_request_works(platform: Platform) -> None:
    body = {
        "model": "logits-demo",
        "messages": [{"role": "user", "content": "Tell me everything about Logits."}],
        "stream": True,
        "max_tokens": 3500,
        "ignore_eos": True,
    }
    events: list[str] = []
    with _long_stream(platform) as client, client.stream("POST", "/api/v1/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                events.append(line.removeprefix("data: "))
            if len(events) == 3:
                platform.kill("llm-server")
    assert events[-1] == "[DONE]"
    assert json.loads(events[-2])["error"]["message"]
    eventually(platform.answers, "the next request", seconds=120)
    eventually(lambda: platform.stage() == "Ready", "the model to be ready again", seconds=120)


@pytest.mark.parametrize(
    "component",
    ["gateway", "controller", "entity-db", "console", "api-server", "collector", "ingress-proxy", "llm-server"],
)
def test_a_killed_component_comes_back_under_load(platform: Platform, component: str) -> None:
    marker = f"mark-{secrets.token_hex(4)}"
    patch = {"metadata": {"annotations": {"logits.ai/mark": marker}}}
    headers = {"content-type": "application/merge-patch+json"}
    url = f"{platform.url}/entities/modeldeployments/logits-demo"
    eventually(lambda: httpx.patch(url, json=patch, headers=headers, timeout=10, trust_env=False).is_success, "a write")
    stop, served = threading.Event(), list[bool]()

    def load() -> None:
        while not stop.is_set():
            served.append(platform.answers())

    thread = threading.Thread(target=load)
    thread.start()
    try:
        eventually(lambda: any(served), "the load to be served")
        before = {pod["metadata"]["uid"]: _restarts(pod) for pod in platform.pods(component)}
        platform.kill(component)
        eventually(lambda: _came_back(platform, component, before), f"{component} to come back", seconds=150)
    finally:
        stop.set()
        thread.join(70)
    eventually(platform.answers, "an answer afterwards", seconds=120)
    kept = eventually(lambda: platform.get("/entities/modeldeployments/logits-demo"), "the entity")
    assert kept["metadata"]["annotations"]["logits.ai/mark"] == marker


def _restarts(pod: dict[str, object]) -> int:
    status: dict[str, list[dict[str, int]]] = pod["status"]  # type: ignore[assignment]
    return sum(container["restartCount"] for container in status.get("containerStatuses", []))


def _came_back(platform: Platform, component: str, before: dict[str, int]) -> bool:
    pods = platform.pods(component)
    fresh = [p for p in pods if p["metadata"]["uid"] not in before or _restarts(p) > before[p["metadata"]["uid"]]]
    return bool(fresh) and all(
        any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])) for pod in pods
    )


def test_the_stopped_ops_api_is_never_noticed_and_logs_arrive_afterwards(platform: Platform) -> None:
    before = platform.environment()["logRecords"]
    platform.scale("logits-ops-api", 0, namespace=VENDOR)
    eventually(lambda: not platform.pods("ops-api", VENDOR), "the Ops API to stop")
    for _ in range(5):
        assert platform.answers()
    platform.switch(False)
    eventually(lambda: platform.stage() == "Disabled", "the model to stop without the Ops API")
    platform.switch(True)
    eventually(lambda: platform.stage() == "Ready", "the model to return without the Ops API")
    platform.scale("logits-ops-api", 1, namespace=VENDOR)
    eventually(lambda: platform.environment()["logRecords"] > before, "the logs to arrive", seconds=150)


def _controller_image(platform: Platform) -> str:
    listed = json.loads(platform.kubectl("get", "deployment", "logits-controller", "-o", "json"))
    return str(listed["spec"]["template"]["spec"]["containers"][0]["image"])


def _console_says(platform: Platform, text: str) -> bool:
    page = httpx.get(platform.url + "/", headers={"accept": "text/html"}, timeout=10, trust_env=False)
    return text in page.text


def test_a_new_controller_version_rolls_out(platform: Platform) -> None:
    image = platform.variant("controller", "0.1.1")
    platform.images = {**platform.images, "controller": image}
    platform.release("0.1.1", platform.images)
    eventually(lambda: _controller_image(platform) == image, "the new image", seconds=120)
    eventually(lambda: '"running":{"version":"0.1.1"' in _compact(platform.environment()), "Ready", seconds=120)
    assert platform.answers()


def test_a_controller_that_never_becomes_ready_is_rolled_back(platform: Platform) -> None:
    good = _controller_image(platform)
    bad = platform.variant("controller", "0.1.2", never_ready=True)
    platform.release("0.1.2", {**platform.images, "controller": bad})
    eventually(lambda: _controller_image(platform) == bad, "the bad image to be tried", seconds=120)
    eventually(lambda: _controller_image(platform) == good, "the good image to return", seconds=150)
    eventually(lambda: "RolledBack" in _compact(platform.environment()), "the Ops API to know", seconds=120)
    eventually(lambda: _console_says(platform, "did not become ready"), "the Console to say why")
    assert platform.answers()


def test_a_stolen_ops_api_cannot_run_what_the_offline_keys_never_signed(platform: Platform) -> None:
    """Whoever has the Ops API's store and its online key still gets no image of their own to run."""
    good = _controller_image(platform)
    evil = json.dumps(
        {
            "schema": "logits.release/v1",
            "version": "0.1.3",
            "counter": 99,
            "issuedAt": "2026-01-01T00:00:00Z",
            "images": {**platform.images, "controller": platform.variant("controller", "0.1.3")},
        }
    )
    platform.tamper_with_ops_api(
        "INSERT INTO releases (version, counter, content, digest, published_at, recalled) VALUES (?, 99, ?, '', 0, 0)",
        "0.1.3",
        evil,
    )
    platform.tamper_with_ops_api("UPDATE environments SET desired_version = ?", "0.1.3")
    eventually(lambda: "Refused" in _compact(platform.environment()), "the refusal to be reported", seconds=120)
    eventually(lambda: "offline keys don't allow" in _compact(platform.environment()), "the reason")
    eventually(lambda: _console_says(platform, "Refused"), "the Console to show it")
    assert _controller_image(platform) == good
    platform.release("0.1.4", platform.images)
    eventually(lambda: '"running":{"version":"0.1.4"' in _compact(platform.environment()), "recovery", seconds=120)


def test_a_strangers_signature_gets_nowhere(platform: Platform, tmp_path: Path) -> None:
    stranger = release_desk(tmp_path)
    answer = platform.publish("0.1.5", platform.images, desk=stranger)
    assert answer.status_code in (409, 422), answer.text
    assert "0.1.5" not in platform.operator("GET", "/operator/v1/releases").text


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def test_the_audit_log_verifies(platform: Platform) -> None:
    from click.testing import CliRunner

    from logits_client.commands.audit import audit

    run = CliRunner().invoke(audit, ["verify", "--url", platform.url])
    assert run.exit_code == 0, run.output
    assert "entries hold" in run.output
    assert "BROKEN" not in run.output
