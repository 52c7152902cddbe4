"""The data directory: where everything of one embedded platform lives, and whether it is sound."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from logits_core.errors import ErrorCode, LogitsError
from logits_local.files import write_private

_FORMAT = 1
_OURS = frozenset({"secrets.json", "lock", "cluster.json", "cluster.db", "images.json", "pki", "pods"})


def default_location(environment: Mapping[str, str]) -> Path:
    """``$XDG_DATA_HOME/logits``, or ``~/.local/share/logits``."""
    configured = environment.get("XDG_DATA_HOME", "")
    home = Path(configured) if configured.startswith("/") else Path.home() / ".local" / "share"
    return home / "logits"


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """Names of everything in the data directory.

    Attributes:
        root: the directory.
    """

    root: Path

    @property
    def marker(self) -> Path:
        """The file that says that the directory is ours and complete; written last."""
        return self.root / "logits.json"

    @property
    def secrets(self) -> Path:
        """Invented passwords, keys and tokens; readable by the owner alone."""
        return self.root / "secrets.json"

    @property
    def cluster(self) -> Path:
        """Ports and GPUs of the cluster."""
        return self.root / "cluster.json"

    @property
    def lock(self) -> Path:
        """Locked by the daemon as long as it lives; holds its pid."""
        return self.root / "lock"

    @property
    def daemon_log(self) -> Path:
        """What the daemon writes."""
        return self.root / "daemon.log"

    @property
    def images(self) -> Path:
        """The image catalogue."""
        return self.root / "images.json"

    @property
    def certificate_authority(self) -> Path:
        """The certificate authority of the API server, PEM."""
        return self.root / "pki" / "ca.crt"

    def admin_token(self) -> str:
        """The administrator's token at the API server.

        Raises:
            LogitsError: the file is missing.
        """
        path = self.root / "admin.token"
        try:
            return path.read_text().strip()
        except OSError as failure:
            message = f"{path} can't be read; delete the data directory (rm -r {self.root})"
            raise LogitsError(ErrorCode.CORRUPT, message) from failure

    @property
    def logs(self) -> Path:
        """Container logs."""
        return self.root / "logs"

    @property
    def kubeconfig(self) -> Path:
        """For kubectl."""
        return self.root / "kubeconfig"

    def prepare(self) -> bool:
        """Check the directory, or begin a new one; whether it is new.

        A new one becomes complete by ``complete``.

        Raises:
            LogitsError: the directory holds something else, or only half of what it should.
        """
        if self.marker.is_file():
            self._check_format()
            return False
        content = {entry.name for entry in self.root.iterdir()} if self.root.is_dir() else set[str]()
        if content & _OURS:
            raise LogitsError(
                ErrorCode.CORRUPT,
                f"the data directory {self.root} was only half written; delete it and start again (rm -r {self.root})",
            )
        if content:
            raise LogitsError(
                ErrorCode.INVALID,
                f"{self.root} holds files that aren't Logits'; name an empty or new directory with --data-dir",
            )
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as failure:
            raise LogitsError(
                ErrorCode.INVALID, f"cannot make {self.root}: {failure.strerror}; use --data-dir"
            ) from failure
        return True

    def complete(self) -> None:
        """Mark a new directory as complete."""
        write_private(self.marker, json.dumps({"format": _FORMAT}))

    def _check_format(self) -> None:
        try:
            found = json.loads(self.marker.read_text())["format"]
        except (ValueError, KeyError, TypeError, OSError) as failure:
            raise LogitsError(
                ErrorCode.CORRUPT,
                f"{self.marker} is damaged; restore it or delete the data directory (rm -r {self.root})",
            ) from failure
        if found != _FORMAT:
            raise LogitsError(
                ErrorCode.INVALID,
                f"{self.root} has format {found}, this Logits uses {_FORMAT}; name another --data-dir",
            )

    def running_pid(self) -> int | None:
        """The pid of the daemon that runs on this directory, or None.

        The lock tells, not the pid: a pid may be another process' by now, a lock can't outlive its owner.
        """
        try:
            descriptor = os.open(self.lock, os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            written = os.pread(descriptor, 32, 0).strip()
            return int(written) if written.isdigit() else None
        finally:
            os.close(descriptor)
        return None

    def hold(self) -> int:
        """Lock the directory for this process until it ends.

        Returns:
            The descriptor that holds the lock.

        Raises:
            LogitsError: another daemon holds it.
        """
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise LogitsError(
                ErrorCode.CONFLICT, f"Logits already runs on {self.root}; stop it with 'logits down'"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor
