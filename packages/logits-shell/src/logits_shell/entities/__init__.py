"""The Entity DB's client: reads, writes, watches, and a cache that follows one kind."""

from logits_shell.entities.cache import EntityCache
from logits_shell.entities.client import EntityClient
from logits_shell.entities.notices import Notice

__all__ = ["EntityCache", "EntityClient", "Notice"]
