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
from typing import Any, cast

from logits_core.errors import LogitsError
from logits_shell.relay import framing
from logits_shell.relay.attempt import Attempt, discard
from logits_shell.relay.framing import Facts, ResponseHead
from logits_shell.relay.options import Rejection
from logits_shell.relay.policy import (
    COMMENT,
    Decision,
    Failure,
    FailureKind,
    Forward,
    KeepAlive,
    Later,
    OutcomeKind,
    Refusal,
    RequestHead,
    WaitingPolicy,
)
from logits_shell.relay.ports import ClientSide
from logits_shell.relay.rejections import CLIENT_TOO_SLOW, INTERNAL, TOO_LARGE, for_failure
from logits_shell.relay.request_body import RequestBody
from logits_shell.relay.response import Response


class Phase(enum.Enum):
    """Where an exchange is."""

    BODY = "body"
    DECIDING = "deciding"
    ATTEMPTING = "attempting"
    ANSWERING = "answering"
    ENDED = "ended"


class Exchange:
    """One request and its response; see the module for the states.

    Args:
        head: The request's.
        facts: What it says.
        client: Whose it is.
        length: Of the body, as announced.
        keep_alive: Whether the client's connection may stay open.
    """

    __slots__ = (
        "_attempt", "_attempts", "_client", "_continues", "_keep_alive", "_policy", "_task", "begun",
        "body", "facts", "first_hop", "head", "options", "phase", "pool", "response", "watch",
    )  # fmt: skip

    def __init__(
        self,
        head: RequestHead,
        facts: Facts,
        client: ClientSide,
        *,
        length: int | None,
        keep_alive: bool,
    ) -> None:
        self.head = head
        self.facts = facts
        self.first_hop = client.first_hop
        self.options = options = client.options
        self.pool = client.pool
        self._policy = policy = client.policy
        limit = policy.wants_body(head)
        self.body = RequestBody(length, chunked=bool(facts.codings), limit=limit, replay_bytes=options.replay_bytes)
        self.response = Response(
            client.write,
            head_only=head.method == "HEAD",
            http_version=head.http_version,
            keep_alive=keep_alive,
            request_id=head.request_id,
        )
        self.phase = Phase.BODY
        self.begun = False
        self._client = client
        # HTTP/1.0 knows no interim answers.
        self._continues = facts.expect is not None and head.http_version != "1.0"
        self._task: asyncio.Task[None] | None = None
        self._attempt: Attempt | None = None
        self._attempts = 0
        self.watch = client.deadline
        self._keep_alive: KeepAlive | None = None

    # -- the client's side ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin: it's this exchange's turn on its connection."""
        self.begun = True
        shows_life = self._client.shows_life and self.head.http_version != "1.0"
        self.watch.begin(self._client_stalled, self._show_life if shows_life else None)
        body = self.body
        if body.limit is None:
            self._decide(None)
        elif body.over_limit:
            self.reject(TOO_LARGE)
        elif body.complete:
            self._decide(body.whole())
        else:
            self._say_continue()
            self._client.hold_reading(False)
            self.watch.phase(self.options.body_seconds, self._client_too_slow)

    def _say_continue(self) -> None:
        if self._continues and not self.body.complete and not self.response.started:
            self._continues = False
            self._client.write(framing.CONTINUE)

    def body_data(self, data: bytes) -> None:
        """Take a piece of the request body."""
        if self.phase is Phase.ENDED:
            return
        self.body.feed(data)
        if not self.begun:
            if self.body.congested:
                self._client.hold_reading(True)
            return
        self.watch.heard(len(data))
        if self.body.over_limit:
            self.reject(TOO_LARGE)
        elif self.body.limit is None and self.body.congested:
            self._client.hold_reading(True)

    def body_end(self) -> None:
        """Take the end of the request body."""
        if self.phase is Phase.ENDED:
            return
        self.body.finish()
        if not self.begun:
            return
        if self.phase is Phase.BODY and self.body.large:
            self._client.loop.call_soon(self._decide_whole)
        elif self.phase is Phase.BODY:
            self._decide_whole()
        elif self.phase is Phase.ATTEMPTING and self._attempt is not None:
            self._client.hold_reading(False)
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
        self.reject(TOO_LARGE if self.body.over_limit else rejection)

    def client_writable(self, writable: bool) -> None:
        """Pass the client's back-pressure to the upstream."""
        if self._attempt is not None:
            self._attempt.pause(not writable)
        self.watch.stalled(not writable)

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
        try:
            decided = self._policy.decide(self.head, body)
        except Exception as error:  # noqa: BLE001 - the app's boundary: a bug must still answer the client
            self._undecided(error)
            return
        if isinstance(decided, (Forward, Refusal)):
            self._follow(decided)
        else:
            self._wait_for(decided)

    def _decide_whole(self) -> None:
        if self.phase is Phase.BODY:
            self._decide(self.body.whole())

    def _wait_for(self, deciding: Coroutine[Any, Any, Decision]) -> None:
        self.phase = Phase.DECIDING
        self.watch.phase(None, self._client_too_slow)
        self._task = self.spawn(self._await(deciding))
        # A task that is cancelled before its first step would leave the coroutine open.
        self._task.add_done_callback(lambda _: deciding.close())

    async def _await(self, deciding: Coroutine[Any, Any, Decision]) -> None:
        try:
            decided = await deciding
        except Exception as error:  # noqa: BLE001 - the task boundary: a bug must still answer the client
            self._undecided(error)
            return
        self._task = None
        self._follow(decided)

    def _undecided(self, error: Exception) -> None:
        if isinstance(error, LogitsError):
            wait = None if error.retry_after is None else max(1, round(error.retry_after))
            self.reject(Rejection(error.status, error.code.value, error.message, wait))
        else:
            self.crashed(error)

    def crashed(self, error: Exception) -> None:
        """Answer 500 for a decision that failed or can't be carried out."""
        self._client.loop.call_exception_handler({"message": "a relay policy failed", "exception": error})
        self._attempt = None
        self.reject(INTERNAL)

    def _follow(self, decision: Decision | Later) -> None:
        if isinstance(decision, Forward) and self.phase is not Phase.ENDED and self._attempts < self.options.attempts:
            self._attempts += 1
            self.phase = Phase.ATTEMPTING
            self._attempt = Attempt(self, decision)
            self._attempt.start()
            return
        if isinstance(decision, Refusal):
            self._refuse(decision)
            return
        if isinstance(decision, Later) and self.phase is not Phase.ENDED and self._attempts < self.options.attempts:
            self._wait_for(decision.decide())
            return
        discard(decision, OutcomeKind.CLIENT_GONE if self.phase is Phase.ENDED else OutcomeKind.DISCARDED)
        self.reject(for_failure(FailureKind.CLOSED))

    # -- AttemptOwner --------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `work` in a task that the process waits for when it drains."""
        return self._client.spawn(work)

    def request_sent(self) -> None:
        """Wait for the upstream's head, or for the rest of the client's body."""
        if self.body.complete:
            self._watch_upstream()
        else:
            self._say_continue()
            self._client.hold_reading(False)
            self.watch.phase(self.options.body_seconds, self._client_too_slow)

    def answer_started(self, events: bool) -> None:
        """From now on no other attempt is possible."""
        self.phase = Phase.ANSWERING
        self.body.drop()
        if not events:
            self.watch.lifeless()
        self.watch.phase(self.options.idle_seconds, self._upstream_idle)

    def upstream_writable(self, writable: bool) -> None:
        """Pass the upstream's back-pressure to the client."""
        # A client whose body is here is heard on, or its leaving would go unnoticed.
        self._client.hold_reading(not writable and not self.body.complete)
        if self.phase is not Phase.ATTEMPTING or self.body.complete:
            return
        if writable:
            self.watch.phase(self.options.body_seconds, self._client_too_slow)
        else:
            self.watch.phase(self.options.idle_seconds, self._upstream_idle)

    def answer_complete(self) -> None:
        """End properly; a body that is shorter than promised breaks the connection instead."""
        self._attempt = None
        self._finish()

    def replaced(self, decision: Decision | Later) -> None:
        """Do something else in place of an upstream's error."""
        self._attempt = None
        if isinstance(decision, (Forward, Later)) and not self.body.replayable:
            discard(decision, OutcomeKind.DISCARDED)
            self.reject(for_failure(FailureKind.CLOSED))
        else:
            self._follow(decision)

    def failed(self, failure: Failure, answer: Decision | Later | bytes | None, started: bool) -> None:
        """Say what the app wants to be said after a failure, or break off."""
        self._attempt = None
        if isinstance(answer, (Forward, Later)) and not failure.replayable:
            discard(answer, OutcomeKind.DISCARDED)
            answer = None
        if isinstance(answer, bytes) and self.response.open_ended:
            self.response.piece(answer)
            self._finish()
        elif started:
            self._break_off()
        elif isinstance(answer, (Forward, Refusal, Later)):
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
            self.response.whole(refusal)
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
        self.watch.stop()
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task(self._client.loop):
            task.cancel()

    # -- deadlines -----------------------------------------------------------------------------------------

    def deadline_passed(self) -> None:
        """Act on what is due."""
        if self.phase is not Phase.ENDED:
            self.watch.passed()

    def _watch_upstream(self) -> None:
        self.watch.phase(self.options.first_byte_seconds, self._first_byte_late)

    def _show_life(self) -> bool:
        if self._keep_alive is None and self.phase is not Phase.ANSWERING:
            body = self.body.whole() if self.body.limit is not None and self.body.replayable else None
            self._keep_alive = cast("WaitingPolicy", self._policy).keep_alive(self.head, body)
            if self._keep_alive is None:
                return False
        if not self.response.started and self._keep_alive is not None:
            facts = framing.facts_of_response(self._keep_alive.headers)
            self.response.start(ResponseHead(self._keep_alive.status, self._keep_alive.headers, facts), None)
        self.response.piece(self._keep_alive.comment if self._keep_alive is not None else COMMENT)
        self.response.flush()
        return True

    def _client_stalled(self) -> None:
        self.client_gone()
        self._client.abort()

    def _client_too_slow(self) -> None:
        self.client_failed(CLIENT_TOO_SLOW)

    def _first_byte_late(self) -> None:
        if self._attempt is not None:
            self._attempt.give_up(FailureKind.FIRST_BYTE_TIMEOUT)

    def _upstream_idle(self) -> None:
        if self._attempt is not None:
            self._attempt.give_up(FailureKind.IDLE_TIMEOUT)
