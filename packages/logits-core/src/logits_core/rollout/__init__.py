"""Rollout: which release may run, which one should, and the way from one to the next."""

from logits_core.rollout.agreement import Accepted, Offer, Pins, Site, TrustedPair, agree
from logits_core.rollout.controls import Controls, Hold, Pending, Verdict, decide
from logits_core.rollout.metadata import RepositoryFiles, Trusted, root_pin
from logits_core.rollout.plan import ControllerObserved, Desired, Phase, Plan, plan
from logits_core.rollout.progress import Progress, accept
from logits_core.rollout.release import Release

__all__ = [
    "Accepted",
    "ControllerObserved",
    "Controls",
    "Desired",
    "Hold",
    "Offer",
    "Pending",
    "Phase",
    "Pins",
    "Plan",
    "Progress",
    "Release",
    "RepositoryFiles",
    "Site",
    "Trusted",
    "TrustedPair",
    "Verdict",
    "accept",
    "agree",
    "decide",
    "plan",
    "root_pin",
]
