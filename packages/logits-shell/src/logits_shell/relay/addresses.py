"""Addresses of upstream names, remembered for a few seconds."""

from __future__ import annotations

import asyncio
import ipaddress
import socket


class AddressBook:
    """Resolves host names through the event loop and keeps the answers for `seconds`.

    Service names of a cluster change their address rarely but pods come and go, so an answer is only kept
    briefly, is dropped when a connection to it fails, and at most `size` of them are kept.
    """

    def __init__(self, seconds: float = 5.0, size: int = 1024) -> None:
        self._seconds = seconds
        self._size = size
        self._known: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """Return the IP addresses of `host`, best first.

        Raises:
            OSError: the name doesn't resolve.
        """
        if _is_address(host):
            return (host,)
        loop = asyncio.get_running_loop()
        known = self._known.get((host, port))
        if known is not None and known[0] > loop.time():
            return known[1]
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        if len(self._known) >= self._size:
            self._known.clear()
        self._known[host, port] = (loop.time() + self._seconds, addresses)
        return addresses

    def forget(self, host: str, port: int) -> None:
        """Drop what is known of a name whose addresses didn't answer."""
        self._known.pop((host, port), None)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
