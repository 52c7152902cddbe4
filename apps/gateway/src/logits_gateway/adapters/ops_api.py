"""The Ops API: the one way by which anything leaves the cluster, each call in the audit log."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from logits_core.audit import Subject
from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy.rules import GATEWAY
from logits_gateway.board import Board
from logits_gateway.exports import Batch
from logits_gateway.journal import Journal

MAX_ANSWER_BYTES = 1 << 20
TIMEOUT_SECONDS = 20.0
OWN = Subject(GATEWAY, "logits:gateway")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One call: what leaves, on whose behalf, and what the audit log says about it.

    ``plain_digest`` and ``plain_bytes`` describe the content before compression, when it is compressed.
    """

    method: str
    path: str
    subject: Subject = OWN
    content: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    wait_seconds: float = 0.0
    notes: tuple[tuple[str, str], ...] = ()


class OpsApi:
    """Speaks to the Ops API for this environment.

    Args:
        url: base URL.
        environment: this environment's id.
        key: its key; sent to this origin only.
        journal: the audit verbs.
        board: told how the link fares.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        url: str,
        environment: str,
        key: str,
        *,
        journal: Journal,
        board: Board,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._root = f"/v1/environments/{environment}"
        self._journal = journal
        self._board = board
        self._clock = clock
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            headers={
                "Authorization": f"Bearer {key}",
                "User-Agent": "logits-gateway",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=4, keepalive_expiry=4.0),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def register(self, document: dict[str, Any]) -> None:
        """Introduce this cluster.

        Raises:
            LogitsError: as of every call here, UNAVAILABLE, UNAUTHENTICATED or UPSTREAM_FAILED.
        """
        await self._send(_json("POST", f"{self._root}/registration", document))

    async def desired(self, etag: str, wait_seconds: int) -> tuple[str, Any] | None:
        """Ask which release should run; the server waits for a change.

        Args:
            etag: of the last answer, empty for none.
            wait_seconds: how long the server may wait.

        Returns:
            The new ETag and the envelope, or None when nothing changed.
        """
        headers = (("If-None-Match", etag),) if etag else ()
        path = f"{self._root}/desired?wait={wait_seconds}"
        answer = await self._send(Outgoing("GET", path, headers=headers, wait_seconds=wait_seconds))
        if answer.status_code == 304:
            return None
        try:
            return answer.headers.get("etag", ""), msgspec.json.decode(answer.content)["release"]
        except (msgspec.MsgspecError, KeyError, TypeError):
            raise LogitsError(ErrorCode.UPSTREAM_FAILED, "the Ops API's answer makes no sense") from None

    async def report(self, document: dict[str, Any]) -> None:
        """Tell versions, counts and reason codes."""
        await self._send(_json("POST", f"{self._root}/reports", document))

    async def export(self, batch: Batch, subject: Subject) -> dict[str, Any]:
        """Send a checked batch on behalf of the Collector; a replay is stored once."""
        outgoing = Outgoing(
            "POST",
            f"{self._root}/{batch.kind}",
            subject,
            batch.content,
            (
                ("Content-Type", "application/x-ndjson"),
                ("Content-Encoding", "zstd"),
                ("Idempotency-Key", batch.digest),
            ),
            notes=(
                ("egress-schema", batch.kind),
                ("egress-plain-sha256", batch.digest),
                ("egress-plain-bytes", str(batch.plain_bytes)),
                ("egress-records", str(batch.records)),
            ),
        )
        answer = await self._send(outgoing)
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise LogitsError(ErrorCode.UPSTREAM_FAILED, "the Ops API's answer makes no sense") from None

    async def _send(self, call: Outgoing) -> httpx.Response:
        act = self._journal.act(call.method.lower(), call.path, subject=call.subject)
        act.notes.update(call.notes)
        act.notes.update({"destination": "ops-api"})
        leaves = bool(call.content)
        if leaves:
            act.notes["egress-sha256"] = hashlib.sha256(call.content).hexdigest()
            act.notes["egress-bytes"] = str(len(call.content))
            await self._journal.intent(act)
        try:
            answer = await self._exchange(call)
        except LogitsError as error:
            self._board.missed(error.message)
            await self._journal.outcome(act, error.status, durable=leaves, notes={"error": str(error.code)})
            raise
        self._board.reached(self._clock)
        await self._journal.outcome(act, answer.status_code, durable=leaves)
        if answer.status_code not in (200, 304):
            error = _refusal(answer)
            self._board.missed(error.message)
            raise error
        return answer

    async def _exchange(self, call: Outgoing) -> httpx.Response:
        timeout = httpx.Timeout(TIMEOUT_SECONDS + call.wait_seconds, connect=5.0, pool=5.0)
        request = self._http.build_request(
            call.method,
            call.path,
            content=call.content or None,
            headers=list(call.headers),
            timeout=timeout,
        )
        try:
            answer = await self._http.send(request, stream=True)
            try:
                content = bytearray()
                async for chunk in answer.aiter_raw():
                    content += chunk
                    if len(content) > MAX_ANSWER_BYTES:
                        raise LogitsError(ErrorCode.UPSTREAM_FAILED, "the Ops API's answer is too large")
            finally:
                await answer.aclose()
        except httpx.HTTPError as error:
            raise LogitsError(
                ErrorCode.UNAVAILABLE,
                f"the Ops API can't be reached ({type(error).__name__}); everything else goes on, it is tried again",
            ) from None
        return httpx.Response(answer.status_code, headers=answer.headers, content=bytes(content))


def _json(method: str, path: str, document: dict[str, Any]) -> Outgoing:
    return Outgoing(
        method, path, content=msgspec.json.encode(document), headers=(("Content-Type", "application/json"),)
    )


def _refusal(answer: httpx.Response) -> LogitsError:
    status = answer.status_code
    if status == 401:
        # Not the caller's fault: a Collector must keep its batch until the customer mends the key.
        return LogitsError(
            ErrorCode.UNAVAILABLE,
            "the Ops API refuses this environment's key; rotate it in Accounts and run helm upgrade",
            retry_after=30,
        )
    code = {409: ErrorCode.CONFLICT, 413: ErrorCode.TOO_LARGE, 422: ErrorCode.INVALID, 400: ErrorCode.MALFORMED}
    if status in code:
        return LogitsError(code[status], f"the Ops API refuses this: {_detail(answer)}")
    asked = answer.headers.get("retry-after", "")
    return LogitsError(
        ErrorCode.UNAVAILABLE,
        f"the Ops API answered {status}; it is tried again",
        retry_after=float(asked) if asked.isascii() and asked.isdigit() else 5,
    )


def _detail(answer: httpx.Response) -> str:
    try:
        return str(msgspec.json.decode(answer.content)["detail"])[:300]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return "without words"
