"""Reconciliation: what the Controller does next, decided from what is and what should be."""

from logits_core.reconcile.environment import environment_report
from logits_core.reconcile.plan import plan
from logits_core.reconcile.state import (
    Anchor,
    Customizations,
    Desired,
    Memory,
    Observed,
    Release,
    ScalingHistory,
)
from logits_core.reconcile.steps import Apply, Delete, EntityWrite, Plan, earliest

__all__ = [
    "Anchor",
    "Apply",
    "Customizations",
    "Delete",
    "Desired",
    "EntityWrite",
    "Memory",
    "Observed",
    "Plan",
    "Release",
    "ScalingHistory",
    "earliest",
    "environment_report",
    "plan",
]
