"""The embedded cluster's Kubernetes API: the resources that Logits uses, and no others."""

from __future__ import annotations

from logits_local.api.server import ApiServer
from logits_local.api.store import Store

__all__ = ["ApiServer", "Store"]
