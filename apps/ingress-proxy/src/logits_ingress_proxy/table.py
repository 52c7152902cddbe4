"""The routing table: which system serves which paths."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.relay import Upstream

INFERENCE_PREFIXES = ("/v1", "/api/v1")
_BELOW_INFERENCE = tuple(prefix + "/" for prefix in INFERENCE_PREFIXES)
ENTITY_PREFIX = "/entities"


def is_below(path: str, prefix: str) -> bool:
    """Say whether `path` is `prefix` or below it; `/v1x` isn't below `/v1`."""
    return path == prefix or path.startswith(prefix + "/")


def is_inference(path: str) -> bool:
    """Say whether a path belongs to the OpenAI-compatible API."""
    return path.startswith(_BELOW_INFERENCE) or path in INFERENCE_PREFIXES


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """The three systems behind this one.

    Attributes:
        console: Serves everything that the others don't.
        api_server: Serves `/v1` and `/api/v1`.
        entity_db: Serves `/entities`.
    """

    console: Upstream
    api_server: Upstream
    entity_db: Upstream

    def route(self, path: str) -> tuple[str, Upstream]:
        """Return the name and the address of the system that serves `path`."""
        if is_inference(path):
            return "api-server", self.api_server
        if is_below(path, ENTITY_PREFIX):
            return "entity-db", self.entity_db
        return "console", self.console


def upstream_of(url: str, field: str) -> Upstream:
    """Return the host and port of a plain `http` URL.

    Raises:
        LogitsError: INVALID, naming the setting.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port or parts.path not in {"", "/"}:
        raise LogitsError(
            ErrorCode.INVALID, f"{field} must be a URL like http://host:8080, without a path", field=field
        )
    return Upstream(parts.hostname, port)
