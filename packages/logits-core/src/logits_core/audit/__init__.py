"""Audit: what was done, by whom and by which rule, in a log whose tampering shows."""

from logits_core.audit.digests import MAX_OBJECT_BYTES, concealed, keyed
from logits_core.audit.merkle import EMPTY_ROOT, Frontier, frontier_of, leaf_hash, node_hash
from logits_core.audit.notes import Checkpoint, LogKey, read_checkpoint
from logits_core.audit.record import ANONYMOUS, Act, Stage, Subject, canonical, event, is_canonical
from logits_core.audit.tiles import WIDTH, decode_bundle, encode_entry, parse_tile_path, tile_path

__all__ = [
    "ANONYMOUS",
    "EMPTY_ROOT",
    "MAX_OBJECT_BYTES",
    "WIDTH",
    "Act",
    "Checkpoint",
    "Frontier",
    "LogKey",
    "Stage",
    "Subject",
    "canonical",
    "concealed",
    "decode_bundle",
    "encode_entry",
    "event",
    "frontier_of",
    "is_canonical",
    "keyed",
    "leaf_hash",
    "node_hash",
    "parse_tile_path",
    "read_checkpoint",
    "tile_path",
]
