"""The relay room: bytes from a client to a chosen upstream and back, exact and bounded."""

from logits_shell.relay.binding import relay_protocol, strict_protocol
from logits_shell.relay.heads import field_lines
from logits_shell.relay.options import Rejection, RelayOptions, problem_rejection
from logits_shell.relay.policy import (
    Decision,
    ExchangeObserver,
    Failure,
    FailureKind,
    Forward,
    Headers,
    KeepAlive,
    Later,
    Outcome,
    OutcomeKind,
    PassiveObserver,
    Refusal,
    RelayPolicy,
    RequestHead,
    Upstream,
    WaitingPolicy,
)
from logits_shell.relay.pool import UnreachableError, UpstreamPool
from logits_shell.relay.protocol import RelayProtocol

__all__ = [
    "Decision",
    "ExchangeObserver",
    "Failure",
    "FailureKind",
    "Forward",
    "Headers",
    "KeepAlive",
    "Later",
    "Outcome",
    "OutcomeKind",
    "PassiveObserver",
    "Refusal",
    "Rejection",
    "RelayOptions",
    "RelayPolicy",
    "RelayProtocol",
    "RequestHead",
    "UnreachableError",
    "Upstream",
    "UpstreamPool",
    "WaitingPolicy",
    "field_lines",
    "problem_rejection",
    "relay_protocol",
    "strict_protocol",
]
