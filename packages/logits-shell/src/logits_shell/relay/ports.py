"""The seams between the relay's rooms: what each needs of the one beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import ClassVar, Protocol

from logits_shell.relay.framing import Facts
from logits_shell.relay.heads import FirstHop
from logits_shell.relay.options import RelayOptions
from logits_shell.relay.policy import Decision, Failure, Later, RelayPolicy, RequestHead
from logits_shell.relay.pool import UpstreamPool
from logits_shell.relay.request_body import RequestBody
from logits_shell.relay.response import Response
from logits_shell.relay.watch import Watch


class ClientSide(Protocol):
    """What an exchange needs of its client's connection."""

    policy: ClassVar[RelayPolicy]
    pool: ClassVar[UpstreamPool]
    options: ClassVar[RelayOptions]
    shows_life: ClassVar[bool]
    loop: asyncio.AbstractEventLoop
    deadline: Watch
    first_hop: FirstHop | None
    write: Callable[[bytes], None]

    def hold_reading(self, held: bool) -> None:
        """Stop or resume reading the request body."""
        ...

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `work` in a task that the process waits for when it drains."""
        ...

    def exchange_done(self, keep_alive: bool) -> None:
        """Take the connection back after a proper end."""
        ...

    def abort(self) -> None:
        """Break the connection so that the client sees a truncation."""
        ...


class AttemptOwner(Protocol):
    """The exchange that an attempt belongs to."""

    head: RequestHead
    facts: Facts
    first_hop: FirstHop | None
    body: RequestBody
    response: Response
    options: RelayOptions
    pool: UpstreamPool
    watch: Watch

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `work` in a task that the process waits for when it drains."""
        ...

    def request_sent(self) -> None:
        """Hear that the request is on its way."""
        ...

    def answer_started(self, events: bool) -> None:
        """Hear that the upstream's head was written to the client; `events`: an event stream follows."""
        ...

    def upstream_writable(self, writable: bool) -> None:
        """Hear that the upstream takes request bytes again, or doesn't."""
        ...

    def answer_complete(self) -> None:
        """Hear that the whole answer was handed to the response."""
        ...

    def crashed(self, error: Exception) -> None:
        """Hear that the app's own decision can't be carried out."""
        ...

    def replaced(self, decision: Decision | Later) -> None:
        """Hear what shall be done in place of the answer of this attempt, which has ended."""
        ...

    def failed(self, failure: Failure, answer: Decision | Later | bytes | None, started: bool) -> None:
        """Hear that this attempt failed and ended, and what the observer wants to be said."""
        ...
