"""The journal: the audit verbs of the Gateway, intent before an act and outcome after it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter

from logits_core.audit import Act, Stage, Subject, canonical, concealed, event
from logits_core.audit.digests import MAX_OBJECT_BYTES, without_tokens
from logits_core.errors import LogitsError
from logits_core.policy import policy_digest
from logits_gateway.adapters.audit_log import AuditLog, Entry

STRANGER_RECORDS_PER_MINUTE = 120
"""Records about callers that proved nothing; more are counted, so that strangers can't fill the volume."""


@dataclass
class _Allowance:
    """How many records about strangers are left in this minute, and how many were left out."""

    minute: int = 0
    left: int = STRANGER_RECORDS_PER_MINUTE
    suppressed: int = 0


@dataclass(frozen=True)
class Journal:
    """Writes audit events.

    Args:
        log: where they go.
        key: the customer's key for digests of values.
        registry: for the counters.
        clock: seconds since the epoch.
        new_id: makes audit ids.
    """

    log: AuditLog
    key: bytes
    registry: CollectorRegistry
    clock: Callable[[], float] = time.time
    new_id: Callable[[], str] = lambda: secrets.token_hex(16)
    _allowance: _Allowance = field(default_factory=_Allowance)
    _counters: dict[str, Counter] = field(default_factory=dict[str, Counter])
    _written: dict[str, Counter] = field(default_factory=dict[str, Counter])

    def __post_init__(self) -> None:
        """Register the counters."""
        events = Counter("logits_gateway_audit_events", "Audit events written.", ["kind"], registry=self.registry)
        self._written.update({stage: events.labels(stage.lower()) for stage in get_args(Stage)})
        self._counters["suppressed"] = Counter(
            "logits_gateway_audit_suppressed",
            "Refusals of unknown callers that were counted instead of recorded.",
            registry=self.registry,
        )

    def act(self, verb: str, uri: str, *, subject: Subject, source: str = "") -> Act:
        """Begin the description of an act."""
        shown = without_tokens(uri, self.key)
        return Act(self.new_id(), self.clock(), verb, shown, subject, source, notes={"policy": policy_digest()})

    def shown(self, value: Any) -> Any:
        """An object as the log may show it; its digest alone when it is too large."""
        result = concealed(value, self.key)
        return result if len(canonical(result)) <= MAX_OBJECT_BYTES else {"withheld": "too large"}

    def receipt(self, entry: Entry) -> str:
        """A signed promise that a record stands in the log, for the answer to whoever asked."""
        return self.log.receipt(entry)

    async def intent(self, act: Act) -> Entry:
        """Record what is about to be changed; on disk when this returns.

        Raises:
            LogitsError: UNAVAILABLE when it can't be recorded; then it must not be done.
        """
        return await self._append(act, "RequestReceived", durable=True)

    async def started(self, act: Act, code: int) -> Entry:
        """Record that a watch begins.

        Raises:
            LogitsError: UNAVAILABLE when it can't be recorded; then it must not be answered.
        """
        return await self._append(act, "ResponseStarted", durable=False, code=code)

    async def outcome(self, act: Act, code: int, *, durable: bool, notes: dict[str, str] | None = None) -> Entry:
        """Record how an act ended.

        Raises:
            LogitsError: UNAVAILABLE when it can't be recorded; then it must not be answered.
        """
        return await self._append(act, "ResponseComplete", durable=durable, code=code, notes=notes)

    async def refusal(self, act: Act, error: LogitsError, code: int, *, rule: str) -> Entry | None:
        """Record that an act was refused before it was tried; None when it was counted instead.

        A log that can't be written changes nothing here: the refusal stands either way.
        """
        notes = {"decision": "deny", "error": str(error.code)} | ({"rule": rule} if rule else {})
        if not act.subject.caller and not self._may_record(notes):
            return None
        try:
            return await self._append(act, "ResponseComplete", durable=False, code=code, notes=notes)
        except LogitsError:
            return None

    def _may_record(self, notes: dict[str, str]) -> bool:
        allowance, minute = self._allowance, int(self.clock() // 60)
        if minute != allowance.minute:
            allowance.minute, allowance.left = minute, STRANGER_RECORDS_PER_MINUTE
        if allowance.left == 0:
            allowance.suppressed += 1
            self._counters["suppressed"].inc()
            return False
        allowance.left -= 1
        if allowance.suppressed:
            notes["suppressed"] = str(allowance.suppressed)
            allowance.suppressed = 0
        return True

    async def _append(
        self,
        act: Act,
        stage: Stage,
        *,
        durable: bool,
        code: int | None = None,
        notes: dict[str, str] | None = None,
    ) -> Entry:
        record = event(act, stage, now=self.clock(), code=code, notes=notes)
        entry = await self.log.append(record, durable=durable)
        self._written[stage].inc()
        return entry
