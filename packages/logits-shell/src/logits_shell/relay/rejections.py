"""The relay's own refusals, one table, each with what was wrong and how to mend it."""

from __future__ import annotations

from logits_shell.relay.options import Rejection
from logits_shell.relay.policy import FailureKind

TOO_LARGE = Rejection(413, "body-too-large", "The request body is larger than this server takes; send less.")
HEAD_TOO_LARGE = Rejection(431, "head-too-large", "The request head is too large; send fewer or shorter fields.")
HEAD_TOO_SLOW = Rejection(408, "head-too-slow", "The request head did not arrive in time; send it faster.")
CLIENT_TOO_SLOW = Rejection(408, "body-too-slow", "The request body stopped arriving; send it faster.")
BAD_FRAMING = Rejection(400, "bad-framing", "The bytes are not a valid HTTP/1.1 request; check the framing.")
INTERNAL = Rejection(500, "internal", "An unexpected error; the pod's log says more.")
TOO_MANY_CONNECTIONS = Rejection(
    503, "too-many-connections", "Too many connections are open; try again shortly.", retry_after=1
)

_FAILURES = {
    FailureKind.CONNECT: Rejection(
        502, "upstream-unreachable", "The server behind this one can't be reached; try again shortly.", 2
    ),
    FailureKind.CONNECT_TIMEOUT: Rejection(
        504, "upstream-unreachable", "The server behind this one took too long to connect; try again shortly.", 2
    ),
    FailureKind.FIRST_BYTE_TIMEOUT: Rejection(
        504, "upstream-timeout", "The server behind this one did not answer in time."
    ),
    FailureKind.IDLE_TIMEOUT: Rejection(
        504, "upstream-timeout", "The server behind this one fell silent in the middle of its answer."
    ),
    FailureKind.CLOSED: Rejection(
        502, "upstream-closed", "The server behind this one closed the connection without an answer.", 2
    ),
    FailureKind.PROTOCOL: Rejection(502, "upstream-protocol", "The server behind this one sent an invalid answer."),
    FailureKind.DRAINED: Rejection(503, "stopping", "This server is stopping; try again, another one will answer.", 1),
}


def for_failure(kind: FailureKind) -> Rejection:
    """Return the refusal for an upstream failure that the app has no answer of its own for."""
    return _FAILURES[kind]
