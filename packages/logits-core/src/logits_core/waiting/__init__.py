"""The waiting room's order: a bounded queue that is fair between keys, without any I/O."""

from logits_core.waiting.pace import Pace
from logits_core.waiting.queue import FairQueue, Full, Place
from logits_core.waiting.retries import RetryBudget

__all__ = ["FairQueue", "Full", "Pace", "Place", "RetryBudget"]
