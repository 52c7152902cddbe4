"""The words between the relay engine and the app that decides where a request goes.

An app implements `RelayPolicy`; the engine asks it three questions per request, in this order:

1. `relays(method, path)`: is this request mine, or does the ASGI application serve it?
2. `wants_body(head)`: must the body be read (and how much of it at most) before you can decide?
3. `decide(head, body)`: where does it go (`Forward`) or what is the answer (`Refusal`)?

Every `Forward` may carry an `ExchangeObserver`. Its `on_end` is called exactly once for each `Forward`
that `decide`, `on_failure` or `rewrite_error` returned, on every path out of the exchange, so load that
was reserved when the `Forward` was made can always be released there.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

Headers = tuple[tuple[bytes, bytes], ...]
"""Field names in lower case with their values, in the order of the wire."""


COMMENT = b": keep-alive\n\n"
"""An event-stream comment; the empty line makes it a whole event for strict readers."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a request can be sent: a host name or address, and a TCP port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request head after the strict checks of the relay.

    Attributes:
        method: Upper-case method.
        target: The origin-form target as it came, path and query, ASCII.
        path: The target up to the query, still percent-encoded.
        headers: All fields, names in lower case.
        http_version: "1.0" or "1.1".
        client: The peer's address, "" when the transport has none.
        request_id: Accepted from `x-request-id` or made; "" when the options don't ask for ids.
    """

    method: str
    target: str
    path: str
    headers: Headers
    http_version: str = "1.1"
    client: str = ""
    request_id: str = ""

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a field (lower-case `name`), or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that the relay sends by itself instead of asking an upstream."""

    status: int
    body: bytes
    headers: Headers = ((b"content-type", b"application/json"),)


class FailureKind(enum.Enum):
    """Why an upstream gave no (whole) answer."""

    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect-timeout"
    FIRST_BYTE_TIMEOUT = "first-byte-timeout"
    IDLE_TIMEOUT = "idle-timeout"
    CLOSED = "closed"
    PROTOCOL = "protocol"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True)
class Failure:
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


class OutcomeKind(enum.Enum):
    """How one attempt at an upstream ended."""

    COMPLETE = "complete"
    CLIENT_GONE = "client-gone"
    UPSTREAM_FAILED = "upstream-failed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Outcome:
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

    def on_head(self, status: int, headers: Headers) -> Headers | None:
        """See the upstream's head; return other end-to-end headers to send, or None to keep them.

        Leave `content-length` out of the returned headers when `on_chunk` changes lengths.
        """
        ...

    def on_chunk(self, chunk: bytes) -> bytes | None:
        """See a piece of the body; return what to send in its place, or None to pass it untouched."""
        ...

    def on_failure(self, failure: Failure, started: bool) -> "Forward | Refusal | bytes | None":
        """Say what the client gets after an upstream failure.

        Before the first byte (`started` False): another `Forward` (only when `failure.replayable`), a
        `Refusal`, or None for the relay's own 502/504. After it: closing bytes that end the body
        properly, or None to break the connection so that the client sees the truncation.
        """
        ...

    def on_end(self, outcome: Outcome) -> bytes | None:
        """Release whatever was reserved; returned bytes are the last piece of a complete body."""
        ...


class PassiveObserver:
    """An `ExchangeObserver` that changes nothing."""

    def on_head(self, status: int, headers: Headers) -> Headers | None:
        """Keep the headers."""
        return None

    def on_chunk(self, chunk: bytes) -> bytes | None:
        """Pass the piece untouched."""
        return None

    def on_failure(self, failure: Failure, started: bool) -> "Forward | Refusal | bytes | None":
        """Leave the answer to the relay."""
        return None

    def on_end(self, outcome: Outcome) -> bytes | None:
        """Add nothing."""
        return None


