"""The Gateway as the Console sees it: its state and the audit log."""

from __future__ import annotations

from typing import Any, cast

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
        """Audit entries with an index above ``after``, at most ``limit``, and the size of the log."""
        return await self._get(f"/audit/entries?after={after}&limit={limit}")

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            answer = await self._http.get(
                self._base_url + path, headers={"authorization": f"Bearer {self._credentials.token()}"}
            )
        except httpx.HTTPError as error:
            raise LogitsError(
                ErrorCode.UNAVAILABLE, "the Gateway cannot be reached; look at its pod's log", retry_after=2
            ) from error
        if answer.status_code != 200:
            raise LogitsError(
                ErrorCode.UPSTREAM_FAILED, f"the Gateway answered {answer.status_code}; look at its pod's log"
            )
        decoded: Any = msgspec.json.decode(answer.content)
        return cast("dict[str, Any]", decoded)
