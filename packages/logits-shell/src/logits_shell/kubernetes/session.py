"""The HTTP session under the Kubernetes client: heads, bounds, time-outs and failures."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from logits_shell.kubernetes.credentials import Credentials
from logits_shell.kubernetes.errors import failure_of, malformed, silent, too_large, unreachable

JSON_BODY = "application/json"
MERGE_PATCH_BODY = "application/merge-patch+json"
APPLY_BODY = "application/apply-patch+yaml"  # JSON is YAML

_ERROR_BODY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one session.

    Attributes:
        connect_seconds: how long a connection may take.
        read_seconds: the longest silence within an ordinary answer.
        response_bytes: the largest answer that is read into memory.
        connections: how many connections may be open at once; each watch holds one.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 30.0
    response_bytes: int = 64 << 20
    connections: int = 64


@dataclass(frozen=True, slots=True)
class Call:
    """One request before it is sent."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any = None
    content_type: str = JSON_BODY
    accept: str = "application/json"


class Session:
    """Sends calls to one API server; never follows redirects, never reads proxies from the environment."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        verify: ssl.SSLContext | bool,
        user_agent: str,
        limits: Limits,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._limits = limits
        self._http = httpx.AsyncClient(
            verify=_trust(base_url, verify),
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(limits.read_seconds, connect=limits.connect_seconds),
            # Servers drop idle connections after five seconds or more; leave before they do.
            limits=httpx.Limits(max_connections=limits.connections, max_keepalive_connections=8, keepalive_expiry=4.0),
        )

    async def aclose(self) -> None:
        """Close all connections; running streams end with an error."""
        await self._http.aclose()

    async def send(self, call: Call) -> Any:
        """Send a call and return the decoded JSON answer.

        Raises:
            KubernetesError: no answer, an answer beyond the bound, or a failure Status.
        """
        async with self.stream(call, silence_seconds=self._limits.read_seconds) as chunks:
            content = bytearray()
            async for chunk in chunks:
                content += chunk
                if len(content) > self._limits.response_bytes:
                    raise too_large(call.method, call.path, self._limits.response_bytes)
        try:
            return msgspec.json.decode(bytes(content)) if content else None
        except msgspec.DecodeError as failure:
            raise malformed(call.method, call.path) from failure

    @asynccontextmanager
    async def stream(self, call: Call, *, silence_seconds: float | None) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """Send a call and give its answer as it arrives.

        Args:
            call: what to send.
            silence_seconds: the longest wait for the next byte; None waits for ever.

        Raises:
            KubernetesError: no answer, silence, a broken stream, or a failure Status.
        """
        begun = False
        try:
            async with self._http.stream(**self._request(call, silence_seconds)) as response:
                if not 200 <= response.status_code < 300:
                    content = await _error_body(response)
                    raise failure_of(call.method, call.path, response.status_code, response.headers, content)
                begun = True
                yield response.aiter_bytes()
        except httpx.ReadTimeout as failure:
            if begun:
                raise silent(call.method, call.path) from failure
            raise unreachable(call.method, call.path, failure) from failure
        except (httpx.HTTPError, httpx.StreamError) as failure:
            raise unreachable(call.method, call.path, failure) from failure

    def _request(self, call: Call, silence_seconds: float | None) -> dict[str, Any]:
        headers = {"Accept": call.accept}
        token = self._credentials.token()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        content = None
        if call.body is not None:
            content = msgspec.json.encode(call.body)
            headers["Content-Type"] = call.content_type
        return {
            "method": call.method,
            "url": self._base_url + call.path,
            "params": dict(call.query),
            "content": content,
            "headers": headers,
            "timeout": httpx.Timeout(
                silence_seconds, connect=self._limits.connect_seconds, pool=self._limits.connect_seconds
            ),
        }


def _trust(base_url: str, verify: ssl.SSLContext | bool) -> ssl.SSLContext | bool:
    # Without TLS nobody is trusted, and the system's authorities needn't be read into memory.
    return verify if base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _error_body(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > _ERROR_BODY_BYTES:
            break
    return bytes(content)
