"""The Gateway's way out: reports to the vendor."""

from __future__ import annotations

import httpx
import msgspec

from logits_core.entities.model import JsonObject
from logits_core.errors import ErrorCode, LogitsError
from logits_shell.kubernetes import Credentials


class ReportSender:
    """Hands reports to the Gateway, which checks, audits and forwards them.

    Args:
        gateway_url: root of the Gateway.
        credentials: who we are.
    """

    def __init__(self, gateway_url: str, credentials: Credentials) -> None:
        self._url = f"{gateway_url.rstrip('/')}/ops/v1/reports"
        self._credentials = credentials
        self._http = httpx.AsyncClient(trust_env=False, timeout=httpx.Timeout(10.0))

    async def aclose(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def send(self, report: JsonObject) -> None:
        """Send one report.

        Raises:
            LogitsError: UNAVAILABLE when it didn't arrive, UPSTREAM_FAILED when it was refused.
        """
        try:
            response = await self._http.post(
                self._url,
                content=msgspec.json.encode(report),
                headers={
                    "authorization": f"Bearer {self._credentials.token()}",
                    "content-type": "application/json",
                },
            )
        except httpx.HTTPError as failure:
            raise LogitsError(
                ErrorCode.UNAVAILABLE, f"the Gateway cannot be reached ({type(failure).__name__})"
            ) from failure
        if not response.is_success:
            raise LogitsError(
                ErrorCode.UPSTREAM_FAILED,
                f"the Gateway answered the report with {response.status_code}: {response.text[:300]}",
            )
