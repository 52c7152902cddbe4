"""What a request's head alone tells: who asks, what for, and in whose words it's answered."""

from __future__ import annotations

from typing import Final

import msgspec

from logits_api_server.answers import dialect_of
from logits_api_server.callers import Callers, Identity
from logits_core.errors import ErrorCode, LogitsError
from logits_core.wire import Dialect, Operation, operation_at, public_path
from logits_shell.relay import RequestHead

EXPLAIN: Final = b"x-logits-route"


class Opening(msgspec.Struct, frozen=True):
    """What a head tells.

    Attributes:
        identity: Who asks.
        operation: What for.
        target: What is asked for at an engine, the query included.
        anthropic: Whether the answer has the fields that Anthropic's clients look for.
        explain: Whether the answer shall say why it came from where it came.
    """

    identity: Identity
    operation: Operation
    target: str
    anthropic: bool
    explain: bool


def opening_of(head: RequestHead, callers: Callers) -> Opening:
    """Read a head; what was read of one like it holds as long as its caller is known.

    Raises:
        LogitsError: NOT_FOUND, UNAUTHENTICATED, or UNAVAILABLE while the keys aren't known yet.
    """
    known = head.shared.known
    if isinstance(known, Opening) and callers.holds(known.identity):
        return known
    identity = callers.recognise(head.header(b"authorization"), head.header(b"x-api-key"))
    operation = operation_at(head.method, head.path)
    if operation is None:
        raise LogitsError(ErrorCode.NOT_FOUND, f"There is nothing at {head.path}.", reason="unknown_url")
    anthropic = dialect_of(head) is Dialect.ANTHROPIC
    opening = Opening(identity, operation, _target_of(head, operation), anthropic, head.header(EXPLAIN) is not None)
    head.shared.known = opening
    return opening


def _target_of(head: RequestHead, operation: Operation) -> str:
    path = public_path(head.path)
    if operation.engine_path != operation.path:
        path = operation.engine_path
    _, _, query = head.target.partition("?")
    return f"{path}?{query}" if query else path
