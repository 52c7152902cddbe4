"""The words between the relay engine and the app that decides where a request goes.

An app implements `RelayPolicy`; the engine asks it three questions per request, in this order:

1. `relays(method, path)`: is this request mine, or does the ASGI application serve it?
2. `wants_body(head)`: must the body be read (and how much of it at most) before you can decide?
3. `decide(head, body)`: where does it go (`Forward`) or what is the answer (`Refusal`)?

A `Later` in place of a `Forward` after a failure waits for one.

Every `Forward` may carry an `ExchangeObserver`. Its `on_end` is called exactly once for each `Forward`
that `decide`, `on_failure` or `rewrite_error` returned, on every path out of the exchange, so load that
was reserved when the `Forward` was made can always be released there.
"""

import enum
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import msgspec

Headers = tuple[tuple[bytes, bytes], ...]
"""Field names in lower case with their values, in the order of the wire."""


COMMENT = b": keep-alive\n\n"
"""An event-stream comment; the empty line makes it a whole event for strict readers."""


class Upstream(msgspec.Struct, frozen=True):
    """Where a request can be sent: a host name or address, and a TCP port."""

    host: str
    port: int


class Shared:
    """What all requests with the same head have in common; what was found out for one of them holds for the others.

    Attributes:
        lines: The relay's: what goes upstream of the head.
        lines_for: The relay's: what decision that was made for.
        known: The app's, which may keep here whatever it likes; None at first.
    """

    __slots__ = ("known", "lines", "lines_for")

    def __init__(self) -> None:
        self.lines = b""
        self.lines_for: object = None
        self.known: object = None


class RequestHead(msgspec.Struct, frozen=True):
    """A request head after the strict checks of the relay.

    Attributes:
        method: Upper-case method.
        target: The origin-form target as it came, path and query, ASCII.
        path: The target up to the query, still percent-encoded.
        headers: All fields, names in lower case.
        http_version: "1.0" or "1.1".
        client: The peer's address, "" when the transport has none.
        request_id: Accepted from `x-request-id` or made; "" when the options don't ask for ids.
        shared: Belongs to all requests that have the same method, target and fields, but for the length.
    """

    method: str
    target: str
    path: str
    headers: Headers
    http_version: str = "1.1"
    client: str = ""
    request_id: str = ""
    shared: Shared = msgspec.field(default_factory=Shared)

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a field (lower-case `name`), or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Refusal(msgspec.Struct, frozen=True):
    """An answer that the relay sends by itself instead of asking an upstream.

    Attributes:
        status: Its status.
        body: Its whole body.
        headers: Its fields.
        lines: Further ones, as `ExchangeObserver.on_head` returns them.
    """

    status: int
    body: bytes
    headers: Headers = ((b"content-type", b"application/json"),)
    lines: bytes = b""


class FailureKind(enum.Enum):
    """Why an upstream gave no (whole) answer."""

    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect-timeout"
    FIRST_BYTE_TIMEOUT = "first-byte-timeout"
    IDLE_TIMEOUT = "idle-timeout"
    CLOSED = "closed"
    PROTOCOL = "protocol"
    DRAINED = "drained"


class Failure(msgspec.Struct, frozen=True):
    """One upstream failure.

    Attributes:
        kind: What happened.
        upstream: Where it happened.
        replayable: Whether the request can still be sent elsewhere: nothing was answered to the client
            and the whole request body is still at hand.
    """

    kind: FailureKind
    upstream: Upstream
    replayable: bool


class OutcomeKind(enum.StrEnum):
    """How one attempt at an upstream ended."""

    COMPLETE = "complete"
    CLIENT_GONE = "client-gone"
    UPSTREAM_FAILED = "upstream-failed"
    DISCARDED = "discarded"


class Outcome(msgspec.Struct, frozen=True):
    """The end of one attempt.

    Attributes:
        kind: `COMPLETE` when the upstream's whole answer was relayed; `DISCARDED` when its error answer
            was replaced by another attempt or by a refusal.
        status: The upstream's status, None when it never sent one.
        failure: What went wrong for `UPSTREAM_FAILED`.
    """

    kind: OutcomeKind
    status: int | None = None
    failure: Failure | None = None


