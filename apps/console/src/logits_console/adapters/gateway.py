"""The Gateway as the Console sees it: its state, the audit log, and what left for the vendor."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote

import httpx
import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.kubernetes import Credentials


class Gateway:
    """Reads from the Gateway with the Console's own token.

    Args:
        http: the client.
        base_url: the Gateway.
        credentials: the Console's projected token.
    """

    def __init__(self, http: httpx.AsyncClient, base_url: str, credentials: Credentials) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials

    async def status(self) -> dict[str, Any]:
        """Registration, contact with the vendor, and which release runs."""
        return await self._get("/status")

    async def entries(self, after: int, limit: int) -> dict[str, Any]:
        """Audit entries behind the first ``after`` ones, at most ``limit``, and the size of the log."""
        return await self._get(f"/audit/entries?after={after}&limit={limit}")

    async def logs(self) -> dict[str, Any]:
        """Every audit log: where its files are, and its key."""
        return await self._get("/audit/logs")

    async def log_file(self, epoch: str, path: str) -> bytes:
        """A checkpoint, bundle or tile of an audit log."""
        return await self._fetch(f"/audit/log/{quote(epoch)}/{quote(path)}")

    async def departures(self, before: str, limit: int) -> dict[str, Any]:
        """Calls to the vendor, newest first."""
        return await self._get(f"/egress/entries?before={quote(before)}&limit={limit}")

    async def departed(self, cursor: str, *, plain: bool) -> bytes:
        """What one call carried."""
        return await self._fetch(f"/egress/bodies/{quote(cursor)}?plain={'true' if plain else 'false'}")

    async def _get(self, path: str) -> dict[str, Any]:
        decoded: Any = msgspec.json.decode(await self._fetch(path))
        return cast("dict[str, Any]", decoded)

    async def _fetch(self, path: str) -> bytes:
        try:
            answer = await self._http.get(
                self._base_url + path, headers={"authorization": f"Bearer {self._credentials.token()}"}
            )
        except httpx.HTTPError as error:
            raise LogitsError(
                ErrorCode.UNAVAILABLE, "the Gateway cannot be reached; look at its pod's log", retry_after=2
            ) from error
        if answer.status_code == 404:
            raise LogitsError(ErrorCode.NOT_FOUND, "the Gateway keeps no such thing, or not any more")
        if answer.status_code != 200:
            raise LogitsError(
                ErrorCode.UPSTREAM_FAILED, f"the Gateway answered {answer.status_code}; look at its pod's log"
            )
        return answer.content
