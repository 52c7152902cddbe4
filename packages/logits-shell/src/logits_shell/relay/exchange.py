"""The state machine of one exchange: body, decision, attempts, answer, end.

    BODY -> DECIDING -> ATTEMPTING -> ANSWERING -> ENDED
      |         |           | ^  |         |
      |         |           +-+  |         |      another attempt, only before the first byte
      +---------+----------------+---------+----> ENDED (refusal, failure, client gone)

Everything is driven by callbacks; a task exists only while the app decides or a connection is opened.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Coroutine
from typing import Protocol, cast

from logits_core.errors import LogitsError
from logits_shell.relay import framing
from logits_shell.relay.attempt import Attempt
from logits_shell.relay.policy import (
    COMMENT,
    Failure,
    FailureKind,
    Forward,
    Headers,
    KeepAlive,
    Outcome,
    OutcomeKind,
    Refusal,
    Rejection,
    RelayOptions,
    RelayPolicy,
    RequestHead,
    WaitingPolicy,
)
from logits_shell.relay.pool import UpstreamPool
from logits_shell.relay.rejections import CLIENT_TOO_SLOW, INTERNAL, TOO_LARGE, for_failure
from logits_shell.relay.request_body import RequestBody
from logits_shell.relay.response import Response
from logits_shell.relay.watch import Watch


class ClientSide(Protocol):
    """What an exchange needs of its client's connection."""

    loop: asyncio.AbstractEventLoop

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    def hold_reading(self, held: bool) -> None:
        """Stop or resume reading the request body."""
        ...

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `work` in a task that the process waits for when it drains."""
        ...

    def set_deadline(self, at: float | None) -> None:
        """Call `deadline_passed` at the loop time `at`."""
        ...

    def exchange_done(self, keep_alive: bool) -> None:
        """Take the connection back after a proper end."""
        ...

    def abort(self) -> None:
        """Break the connection so that the client sees a truncation."""
        ...


class Phase(enum.Enum):
    """Where an exchange is."""

    BODY = "body"
    DECIDING = "deciding"
    ATTEMPTING = "attempting"
    ANSWERING = "answering"
    ENDED = "ended"


class Exchange:
    """One request and its response; see the module for the states."""

    def __init__(
        self,
        head: RequestHead,
        client: ClientSide,
        *,
        policy: RelayPolicy,
        pool: UpstreamPool,
        options: RelayOptions,
        keep_alive: bool,
    ) -> None:
        self.head = head
        self.options = options
        self.pool = pool
        self.body = RequestBody(head.headers, limit=policy.wants_body(head), replay_bytes=options.replay_bytes)
        identity = ((framing.REQUEST_ID, head.request_id.encode("ascii")),) if head.request_id else ()
        self.response = Response(
            client,
            head_only=head.method == "HEAD",
            http_version=head.http_version,
            keep_alive=keep_alive,
            always=identity,
        )
        self.phase = Phase.BODY
        self._client = client
        self._policy = policy
        self._begun = False
        self._task: asyncio.Task[None] | None = None
        self._attempt: Attempt | None = None
        self._attempts = 0
        self._watch = Watch(client.loop, options, set_deadline=client.set_deadline, give_up=self._client_stalled)
        self._keep_alive: KeepAlive | None = None

    # -- the client's side ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin: it's this exchange's turn on its connection."""
        self._begun = True
        if hasattr(self._policy, "keep_alive") and self.head.http_version != "1.0":
            self._watch.life(self._show_life)
        if self.body.over_limit:
            self.reject(TOO_LARGE)
            return
        if not self.body.complete and self.head.header(b"expect") is not None:
            self._client.write(framing.CONTINUE)
        if self.body.limit is None:
            self._decide(None)
        elif self.body.complete:
            self._decide(self.body.whole())
        else:
            self._watch.phase(self.options.body_seconds, self._client_too_slow)

    def body_data(self, data: bytes) -> None:
        """Take a piece of the request body."""
        if self.phase is Phase.ENDED:
            return
        self.body.feed(data)
        self._watch.heard()
        if self._begun and self.body.over_limit:
            self.reject(TOO_LARGE)
        elif self.body.congested:
            self._client.hold_reading(True)

    def body_end(self) -> None:
        """Take the end of the request body."""
        if self.phase is Phase.ENDED:
            return
        self.body.finish()
        if not self._begun:
            return
        if self.phase is Phase.BODY:
            self._decide(self.body.whole())
        elif self.phase is Phase.ATTEMPTING and self._attempt is not None:
            self._watch_upstream()

    def client_gone(self) -> None:
        """Drop everything at once, in whatever phase."""
        if self.phase is Phase.ENDED:
            return
        self._end()
        if self._attempt is not None:
            self._attempt.abandon()

    def client_failed(self, rejection: Rejection) -> None:
        """Refuse what the client sends of its body: too slow, or not valid."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.abandon()
        self.reject(rejection)

    def client_writable(self, writable: bool) -> None:
        """Pass the client's back-pressure to the upstream."""
        if self._attempt is not None:
            self._attempt.pause(not writable)
        self._watch.stalled(not writable)

    def drain(self) -> None:
        """Let this be the last exchange of its connection."""
        self.response.keep_alive = False

    def cut(self) -> None:
        """End now: the time for draining is over."""
        if self.phase is Phase.ENDED:
            return
        if self._attempt is not None and self.phase is not Phase.DECIDING:
            self._attempt.give_up(FailureKind.DRAINED)
        else:
            self.reject(for_failure(FailureKind.DRAINED))

    # -- deciding ------------------------------------------------------------------------------------------

    def _decide(self, body: bytes | None) -> None:
        self.phase = Phase.DECIDING
        self._watch.phase(None, self._client_too_slow)
        self._task = self.spawn(self._ask(body))

    async def _ask(self, body: bytes | None) -> None:
        try:
            decision = await self._policy.decide(self.head, body)
        except LogitsError as error:
            wait = None if error.retry_after is None else max(1, round(error.retry_after))
            self.reject(Rejection(error.status, error.code.value, error.message, wait))
            return
        except Exception as error:  # noqa: BLE001 - the task boundary: a bug must still answer the client
            self.crashed(error)
            return
        self._task = None
        self._follow(decision)

    def crashed(self, error: Exception) -> None:
        """Answer 500 for a decision that failed or can't be carried out."""
        self._client.loop.call_exception_handler({"message": "a relay policy failed", "exception": error})
        self._attempt = None
        self.reject(INTERNAL)

    def _follow(self, decision: Forward | Refusal) -> None:
        if isinstance(decision, Refusal):
            self._refuse(decision)
            return
        self._attempts += 1
        if self.phase is Phase.ENDED or self._attempts > self.options.attempts:
            gone = self.phase is Phase.ENDED
            _discard(decision, OutcomeKind.CLIENT_GONE if gone else OutcomeKind.DISCARDED)
            self.reject(for_failure(FailureKind.CLOSED))
            return
        self.phase = Phase.ATTEMPTING
        self._attempt = Attempt(self, decision)
        self._attempt.start()

    # -- AttemptOwner --------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `work` in a task that the process waits for when it drains."""
        return self._client.spawn(work)

    def request_sent(self) -> None:
        """Wait for the upstream's head, or for the rest of the client's body."""
        self._client.hold_reading(False)
        if self.body.complete:
            self._watch_upstream()
        else:
            self._watch.phase(self.options.body_seconds, self._client_too_slow)

    def answer_started(self, headers: Headers) -> None:
        """From now on no other attempt is possible."""
        self.phase = Phase.ANSWERING
        self.body.drop()
        if not dict(headers).get(b"content-type", b"").startswith(b"text/event-stream"):
            self._watch.life(None)
        self._watch.phase(self.options.idle_seconds, lambda: self._give_up(FailureKind.IDLE_TIMEOUT))

    def touched(self) -> None:
        """Note that the upstream spoke; the armed timer finds out for itself."""
        self._watch.touched()

    def upstream_writable(self, writable: bool) -> None:
        """Pass the upstream's back-pressure to the client."""
        self._client.hold_reading(not writable)
        if writable and not self.body.complete:
            self._watch.phase(self.options.body_seconds, self._client_too_slow)
        elif not writable:
            self._watch.phase(self.options.idle_seconds, lambda: self._give_up(FailureKind.IDLE_TIMEOUT))

    def answer_complete(self) -> None:
        """End properly; a body that is shorter than promised breaks the connection instead."""
        self._attempt = None
        self._finish()

    def replaced(self, decision: Forward | Refusal) -> None:
        """Do something else in place of an upstream's error."""
        self._attempt = None
        if isinstance(decision, Forward) and not self.body.replayable:
            _discard(decision, OutcomeKind.DISCARDED)
            self.reject(for_failure(FailureKind.CLOSED))
        else:
            self._follow(decision)

    def failed(self, failure: Failure, answer: Forward | Refusal | bytes | None, started: bool) -> None:
        """Say what the app wants to be said after a failure, or break off."""
        self._attempt = None
        if isinstance(answer, Forward) and not failure.replayable:
            _discard(answer, OutcomeKind.DISCARDED)
            answer = None
        if isinstance(answer, bytes) and self.response.open_ended:
            self.response.piece(answer)
            self._finish()
        elif started:
            self._break_off()
        elif isinstance(answer, (Forward, Refusal)):
            self._follow(answer)
        else:
            self.reject(for_failure(failure.kind))

    # -- ends ----------------------------------------------------------------------------------------------

    def reject(self, rejection: Rejection) -> None:
        """Refuse in the app's dialect."""
        self._refuse(self.options.reject(rejection, self.head))

    def _refuse(self, refusal: Refusal) -> None:
        if self.phase is Phase.ENDED:
            return
        if not self.body.complete:
            self.response.keep_alive = False
        if not self.response.started:
            fields = tuple(field for field in refusal.headers if field[0] != b"content-length")
            length = (b"content-length", b"%d" % len(refusal.body))
            self.response.start(refusal.status, (*fields, length))
            self.response.piece(refusal.body)
            self._finish()
        elif self._keep_alive is not None and self.response.open_ended:
            self.response.piece(self._keep_alive.closing(refusal))
            self._finish()
        else:
            self._break_off()

    def _finish(self) -> None:
        whole = self.response.finish()
        keep_alive = self.response.keep_alive and self.body.complete
        self._end()
        if whole:
            self._client.exchange_done(keep_alive)
        else:
            self._client.abort()

    def _break_off(self) -> None:
        self.response.flush()
        self._end()
        self._client.abort()

    def _end(self) -> None:
        self.phase = Phase.ENDED
        self._watch.stop()
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task(self._client.loop):
            task.cancel()

    # -- deadlines -----------------------------------------------------------------------------------------

    def deadline_passed(self) -> None:
        """Act on what is due."""
        if self.phase is not Phase.ENDED:
            self._watch.passed()

    def _watch_upstream(self) -> None:
        self._watch.phase(self.options.first_byte_seconds, lambda: self._give_up(FailureKind.FIRST_BYTE_TIMEOUT))

    def _show_life(self) -> bool:
        if self._keep_alive is None and self.phase is not Phase.ANSWERING:
            body = self.body.whole() if self.body.limit is not None and self.body.replayable else None
            self._keep_alive = cast("WaitingPolicy", self._policy).keep_alive(self.head, body)
            if self._keep_alive is None:
                return False
        if not self.response.started and self._keep_alive is not None:
            self.response.start(self._keep_alive.status, self._keep_alive.headers)
        self.response.piece(self._keep_alive.comment if self._keep_alive is not None else COMMENT)
        self.response.flush()
        return True

    def _client_stalled(self) -> None:
        self.client_gone()
        self._client.abort()

    def _client_too_slow(self) -> None:
        self.client_failed(CLIENT_TOO_SLOW)

    def _give_up(self, kind: FailureKind) -> None:
        if self._attempt is not None:
            self._attempt.give_up(kind)


def _discard(forward: Forward, kind: OutcomeKind) -> None:
    if forward.observer is not None:
        forward.observer.on_end(Outcome(kind))
