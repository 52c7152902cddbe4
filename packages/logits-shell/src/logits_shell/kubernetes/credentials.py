"""Who we are to a Kubernetes API: tokens that rotate on disk and the pod's own credentials."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from logits_core.errors import ErrorCode, LogitsError


class Credentials(Protocol):
    """Gives the bearer token for the next request."""

    def token(self) -> str | None:
        """The token as it is now; None sends no Authorization header."""
        ...


@dataclass(frozen=True, slots=True)
class NoCredentials:
    """Sends no Authorization header: for client certificates and tests."""

    def token(self) -> str | None:
        """Always None."""
        return None


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that never changes, for example an administrator's."""

    value: str

    def __repr__(self) -> str:
        return "StaticToken(***)"

    def token(self) -> str | None:
        """The token given at construction."""
        return self.value


class TokenFile:
    """A projected ServiceAccount token: read again whenever the file changes.

    The kubelet renews such a token by swapping a symbolic link, so device, inode, size and time
    of the resolved file tell whether it is another one; the usual request costs one ``stat``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int, int] | None = None
        self._token = ""

    def __repr__(self) -> str:
        return f"TokenFile({str(self._path)!r})"

    def token(self) -> str | None:
        """The token in the file.

        Raises:
            LogitsError: UNAVAILABLE when the file cannot be read or is empty.
        """
        try:
            facts = self._path.stat()
            identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
            if identity != self._seen:
                self._token = self._path.read_text(encoding="ascii").strip()
                self._seen = identity
        except (OSError, UnicodeDecodeError) as failure:
            raise LogitsError(
                ErrorCode.UNAVAILABLE,
                f"the token file {self._path} cannot be read; mount a projected ServiceAccount token there",
            ) from failure
        if not self._token:
            self._seen = None
            raise LogitsError(ErrorCode.UNAVAILABLE, f"the token file {self._path} is empty")
        return self._token


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """All that is needed to talk to one API server.

    Attributes:
        base_url: where the API's root is.
        credentials: who we are.
        verify: TLS trust, or True for the system's.
        namespace: the namespace of the pod, when known.
    """

    base_url: str
    credentials: Credentials
    verify: ssl.SSLContext | bool = True
    namespace: str | None = None


def in_cluster(environment: Mapping[str, str], directory: Path) -> ClusterAccess:
    """Access from inside a pod, from what every kubelet gives to it.

    Args:
        environment: holds KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
        directory: the mounted ServiceAccount volume (``token``, ``ca.crt``, ``namespace``).

    Raises:
        LogitsError: UNAVAILABLE when the process isn't in a pod or the volume is missing.
    """
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise LogitsError(
            ErrorCode.UNAVAILABLE,
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; run this inside a pod",
        )
    address = f"[{host}]" if ":" in host else host
    try:
        context = trust(directory / "ca.crt")
    except OSError as failure:
        raise LogitsError(
            ErrorCode.UNAVAILABLE,
            f"{directory / 'ca.crt'} is no CA certificate; mount the ServiceAccount volume there",
        ) from failure
    namespace_file = directory / "namespace"
    namespace = namespace_file.read_text().strip() if namespace_file.is_file() else None
    return ClusterAccess(f"https://{address}:{port}", TokenFile(directory / "token"), context, namespace)


def trust(ca_file: Path) -> ssl.SSLContext:
    """A TLS context that trusts this CA and nothing else.

    Raises:
        OSError: the file is missing or holds no certificate (ssl.SSLError is an OSError).
    """
    return ssl.create_default_context(cafile=str(ca_file))
