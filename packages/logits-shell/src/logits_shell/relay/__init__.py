"""The relay room: bytes from a client to a chosen upstream and back, exact and bounded."""

from logits_shell.relay.policy import (
    ExchangeObserver,
    Failure,
    FailureKind,
    Forward,
    Headers,
    KeepAlive,
    Outcome,
    OutcomeKind,
    PassiveObserver,
    Refusal,
    Rejection,
    RelayOptions,
    RelayPolicy,
    RequestHead,
    Upstream,
    WaitingPolicy,
    problem_rejection,
)
from logits_shell.relay.pool import UnreachableError, UpstreamPool
from logits_shell.relay.protocol import RelayProtocol, relay_protocol

__all__ = [
    "ExchangeObserver",
    "Failure",
    "FailureKind",
    "Forward",
    "Headers",
    "KeepAlive",
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
    "problem_rejection",
    "relay_protocol",
]
