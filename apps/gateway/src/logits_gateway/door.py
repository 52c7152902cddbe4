"""The door to the Kubernetes API: every request's way, stage by stage, on one page.

transport -> caller -> parse -> authorise -> mode -> admit -> record the intent -> forward -> record the outcome
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from logits_core.audit import ANONYMOUS, Act
from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy import DenialError, Limits, Mode, RequestInfo, admit, authorise, check_mode, parse
from logits_core.policy.admission import CheckedBody
from logits_core.policy.responses import accepts, is_secret, without_content
from logits_core.policy.transport import check_headers
from logits_gateway.adapters.api_server import MAX_ANSWER_BYTES, ApiServer, UpstreamRequest, began
from logits_gateway.adapters.upstream_exchange import Exchange
from logits_gateway.callers import Caller, Callers, Headers
from logits_gateway.errors import status_document
from logits_gateway.journal import Journal


class RawRequest(msgspec.Struct, frozen=True):
    """A request below ``/kubernetes`` before anything of it is believed.

    Attributes:
        method: as sent.
        path: as sent, without the prefix, never decoded.
        query: as sent.
        headers: names in lower case.
        source: the peer's address.
        read_body: reads the body within the bound, at most once.
    """

    method: str
    path: str
    query: str
    headers: Headers
    source: str
    read_body: Callable[[], Awaitable[bytes]]


class Reply(Protocol):
    """Where an answer goes."""

    async def whole(self, status: int, body: bytes, receipt: str = "") -> None:
        """Send a complete JSON answer, with the audit log's receipt for the act."""
        ...

    async def start(self, status: int, receipt: str) -> None:
        """Begin a streamed JSON answer."""
        ...

    async def chunk(self, data: bytes) -> None:
        """Send a part of it, at once."""
        ...

    async def disconnected(self) -> None:
        """Return when the client is gone."""
        ...


@dataclass
class _Passage:
    """How far a request has come: what the journal says about it if it ends here."""

    act: Act
    rule: str = ""
    receipt: str = ""


