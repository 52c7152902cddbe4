"""The plan: what it writes, what it says about models, and what it never touches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from logits_core.reconcile import Apply, Customizations, Delete, Plan, environment_report, plan
from logits_core.reconcile.leadership import in_charge
from logits_core.reconcile.manifests import Workload, deployment, site_of
from simulators.cluster_world import (
    SimulatedCluster,
    demand,
    language_model,
    model_deployment,
    pod,
    release,
)


def world(**spec: Any) -> SimulatedCluster:
    made = SimulatedCluster()
    made.entities["languagemodels"]["tiny"] = language_model()
    made.entities["modeldeployments"]["chat"] = model_deployment(**spec)
    return made


def step(made: SimulatedCluster, *, settle: bool = True) -> Plan:
    decided = plan(made.observed(), made.desired(), made.now)
    made.execute(decided)
    if settle:
        made.settle()
    return decided


def status(made: SimulatedCluster) -> dict[str, Any]:
    return made.entities["modeldeployments"]["chat"]["status"]


def condition(made: SimulatedCluster, kind: str) -> dict[str, Any]:
    return next(item for item in status(made)["conditions"] if item["type"] == kind)


def test_the_stages_of_a_model_that_is_enabled_disabled_and_enabled_again() -> None:
    made = world()
    stages: list[str] = []
    for enabled in (True, True, False, False, True, True):
        made.entities["modeldeployments"]["chat"]["spec"]["enabled"] = enabled
        step(made)
        stages.append(status(made)["stage"])
    assert stages == ["Scheduling", "Ready", "Draining", "Disabled", "Scheduling", "Ready"]
    assert condition(made, "Ready")["status"] == "True"
    assert status(made)["readyReplicas"] == 1


def test_transition_times_only_move_with_the_status() -> None:
    made = world()
    step(made)
    step(made)
    since = condition(made, "Ready")["lastTransitionTime"]
    made.pass_time(60)
    made.entities["modeldeployments"]["chat"]["spec"]["maxReplicas"] = 2
    made.entities["modeldeployments"]["chat"]["metadata"]["generation"] = 2
    step(made)
    assert status(made)["observedGeneration"] == 2
    assert condition(made, "Ready")["lastTransitionTime"] == since


def test_a_model_for_which_no_gpu_is_free_says_so() -> None:
    made = world(minReplicas=6, maxReplicas=6)
    for _ in range(3):
        step(made)
    assert status(made)["stage"] == "Degraded"
    assert condition(made, "Scheduled")["reason"] == "NoGpuFree"
    assert "4 of 6 replicas serve" in condition(made, "Ready")["message"]


def test_a_missing_language_model_is_named_and_what_runs_stays() -> None:
    made = world()
    step(made)
    del made.entities["languagemodels"]["tiny"]
    step(made)
    assert status(made)["stage"] == "Failed"
    assert "'tiny'" in condition(made, "Ready")["message"]
    assert "logits-llm-chat" in made.kinds["Deployment"]
    made.entities["modeldeployments"]["chat"]["spec"]["enabled"] = False
    step(made)
    assert "logits-llm-chat" not in made.kinds["Deployment"]


def test_a_model_wakes_for_a_waiting_request_and_sleeps_again() -> None:
    made = world(minReplicas=0, scaleToZeroAfterSeconds=60)
    step(made)
    assert status(made)["stage"] == "ScaledToZero"
    made.entities["demands"]["logits-api-server-0"] = demand("logits-api-server-0", made.now, chat=(0, 1))
    step(made)
    assert made.kinds["Deployment"]["logits-llm-chat"]["spec"]["replicas"] == 1
    made.entities["demands"]["logits-api-server-0"] = demand("logits-api-server-0", made.now, chat=(0, 0))
    asleep = step(made)
    assert status(made)["stage"] == "Ready"
    assert asleep.wake_at == made.now + timedelta(seconds=60)
    made.pass_time(61)
    step(made)
    step(made)
    assert status(made)["stage"] == "ScaledToZero"
    assert made.kinds["Deployment"]["logits-llm-chat"]["spec"]["replicas"] == 0


def test_old_reports_of_requests_do_not_count() -> None:
    made = world(maxReplicas=4)
    made.entities["demands"]["logits-api-server-0"] = demand("logits-api-server-0", made.now, chat=(32, 0))
    made.pass_time(31)
    step(made)
    assert made.kinds["Deployment"]["logits-llm-chat"]["spec"]["replicas"] == 1


def test_nothing_is_pruned_while_the_entity_db_is_unknown() -> None:
    made = world()
    step(made)
    desired = made.desired()
    blind = type(desired)(desired.release, desired.namespace, desired.anchor, desired.customizations)
    decided = plan(made.observed(), blind, made.now)
    assert not decided.steps
    assert decided.memory.scaling == made.memory.scaling


def test_nothing_is_written_to_kubernetes_without_anchor_or_limits() -> None:
    made = world()
    desired = made.desired()
    for anchor, limits in ((None, Customizations()), (desired.anchor, None)):
        blind = type(desired)(
            desired.release, desired.namespace, anchor, limits, desired.language_models, desired.model_deployments
        )
        decided = plan(made.observed(), blind, made.now)
        assert not decided.steps
        assert any("ChartIncomplete" in str(write.status) for write in decided.statuses)


def test_what_others_change_is_put_right_but_not_in_a_fight() -> None:
    made = world()
    step(made)
    step(made)
    made.kinds["Deployment"]["logits-console"]["spec"]["replicas"] = 5
    first = plan(made.observed(), made.desired(), made.now)
    assert [str(found) for found in first.steps] == ["apply Deployment logits-console: somebody else changed it"]
    made.memory = first.memory  # the other side undoes it at once
    second = plan(made.observed(), made.desired(), made.now + timedelta(seconds=5))
    assert not second.steps
    assert second.wake_at == made.now + timedelta(seconds=60)
    third = plan(made.observed(), made.desired(), made.now + timedelta(seconds=61))
    assert len(third.steps) == 1


def test_only_our_own_objects_are_pruned_and_never_a_volume() -> None:
    made = world()
    step(made)
    stranger: dict[str, Any] = {
        "metadata": {"name": "logits-other", "uid": "u", "labels": {}, "resourceVersion": "1"},
        "spec": {},
    }
    made.kinds["Deployment"]["logits-other"] = stranger
    made.release = release(2, without=("collector",))
    decided = step(made, settle=False)
    deleted = {(found.kind, found.name) for found in decided.steps if isinstance(found, Delete)}
    assert deleted == {("Deployment", "logits-collector"), ("Service", "logits-collector")}
    assert "logits-collector" in made.kinds["PersistentVolumeClaim"]


def test_the_controller_never_deletes_itself() -> None:
    made = world()
    step(made)
    site = site_of(made.desired())
    assert site is not None
    own = deployment(Workload(name="logits-controller", component="controller", image="x"), site)
    made.kinds["Deployment"]["logits-controller"] = own | {"status": {}}
    own["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    assert not plan(made.observed(), made.desired(), made.now).steps


def test_reports_of_pods_that_are_gone_are_removed_after_a_while() -> None:
    made = world()
    step(made)
    made.entities["demands"]["ghost"] = demand("ghost", made.now, chat=(0, 0))
    early = plan(made.observed(), made.desired(), made.now)
    assert not any("ghost" in line for line in early.explain())
    assert early.wake_at == made.now + timedelta(seconds=30)
    made.pass_time(31)
    assert "delete demands/ghost: its pod is gone" in step(made).explain()
    assert "ghost" not in made.entities["demands"]


def test_components_are_reported_with_their_version() -> None:
    made = world()
    step(made)
    step(made)
    console = made.entities["components"]["console"]["status"]
    assert (console["reason"], console["version"], console["readyReplicas"]) == ("Ready", "0.1.0", 1)
    assert made.entities["components"]["gateway"]["status"]["reason"] == "NotDeployed"


def test_the_vendor_is_told_counts_and_reasons_only() -> None:
    made = world()
    made.entities["modeldeployments"]["chat"]["spec"]["model"] = "secret-project"
    step(made)
    step(made)
    report = environment_report(made.observed(), made.desired())
    assert report["models"] == {"enabled": 1, "ready": 0}
    assert (report["nodes"], report["gpus"]) == (2, 4)
    assert "secret" not in str(report)
    assert {"name": "console", "version": "0.1.0", "replicas": 1, "readyReplicas": 1, "reason": "Ready"} in report[
        "components"
    ]


def test_only_the_controller_that_the_gateway_wants_is_in_charge() -> None:
    def deployed(words: str) -> dict[str, Any]:
        env = [{"name": "LOGITS_RELEASE", "value": words}]
        return {"logits-controller": {"spec": {"template": {"spec": {"containers": [{"env": env}]}}}}}

    mine = release(3)
    text = '{"version":"0.3.0","counter":3,"images":' + str(dict(mine.images)).replace("'", '"') + "}"
    assert in_charge(mine, {})
    assert in_charge(mine, deployed(text))
    assert not in_charge(release(2), deployed(text))
    assert not in_charge(mine, deployed('{"schema":"of the future"}'))


def test_a_refused_pod_is_explained() -> None:
    made = world()
    step(made, settle=False)
    live = made.kinds["Deployment"]["logits-llm-chat"]
    live["status"] = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: gpus"}]}
    step(made, settle=False)
    assert status(made)["stage"] == "Failed"
    assert "exceeded quota" in condition(made, "Ready")["message"]


def test_a_pod_that_starts_speaks_before_one_that_is_stuck() -> None:
    made = world(minReplicas=2, maxReplicas=2)
    step(made, settle=False)
    template = made.kinds["Deployment"]["logits-llm-chat"]["spec"]["template"]
    starting = pod("b", template)
    starting["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
    made.kinds["Pod"] = {"a": pod("a", template, fits=False), "b": starting}
    step(made, settle=False)
    assert status(made)["stage"] == "Starting"
    assert condition(made, "Scheduled")["status"] == "False"


def test_every_step_has_a_reason() -> None:
    decided = plan(world().observed(), world().desired(), world().now)
    assert all(isinstance(found, Apply) and found.why for found in decided.steps)
    assert len(decided.explain()) == len(decided.steps) + len(decided.statuses)
