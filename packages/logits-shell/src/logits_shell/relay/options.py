"""Bounds and deadlines of the relay, and how its own refusals are put into words."""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from logits_shell.relay.policy import Headers, Refusal, RequestHead


class Rejection(msgspec.Struct, frozen=True):
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
        body_rate: Bytes per second that a client must send on the average beyond that silence.
        keep_alive_seconds: How long an idle client connection stays open.
        connect_seconds: Time to resolve and connect.
        first_byte_seconds: Time from the whole request to the upstream's response head.
        idle_seconds: Longest silence of an upstream inside a response body.
        write_seconds: Longest time that a client may refuse to read.
        linger_seconds: Longest silence of a client whose request was answered early and that still sends its body.
        linger_longest_seconds: How long such bytes are read and thrown away at most.
        replay_bytes: Streamed request bytes kept so that a stale pooled connection can be retried.
        error_bytes: Largest upstream error body that `rewrite_error` sees.
        attempts: Most upstream attempts for one request.
        sign_of_life_seconds: Silence after which a `WaitingPolicy` is asked for a sign of life.
        connections: Most open client connections; more are answered 503.
        trust_forwarded: Keep inbound Forwarded/X-Forwarded-* (inner hops) instead of rebuilding them.
        new_request_id: Makes an `x-request-id` for requests without a well-formed one; it's sent upstream and
            returned with every answer. None leaves the field alone.
        odd_paths: Paths with dot segments, encoded slashes or odd characters reach the app, which refuses them.
        reject: Puts the relay's own refusals into the app's dialect.
        on_reject: Told of every refused head or framing, with the client's address.
    """

    head_bytes: int = 65_536
    header_count: int = 128
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    body_rate: int = 512
    keep_alive_seconds: float = 75.0
    connect_seconds: float = 2.0
    first_byte_seconds: float = 600.0
    idle_seconds: float = 300.0
    write_seconds: float = 60.0
    linger_seconds: float = 2.0
    linger_longest_seconds: float = 30.0
    replay_bytes: int = 65_536
    error_bytes: int = 65_536
    attempts: int = 3
    sign_of_life_seconds: float = 15.0
    connections: int = 8192
    trust_forwarded: bool = False
    new_request_id: Callable[[], str] | None = None
    odd_paths: bool = False
    reject: Callable[[Rejection, RequestHead | None], Refusal] = field(default=problem_rejection)
    on_reject: Callable[[Rejection, str], None] | None = None
