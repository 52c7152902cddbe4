"""Rollout: which release may run, which one should, and the way from one to the next."""

from logits_core.rollout.manifest import controller_manifest, manifest_digest, observe
from logits_core.rollout.plan import ControllerObserved, Desired, Phase, Plan, plan
from logits_core.rollout.progress import Accepted, Progress, accept
from logits_core.rollout.release import (
    Release,
    Signature,
    SignedRelease,
    key_id,
    parse_public_key,
    sign,
    verify,
)

__all__ = [
    "Accepted",
    "ControllerObserved",
    "Desired",
    "Phase",
    "Plan",
    "Progress",
    "Release",
    "Signature",
    "SignedRelease",
    "accept",
    "controller_manifest",
    "key_id",
    "manifest_digest",
    "observe",
    "parse_public_key",
    "plan",
    "sign",
    "verify",
]
