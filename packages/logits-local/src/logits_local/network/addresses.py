"""Loopback addresses for pods: picked by hash, so that one pod keeps one address for life."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection

POD_NETWORK = ipaddress.IPv4Network("127.100.0.0/14")
"""Every pod's address is in here; all of it is local on any Linux."""


def pod_address(uid: str, taken: Collection[str], *, preferred: str | None = None) -> str:
    """An address for the pod with this uid that isn't in ``taken``.

    Args:
        uid: the pod's uid.
        taken: addresses of other pods.
        preferred: the address that the pod had before, kept when it is free.

    Raises:
        ValueError: every address is taken.
    """
    if preferred and preferred not in taken and _usable(preferred):
        return preferred
    size = POD_NETWORK.num_addresses
    start = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "big") % size
    for offset in range(size):
        candidate = str(POD_NETWORK[(start + offset) % size])
        if _usable(candidate) and candidate not in taken:
            return candidate
    raise ValueError("every pod address is taken")


def _usable(address: str) -> bool:
    parsed = ipaddress.IPv4Address(address)
    return parsed in POD_NETWORK and int(parsed) & 0xFF not in (0, 0xFF)
