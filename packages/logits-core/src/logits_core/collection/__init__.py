"""Collection: how redacted records become batches that arrive once each, in order, or are counted."""

from logits_core.collection.batches import Batch, Batcher, Kind, Limits
from logits_core.collection.delivery import Verdict, pause_before_retry, verdict
from logits_core.collection.positions import Positions

__all__ = ["Batch", "Batcher", "Kind", "Limits", "Positions", "Verdict", "pause_before_retry", "verdict"]
