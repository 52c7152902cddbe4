"""Zstandard compression, from the standard library where it has one."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 3


def compress(body: bytes) -> bytes:
    """One zstd frame."""
    return zstd.compress(body, level=LEVEL)
