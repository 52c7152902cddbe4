"""Host ports: whether they are free and, if not, which process has them."""

from __future__ import annotations

import socket
from pathlib import Path

from logits_core.errors import ErrorCode, LogitsError

_LISTEN = "0A"


def require_free(ports: dict[int, str], proc: Path = Path("/proc")) -> None:
    """Make sure that every port can be bound on 127.0.0.1.

    Args:
        ports: port to what it is for.
        proc: where the kernel tells who listens.

    Raises:
        LogitsError: a port is taken; says by whom, if that can be known.
    """
    for port, purpose in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as failure:
                owner = listener(port, proc)
                by = f" by {owner}" if owner else ""
                raise LogitsError(
                    ErrorCode.CONFLICT,
                    f"port {port} (for {purpose}) is in use{by}; stop that or choose another "
                    f"with --port, which takes three ports in a row ({failure.strerror})",
                ) from failure


def listener(port: int, proc: Path = Path("/proc")) -> str | None:
    """The process that listens on a port, as ``name (pid N)``."""
    inodes = _listening_inodes(port, proc)
    for entry in proc.iterdir() if inodes else ():
        if not entry.name.isdigit():
            continue
        try:
            if any(_target(link) in inodes for link in (entry / "fd").iterdir()):
                return f"{(entry / 'comm').read_text().strip()} (pid {entry.name})"
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
    return None


def _target(link: Path) -> str:
    try:
        return link.readlink().name
    except OSError:  # closed meanwhile
        return ""


def _listening_inodes(port: int, proc: Path) -> set[str]:
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