@dataclass(frozen=True, slots=True)
class Forward:
    """Where to send a request, and how.

    Attributes:
        upstream: The destination.
        target: The origin-form target to ask for.
        headers: Fields that replace those of the same name in the request, or are added.
        body: Replaces the request body when not None.
        observer: Watches the exchange.
        rewrite_error: Called with status, headers and the whole body (at most `error_bytes` of the
            options) of an upstream answer >= 400; returns what to send instead, another `Forward` to try,
            or None to pass the answer on.
        method: Replaces the request's method when not None.
        drop: Names of the client's fields that stay here.
    """

    upstream: Upstream
    target: str
    headers: Headers = ()
    body: bytes | None = None
    observer: ExchangeObserver | None = None
    rewrite_error: "Callable[[int, Headers, bytes], Forward | Refusal | None] | None" = None
    method: str | None = None
    drop: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class KeepAlive:
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

    async def decide(self, head: RequestHead, body: bytes | None) -> Forward | Refusal:
        """Choose the destination; cancelled at once when the client leaves.

        `body` is None when `wants_body` was None. A raised `LogitsError` becomes a rejection.
        """
        ...


class WaitingPolicy(RelayPolicy, Protocol):
    """A `RelayPolicy` whose clients may wait long for an event stream."""

    def keep_alive(self, head: RequestHead, body: bytes | None) -> KeepAlive | None:
        """Return how to show life to this client, or None when it doesn't expect an event stream.

        Asked at most once per request, when nothing was sent for `sign_of_life_seconds`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refusal of the relay itself, before an app put it into its dialect.

    Attributes:
        status: HTTP status.
        reason: Stable machine-readable word, such as "bad-framing" or "upstream-unreachable".
        message: What was wrong and how to mend it, for people.
        retry_after: Seconds after which a retry may help, or None.
    """

    status: int
    reason: str
    message: str
    retry_after: int | None = None


def problem_rejection(rejection: Rejection, head: RequestHead | None) -> Refusal:
    """Render a rejection as an RFC 9457 problem document (the default dialect)."""
    document = {
        "type": f"urn:logits:relay:{rejection.reason}",
        "title": rejection.reason.replace("-", " ").capitalize(),
        "status": rejection.status,
        "detail": rejection.message,
    }
    headers: Headers = ((b"content-type", b"application/problem+json"),)
    if rejection.retry_after is not None:
        headers += ((b"retry-after", str(rejection.retry_after).encode()),)
    return Refusal(rejection.status, msgspec.json.encode(document), headers)


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """Bounds and deadlines of the relay; bytes and seconds.

    Attributes:
        head_bytes: Largest request head.
        header_count: Most header fields in a head.
        head_seconds: Time for a whole head once its connection is open or its first byte is there.
        body_seconds: Longest silence of a client inside a request body.
        keep_alive_seconds: How long an idle client connection stays open.
        connect_seconds: Time to resolve and connect.
        first_byte_seconds: Time from the whole request to the upstream's response head.
        idle_seconds: Longest silence of an upstream inside a response body.
        write_seconds: Longest time that a client may refuse to read.
        replay_bytes: Streamed request bytes kept so that a stale pooled connection can be retried.
        error_bytes: Largest upstream error body that `rewrite_error` sees.
        attempts: Most upstream attempts for one request.
        sign_of_life_seconds: Silence after which a `WaitingPolicy` is asked for a sign of life.
        connections: Most open client connections; more are answered 503.
        trust_forwarded: Keep inbound Forwarded/X-Forwarded-* (inner hops) instead of rebuilding them.
        new_request_id: Makes an `x-request-id` for requests without a well-formed one; it's sent upstream and
            returned with every answer. None leaves the field alone.
        reject: Puts the relay's own refusals into the app's dialect.
    """

    head_bytes: int = 65_536
    header_count: int = 128
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    keep_alive_seconds: float = 75.0
    connect_seconds: float = 2.0
    first_byte_seconds: float = 600.0
    idle_seconds: float = 300.0
    write_seconds: float = 60.0
    replay_bytes: int = 65_536
    error_bytes: int = 65_536
    attempts: int = 3
    sign_of_life_seconds: float = 15.0
    connections: int = 8192
    trust_forwarded: bool = False
    new_request_id: Callable[[], str] | None = None
    reject: Callable[[Rejection, RequestHead | None], Refusal] = field(default=problem_rejection)