class ExchangeObserver(Protocol):
    """Watches (and may transform) one attempt; all methods are synchronous and quick.

    Subclass `PassiveObserver` to implement only some of them.
    """

    def on_head(self, status: int, headers: Headers, events: bool) -> bytes:
        """See the upstream's head, and whether an event stream follows; return field lines to add to it.

        Whole lines, each with its CR LF; `field_lines` makes them of values that nobody has checked yet.
        """
        ...

    def on_chunk(self, chunk: bytes) -> bytes | None:
        """See a piece of the body; return what to send in its place, or None to pass it untouched."""
        ...

    def on_failure(self, failure: Failure, started: bool) -> "Forward | Refusal | Later | bytes | None":
        """Say what the client gets after an upstream failure.

        Before the first byte (`started` False): another `Forward` or a `Later` (only when
        `failure.replayable`), a `Refusal`, or None for the relay's own 502/504. After it: closing bytes that
        end the body properly, or None to break the connection so that the client sees the truncation.
        """
        ...

    def on_end(self, outcome: Outcome) -> bytes | None:
        """Release whatever was reserved; returned bytes are the last piece of a complete body."""
        ...


class PassiveObserver:
    """An `ExchangeObserver` that changes nothing."""

    def on_head(self, status: int, headers: Headers, events: bool) -> bytes:
        """Add nothing."""
        return b""

    def on_chunk(self, chunk: bytes) -> bytes | None:
        """Pass the piece untouched."""
        return None

    def on_failure(self, failure: Failure, started: bool) -> "Forward | Refusal | Later | bytes | None":
        """Leave the answer to the relay."""
        return None

    def on_end(self, outcome: Outcome) -> bytes | None:
        """Add nothing."""
        return None


class Forward(msgspec.Struct, frozen=True):
    """Where to send a request, and how.

    Attributes:
        upstream: The destination.
        target: The origin-form target to ask for.
        headers: Fields that replace those of the same name in the request, or are added.
        body: Replaces the request body when not None.
        observer: Watches the exchange.
        rewrite_error: Called with status, headers and the whole body (at most `error_bytes` of the
            options) of an upstream answer >= 400; returns what to send instead, another `Forward` to try, a
            `Later` to wait for one, or None to pass the answer on.
        method: Replaces the request's method when not None.
        drop: Names of the client's fields that stay here.
        reshapes: Whether the observer changes the length of event streams.
    """

    upstream: Upstream
    target: str
    headers: Headers = ()
    body: bytes | None = None
    observer: ExchangeObserver | None = None
    rewrite_error: "Callable[[int, Headers, bytes], Forward | Refusal | Later | None] | None" = None
    method: str | None = None
    drop: frozenset[bytes] = frozenset()
    reshapes: bool = False


Decision = Forward | Refusal
"""What a policy decides: a destination or an answer."""


class Later(msgspec.Struct, frozen=True):
    """A decision after a failed attempt that must be waited for, such as a place that comes free.

    Attributes:
        decide: Called at most once, for a coroutine that is cancelled at once when the client leaves. It isn't
            called when the client has left already or nothing more may be tried, so it alone may reserve.
    """

    decide: "Callable[[], Coroutine[Any, Any, Decision]]"


class KeepAlive(msgspec.Struct, frozen=True):
    """Signs of life for a client that waits for an event stream.

    After `sign_of_life_seconds` (see `RelayOptions`) without a byte the relay commits `status` and `headers`
    and sends `comment`; a refusal that comes after that is turned into in-band bytes by `closing`.

    The bytes that an observer passes on must end at event boundaries, or the comment would split an event.
    """

    closing: Callable[[Refusal], bytes]
    status: int = 200
    headers: Headers = (
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
    )
    comment: bytes = COMMENT


class RelayPolicy(Protocol):
    """Decides for one app what the relay does with a request."""

    def relays(self, method: str, path: str) -> bool:
        """Say whether the relay serves this request; the ASGI application serves the others."""
        ...

    def wants_body(self, head: RequestHead) -> int | None:
        """Return how many body bytes may be buffered before `decide`, or None to stream them through."""
        ...

    def decide(self, head: RequestHead, body: bytes | None) -> Decision | Coroutine[Any, Any, Decision]:
        """Choose the destination, or return a coroutine that does when there is something to wait for.

        `body` is None when `wants_body` was None. A raised `LogitsError` becomes a rejection. A coroutine runs
        in a task of its own and is cancelled at once when the client leaves; a decision that is returned as
        it is costs no task. An `async def` is a valid implementation.
        """
        ...


class WaitingPolicy(RelayPolicy, Protocol):
    """A `RelayPolicy` whose clients may wait long for an event stream."""

    def keep_alive(self, head: RequestHead, body: bytes | None) -> KeepAlive | None:
        """Return how to show life to this client, or None when it doesn't expect an event stream.

        Asked at most once per request, when nothing was sent for `sign_of_life_seconds`.
        """
        ...
