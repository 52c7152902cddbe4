"""Start-up of Python processes in a container: resolves Service names and dies with the cluster.

Python imports this module by its name at start, because the kubelet puts its directory on
PYTHONPATH. It needs nothing but the standard library, since any Python may run it.
"""

from __future__ import annotations

import os
import socket
from typing import Any

_DOMAIN = "cluster.local"


class _Names:
    """The Service names of the cluster, read again whenever the file changes."""

    def __init__(self, path: str, namespace: str) -> None:
        self._path = path
        self._searched = ("", f".{namespace}.svc.{_DOMAIN}", f".svc.{_DOMAIN}", f".{_DOMAIN}")
        self._seen = (0, 0)
        self._addresses: dict[str, str] = {}

    def address(self, host: object) -> str | None:
        """The address of a Service, or None for any other name."""
        if isinstance(host, bytes):
            host = host.decode("ascii", "replace")
        if not isinstance(host, str) or not host:
            return None
        self._refresh()
        name = host.rstrip(".").lower()
        for suffix in self._searched:
            found = self._addresses.get(name + suffix)
            if found:
                return found
        return None

    def _refresh(self) -> None:
        try:
            facts = os.stat(self._path)  # noqa: PTH116 - pathlib would double the start-up time
            seen = (facts.st_mtime_ns, facts.st_ino)
            if seen == self._seen:
                return
            with open(self._path, encoding="ascii") as lines:  # noqa: PTH123
                pairs = [line.split() for line in lines]
        except OSError:
            return
        self._addresses = {pair[1]: pair[0] for pair in pairs if len(pair) == 2}
        self._seen = seen


def _install(names: _Names) -> None:
    getaddrinfo, gethostbyname = socket.getaddrinfo, socket.gethostbyname

    def cluster_getaddrinfo(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        return getaddrinfo(names.address(host) or host, port, *rest, **options)

    def cluster_gethostbyname(hostname: str) -> str:
        return gethostbyname(names.address(hostname) or hostname)

    socket.getaddrinfo = cluster_getaddrinfo
    socket.gethostbyname = cluster_gethostbyname


def _die_with(parent: str) -> None:
    """Ask the kernel to kill this process when the kubelet dies, however it dies."""
    if parent != str(os.getppid()):
        return
    import ctypes

    set_parent_death_signal, sigkill = 1, 9
    ctypes.CDLL(None).prctl(set_parent_death_signal, sigkill, 0, 0, 0)
    if parent != str(os.getppid()):  # it died in between
        os._exit(137)


if "EMBEDDED_HOSTS_FILE" in os.environ:
    _install(_Names(os.environ["EMBEDDED_HOSTS_FILE"], os.environ.get("EMBEDDED_NAMESPACE", "default")))
    _die_with(os.environ.pop("EMBEDDED_KUBELET_PID", ""))
