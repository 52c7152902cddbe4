"""Every app accepts exactly the environment that the Controller gives it."""

from __future__ import annotations

import importlib
import json

import pytest

from logits_core.reconcile import Apply, plan
from logits_shell.settings import from_env
from simulators.cluster_world import SimulatedCluster, language_model, model_deployment

COMPONENTS = ("entity-db", "api-server", "console", "collector", "ingress-proxy", "llm-server")
FIELDS = {"LOGITS_LISTEN_ADDRESS", "LOGITS_POD_NAME", "LOGITS_POD_UID", "LOGITS_NAMESPACE"}


def environment(component: str) -> dict[str, str]:
    world = SimulatedCluster()
    world.entities["languagemodels"]["tiny"] = language_model()
    world.entities["modeldeployments"]["chat"] = model_deployment()
    for step in plan(world.observed(), world.desired(), world.now).steps:
        assert isinstance(step, Apply)
        labels = step.manifest["metadata"]["labels"]
        if step.manifest["kind"] == "Deployment" and labels["logits.ai/component"] == component:
            container = step.manifest["spec"]["template"]["spec"]["containers"][0]
            return {item["name"]: item.get("value", "127.0.0.1") for item in container["env"]}
    raise AssertionError(f"no Deployment of {component}")


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_app_starts_with_what_it_is_given(component: str) -> None:
    settings = importlib.import_module(f"logits_{component.replace('-', '_')}.settings").Settings
    given = environment(component)
    assert given.keys() >= FIELDS
    made = from_env(settings, given)
    for key in ("entity_db_url", "gateway_url", "api_server_url", "console_url"):
        url = getattr(made, key, None)
        assert url is None or str(url).startswith("http://logits-")


def test_an_llm_server_is_told_its_model() -> None:
    told = json.loads(environment("llm-server")["LOGITS_MODEL"])
    assert (told["name"], told["engine"], told["gpus"]) == ("tiny", "llamacpp", 1)
    assert environment("llm-server")["LOGITS_DEPLOYMENT"] == "chat"
