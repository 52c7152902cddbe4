"""`logits up` leads to a first answer, keeps its state, and its neighbours tell what runs."""

from __future__ import annotations

import httpx
import pytest

from local.up.platform_under_test import Platform

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

QUESTION = {"model": "logits-demo", "messages": [{"role": "user", "content": "What is the Gateway?"}]}


def ask(platform: Platform) -> str:
    answer = httpx.post(f"{platform.url}/api/v1/chat/completions", json=QUESTION, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"]


def test_the_first_answer_comes_from_the_model(platform: Platform) -> None:
    assert len(ask(platform).split()) > 3


def test_up_tells_how_to_go_on(platform: Platform) -> None:
    platform.up()
    for text in (platform.url, platform.accounts_url, platform.invented["env_id"], "logits down", "curl"):
        assert text in platform.output


def test_status_shows_every_component_ready(platform: Platform) -> None:
    platform.logits("status")
    for component in ("gateway", "controller", "entity-db", "api-server", "llm-server", "accounts", "ops-api"):
        assert component in platform.output
    assert "logits-demo" in platform.output


def test_logs_show_what_a_component_wrote(platform: Platform) -> None:
    platform.logits("logs", "api-server")
    assert "api-server" in platform.output


def test_containers_are_processes_of_the_pod_that_kubectl_shows(platform: Platform) -> None:
    (pod,) = platform.pods("api-server")
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["podIP"].startswith("127.")


def test_a_running_platform_refuses_another_port_in_one_line(platform: Platform) -> None:
    done = platform.logits("up", "--port", str(platform.port + 10), check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "logits down" in done.stderr


def test_state_survives_down_and_up(platform: Platform) -> None:
    before = platform.invented["env_id"]
    path = f"{platform.url}/entities/modeldeployments/logits-demo"
    uid = httpx.get(path).json()["metadata"]["uid"]
    platform.down()
    with pytest.raises(httpx.ConnectError):
        httpx.get(path)
    platform.up()
    assert platform.invented["env_id"] == before
    assert httpx.get(path).json()["metadata"]["uid"] == uid
    assert len(ask(platform).split()) > 3
