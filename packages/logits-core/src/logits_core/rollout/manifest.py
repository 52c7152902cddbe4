"""The Controller's manifest: the one object that the Gateway itself puts into the cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from logits_core.reconcile.manifests import Site, Workload, deployment
from logits_core.rollout.plan import ControllerObserved
from logits_core.rollout.release import Release

NAME = "logits-controller"
MANIFEST_DIGEST = "logits.ai/manifest-digest"
RELEASE_COUNTER = "logits.ai/release-counter"


def controller_manifest(release: Release, site: Site, settings: Mapping[str, str]) -> dict[str, Any]:
    """The Deployment of a release's Controller.

    Args:
        release: a verified release.
        site: namespace, anchor and the customer's limits.
        settings: further environment variables of the Controller.
    """
    summary = {"version": release.version, "counter": release.counter, "images": dict(release.images)}
    workload = Workload(
        name=NAME,
        component="controller",
        image=release.images["controller"],
        env={**settings, "LOGITS_RELEASE": msgspec.json.encode(summary, order="sorted").decode()},
        marks={RELEASE_COUNTER: str(release.counter)},
        gateway_token=True,
    )
    manifest = deployment(workload, site)
    manifest["metadata"]["annotations"][MANIFEST_DIGEST] = manifest_digest(manifest)
    return manifest


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 in hex of everything in a manifest that changes what runs."""
    return hashlib.sha256(msgspec.json.encode(manifest["spec"], order="sorted")).hexdigest()


def observe(live: Mapping[str, Any] | None) -> ControllerObserved:
    """Read the Deployment as the cluster has it."""
    if live is None:
        return ControllerObserved()
    metadata: dict[str, Any] = live["metadata"]
    status: dict[str, Any] = live.get("status") or {}
    annotations: dict[str, str] = metadata.get("annotations") or {}
    wanted: int = live["spec"].get("replicas", 1)
    settled = status.get("observedGeneration", 0) >= metadata.get("generation", 1)
    # The surplus pod of the old release must be gone too, so that one Controller is left.
    ready = all(status.get(key, 0) == wanted for key in ("replicas", "updatedReplicas", "availableReplicas"))
    return ControllerObserved(manifest=annotations.get(MANIFEST_DIGEST, ""), ready=settled and ready)
