"""Audit: what was done, by whom and by which rule, in a log whose tampering shows."""

from logits_core.audit.chain import GENESIS, Entry, Head, canonical, link, parse_line
from logits_core.audit.digests import MAX_OBJECT_BYTES, concealed, keyed
from logits_core.audit.record import ANONYMOUS, Act, Stage, Subject, event
from logits_core.audit.verify import Verification, verify

__all__ = [
    "ANONYMOUS",
    "GENESIS",
    "MAX_OBJECT_BYTES",
    "Act",
    "Entry",
    "Head",
    "Stage",
    "Subject",
    "Verification",
    "canonical",
    "concealed",
    "event",
    "keyed",
    "link",
    "parse_line",
    "verify",
]
