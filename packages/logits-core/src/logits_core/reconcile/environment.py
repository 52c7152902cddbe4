"""What the vendor is told about an environment: versions, counts and reason codes, never a name."""

from __future__ import annotations

from logits_core.entities.model import JsonObject
from logits_core.reconcile.diagnosis import gpus_of
from logits_core.reconcile.fields import text
from logits_core.reconcile.reports import component_states
from logits_core.reconcile.state import Desired, Observed


def environment_report(observed: Observed, desired: Desired) -> JsonObject:
    """The report for the Ops API, without its sequence number.

    Component names are our own words; models are only counted, and messages stay here because
    they quote the customer's cluster.
    """
    report: JsonObject = {
        "components": [
            {
                "name": name,
                "version": state["version"],
                "replicas": state["replicas"],
                "readyReplicas": state["readyReplicas"],
                "reason": state["reason"],
            }
            for name, state in component_states(observed, desired).items()
        ],
        "nodes": len(observed.nodes),
        "gpus": sum(gpus_of(node) for node in observed.nodes.values()),
    }
    if desired.model_deployments is not None:
        entities = list(desired.model_deployments.values())
        report["models"] = {
            "enabled": sum(bool(entity["spec"].get("enabled")) for entity in entities),
            "ready": sum(text(entity, "status", "stage") == "Ready" for entity in entities),
        }
    return report
