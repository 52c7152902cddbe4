"""The entity store on SQLite: the one room of the core that touches a file."""

from logits_core.entities.sqlite.connection import OLDEST_SQLITE
from logits_core.entities.sqlite.store import SqliteStore, backup

__all__ = ["OLDEST_SQLITE", "SqliteStore", "backup"]