class Door:
    """Lets requests through to the API server, or not.

    Args:
        server: the API server.
        callers: tells who asks.
        limits: what may run now; raises UNAVAILABLE while it isn't known.
        journal: the audit verbs.
        mode: the customer's mode now; raises UNAVAILABLE while it isn't known.
        namespace: the release's namespace.
        max_watches: watches that may be open at once.
        registry: for the counters.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        server: ApiServer,
        callers: Callers,
        limits: Callable[[], Limits],
        journal: Journal,
        *,
        mode: Callable[[], Mode],
        namespace: str,
        max_watches: int,
        registry: CollectorRegistry,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._server = server
        self._callers = callers
        self._limits = limits
        self._journal = journal
        self._mode = mode
        self._namespace = namespace
        self._max_watches = max_watches
        self._clock = clock
        self._open_watches = 0
        self._requests = Counter(
            "logits_gateway_kubernetes_requests",
            "Requests to the Kubernetes API.",
            ["caller", "verb", "code"],
            registry=registry,
        )
        self._counted: dict[tuple[str, str, str], Counter] = {}
        self._watches = Gauge("logits_gateway_watches", "Watches open now.", registry=registry)

    async def answer(self, request: RawRequest, reply: Reply, *, offered: bool = True) -> None:
        """Take a request through all stages and answer it; refusals are answered with a Status.

        Args:
            request: as it came.
            reply: where the answer goes.
            offered: False for a path that nothing here serves.
        """
        uri = f"{request.path}?{request.query}" if request.query else request.path
        method = request.method.lower()
        passage = _Passage(self._journal.act(method, uri, subject=ANONYMOUS, source=request.source))
        try:
            await self._pass(request, passage, reply, offered=offered)
        except LogitsError as error:
            code, document = status_document(error)
            if not passage.receipt:
                rule = error.rule if isinstance(error, DenialError) else passage.rule
                entry = await self._journal.refusal(passage.act, error, code, rule=rule)
                passage.receipt = self._journal.receipt(entry) if entry else ""
            self._count(passage.act, code)
            await reply.whole(code, msgspec.json.encode(document), passage.receipt)

    async def _pass(self, request: RawRequest, passage: _Passage, reply: Reply, *, offered: bool) -> None:
        check_headers(request.headers)
        caller = await self._callers.identify(request.headers)
        passage.act.subject = caller.subject
        if not offered:
            raise LogitsError(ErrorCode.NOT_FOUND, "there is no such path here", field="path")
        info = parse(request.method, request.path, request.query)
        passage.act.verb, passage.act.reference = info.verb, _reference(info)
        rule = authorise(caller.component, info, namespace=self._namespace)
        passage.rule = rule.id
        if info.mutates:
            check_mode(self._mode(), info)
        body = await request.read_body()
        limits = self._limits() if info.mutates else Limits(self._namespace, {})
        content_type = _header(request.headers, b"content-type")
        checked = admit(rule, caller.component, info, content_type=content_type, body=body, limits=limits)
        self._describe(passage.act, rule.id, info, checked)
        upstream = self._upstream(request.method, info, caller, checked, passage.act.audit_id)
        if info.verb == "watch":
            await self._watch(upstream, caller, passage, reply)
        else:
            await self._once(upstream, info, passage, reply)

    def _describe(self, act: Act, rule: str, info: RequestInfo, checked: CheckedBody | None) -> None:
        act.notes |= {"rule": rule, "decision": "allow"}
        if checked is None:
            return
        if info.verb == "create":
            act.reference["name"] = checked.value["metadata"]["name"]
        act.notes["request-sha256"] = hashlib.sha256(checked.content).hexdigest()
        act.request_object = self._journal.shown(checked.value)

    def _upstream(
        self, method: str, info: RequestInfo, caller: Caller, checked: CheckedBody | None, audit_id: str
    ) -> UpstreamRequest:
        return UpstreamRequest(
            method=method,
            target=info.upstream_target(seconds_left=caller.expires_at - self._clock()),
            accept=accepts(info),
            audit_id=audit_id,
            content=checked.content if checked else None,
            content_type=checked.content_type if checked else "",
        )

    async def _once(self, upstream: UpstreamRequest, info: RequestInfo, passage: _Passage, reply: Reply) -> None:
        act, durable = passage.act, info.mutates
        if durable:
            await self._journal.intent(act)
        try:
            status, content = await self._server.ask(upstream)
        except LogitsError as error:
            code, _ = status_document(error)
            await self._ended(passage, code, durable=durable, notes={"error": str(error.code)})
            raise
        if is_secret(info):
            content = msgspec.json.encode(without_content(_decoded(content)))
        await self._finished(passage, status, content, reply, durable=durable)

    async def _finished(self, passage: _Passage, status: int, content: bytes, reply: Reply, *, durable: bool) -> None:
        await self._ended(passage, status, durable=durable, notes=_seen(content))
        self._count(passage.act, status)
        await reply.whole(status, content, passage.receipt)

    async def _ended(self, passage: _Passage, code: int, *, durable: bool, notes: dict[str, str]) -> None:
        entry = await self._journal.outcome(passage.act, code, durable=durable, notes=notes)
        passage.receipt = self._journal.receipt(entry)

    async def _watch(self, upstream: UpstreamRequest, caller: Caller, passage: _Passage, reply: Reply) -> None:
        if self._open_watches >= self._max_watches:
            raise LogitsError(ErrorCode.OVER_LIMIT, f"{self._max_watches} watches are open; try again", retry_after=5)
        self._open_watches += 1
        self._watches.set(self._open_watches)
        try:
            await self._server.watch(upstream, lambda exchange: self._relay(exchange, caller, passage, reply))
        finally:
            self._open_watches -= 1
            self._watches.set(self._open_watches)

    async def _relay(self, exchange: Exchange, caller: Caller, passage: _Passage, reply: Reply) -> None:
        """Send a watch's events on until it, its client or its token ends."""
        if (status := await began(exchange)) != 200:
            content = await exchange.whole(MAX_ANSWER_BYTES)
            await self._finished(passage, status, content, reply, durable=False)
            return
        passage.receipt = self._journal.receipt(await self._journal.started(passage.act, 200))
        await reply.start(200, passage.receipt)
        events, ended = 0, "stopped"
        gone = asyncio.ensure_future(reply.disconnected())
        gone.add_done_callback(lambda _: exchange.stop())
        try:
            async with asyncio.timeout(max(0.0, caller.expires_at - self._clock())):
                while data := await exchange.read():
                    events += data.count(b"\n")
                    await reply.chunk(data)
            ended = "token" if self._clock() >= caller.expires_at else "server"
        except TimeoutError:
            ended = "token"
        except LogitsError:
            ended = "upstream"
        finally:
            ended = "client" if gone.done() else ended
            gone.cancel()
            self._count(passage.act, 200)
            await self._journal.outcome(passage.act, 200, durable=False, notes={"events": str(events), "ended": ended})

    def _count(self, act: Act, code: int) -> None:
        key = (act.subject.caller or "unknown", act.verb, str(code))
        if (counter := self._counted.get(key)) is None:
            counter = self._counted[key] = self._requests.labels(*key)
        counter.inc()


def _reference(info: RequestInfo) -> dict[str, str]:
    parts = {
        "resource": info.resource,
        "namespace": info.namespace,
        "name": info.name,
        "apiGroup": info.group,
        "apiVersion": info.version,
        "subresource": info.subresource,
    }
    return {key: value for key, value in parts.items() if value}


def _seen(content: bytes) -> dict[str, str]:
    return {
        "response-bytes": str(len(content)),
        "response-sha256": hashlib.sha256(content).hexdigest(),
    }


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except msgspec.MsgspecError:
        return None


def _header(headers: Headers, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in headers if key == name), "")
