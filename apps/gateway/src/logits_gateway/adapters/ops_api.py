"""The Ops API: the one way by which anything leaves the cluster, each call in the audit log."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.to_thread
import httpx
import msgspec

from logits_core.audit import Act, Subject
from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy.rules import GATEWAY
from logits_core.rollout.agreement import MAX_OFFER_BYTES
from logits_gateway.adapters.egress_ledger import Departure, EgressLedger
from logits_gateway.board import Board
from logits_gateway.exports import Batch
from logits_gateway.journal import Journal

MAX_ANSWER_BYTES = MAX_OFFER_BYTES
TIMEOUT_SECONDS = 20.0
ANSWER_SECONDS = 60.0
"""The longest time in seconds for one call, waiting aside: an answer that trickles in must not hold it for ever."""
PAUSED = "the customer has paused Logits: nothing leaves the cluster until the mode is changed"
PAUSED_SECONDS = 5.0
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
        ledger: keeps what leaves, for the customer.
        board: told how the link fares.
        paused: whether the customer lets nothing out now; raises UNAVAILABLE while that isn't known.
        clock: seconds since the epoch.
        answer_seconds: the longest that one call may take, waiting aside.
    """

    def __init__(
        self,
        url: str,
        environment: str,
        key: str,
        *,
        journal: Journal,
        ledger: EgressLedger,
        board: Board,
        paused: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._answer_seconds = answer_seconds
        self._paused = paused
        self._root = f"/v1/environments/{environment}"
        self._journal = journal
        self._ledger = ledger
        self._keeping = anyio.Lock()
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
        await self._send(_json("registration", f"{self._root}/registration", document))

    async def desired(self, etag: str, wait_seconds: int, roots: tuple[int, int] = (0, 0)) -> tuple[str, bytes] | None:
        """Ask which release should run; the server waits for a change.

        Args:
            etag: of the last answer, empty for none.
            wait_seconds: how long the server may wait.
            roots: versions of the trusted roots, images then director.

        Returns:
            The new ETag and the offer, unread and untrusted, or None when nothing changed.
        """
        headers = (("If-None-Match", etag),) if etag else ()
        path = f"{self._root}/desired?wait={wait_seconds}&roots={roots[0]},{roots[1]}"
        answer, _ = await self._send(Outgoing("GET", path, headers=headers, wait_seconds=wait_seconds))
        if answer.status_code == 304:
            return None
        return answer.headers.get("etag", ""), answer.content

    async def report(self, document: dict[str, Any]) -> None:
        """Tell versions, counts and reason codes."""
        await self._send(_json("report", f"{self._root}/reports", document))

    async def export(self, batch: Batch, subject: Subject) -> tuple[dict[str, Any], str]:
        """Send a checked batch on behalf of the Collector; a replay is stored once.

        Returns:
            The Ops API's answer and the audit log's receipt.
        """
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
        answer, receipt = await self._send(outgoing)
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any]), receipt
        except msgspec.MsgspecError:
            raise LogitsError(ErrorCode.UPSTREAM_FAILED, "the Ops API's answer makes no sense") from None

    async def _send(self, call: Outgoing) -> tuple[httpx.Response, str]:
        if self._paused():
            self._board.missed(PAUSED)
            raise LogitsError(ErrorCode.UNAVAILABLE, PAUSED, retry_after=PAUSED_SECONDS)
        act = self._journal.act(call.method.lower(), call.path, subject=call.subject)
        act.notes.update(call.notes)
        act.notes.update({"destination": "ops-api"})
        leaves, index = bool(call.content), -1
        if leaves:
            act.notes["egress-sha256"] = hashlib.sha256(call.content).hexdigest()
            act.notes["egress-bytes"] = str(len(call.content))
            index = (await self._journal.intent(act)).index
        await self._keep(act, call, index)
        try:
            answer = await self._exchange(call)
        except LogitsError as error:
            self._board.missed(error.message)
            await self._journal.outcome(act, error.status, durable=leaves, notes={"error": str(error.code)})
            raise
        self._board.reached(self._clock)
        entry = await self._journal.outcome(act, answer.status_code, durable=leaves)
        if answer.status_code not in (200, 304):
            error = _refusal(answer)
            self._board.missed(error.message)
            raise error
        return answer, self._journal.receipt(entry)

    async def _keep(self, act: Act, call: Outgoing, index: int) -> None:
        departure = Departure(
            id=act.audit_id,
            time=datetime.fromtimestamp(act.received_at, UTC).isoformat(timespec="milliseconds"),
            method=call.method,
            path=call.path,
            caller=call.subject.caller,
            sha256=hashlib.sha256(call.content).hexdigest(),
            size=len(call.content),
            encoding=dict(call.headers).get("Content-Encoding", ""),
            schema=act.notes.get("egress-schema", ""),
            index=index,
        )
        async with self._keeping:
            await anyio.to_thread.run_sync(self._ledger.keep, departure, call.content)

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
            with anyio.fail_after(self._answer_seconds + call.wait_seconds):
                return await self._answer(request)
        except (httpx.HTTPError, TimeoutError) as error:
            raise LogitsError(
                ErrorCode.UNAVAILABLE,
                f"the Ops API can't be reached ({type(error).__name__}); everything else goes on, it is tried again",
            ) from None

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._http.send(request, stream=True)
        try:
            content = bytearray()
            async for chunk in answer.aiter_raw():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise LogitsError(ErrorCode.UPSTREAM_FAILED, "the Ops API's answer is too large")
        finally:
            await answer.aclose()
        return httpx.Response(answer.status_code, headers=answer.headers, content=bytes(content))


def _json(schema: str, path: str, document: dict[str, Any]) -> Outgoing:
    headers = (("Content-Type", "application/json"),)
    return Outgoing(
        "POST", path, content=msgspec.json.encode(document), headers=headers, notes=(("egress-schema", schema),)
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
