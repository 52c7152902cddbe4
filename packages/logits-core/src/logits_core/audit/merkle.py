"""The Merkle tree of RFC 6962: one hash that stands for a whole log, and grows with it.

``leaf = SHA-256(0x00 || entry)``, ``node = SHA-256(0x01 || left || right)``, the empty tree is SHA-256 of nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry, 32 bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbouring subtrees, 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier(msgspec.Struct, frozen=True):
    """As much of a tree as is needed to append to it and to know its root.

    Attributes:
        size: number of entries.
        peaks: roots of the perfect subtrees that make up the tree, largest first; one for each bit
            that is set in ``size``.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """The Merkle tree hash, 32 bytes."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def append(self, leaf: bytes) -> Frontier:
        """The tree with one more leaf, given by its hash."""
        return self.append_subtree(leaf, 0)

    def append_subtree(self, root: bytes, height: int) -> Frontier:
        """The tree with a perfect subtree of ``2**height`` more leaves.

        The size must be a multiple of ``2**height``, so that the subtree stands where the tree has it.
        """
        peaks, rest = list(self.peaks), self.size >> height
        while rest & 1:
            root = node_hash(peaks.pop(), root)
            rest >>= 1
        return Frontier(self.size + (1 << height), (*peaks, root))


def frontier_of(leaves: Iterable[bytes], start: Frontier | None = None) -> Frontier:
    """The tree over these leaf hashes, behind those of ``start``."""
    found = start or Frontier()
    for leaf in leaves:
        found = found.append(leaf)
    return found
