"""Heads written anew: a head is never forwarded as it came, so two parsers can't disagree about it.

End-to-end fields are picked out of what was parsed; framing and forwarding fields are written by the relay.
"""

from __future__ import annotations

import http
from collections.abc import Sequence

from logits_shell.relay.framing import REQUEST_ID, Facts, ResponseHead, is_odd_target
from logits_shell.relay.policy import Forward, RequestHead

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)
"""Fields that belong to one connection (RFC 9110 section 7.6.1)."""

FORWARDING = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-server",
        b"x-real-ip",
    }
)
"""Fields that only the first trusted hop may set."""

_RELAYS_OWN = HOP_BY_HOP | {b"content-length", b"expect"}
_RELAYS_OWN_AND_ID = _RELAYS_OWN | {REQUEST_ID}
_FIRST_HOPS_OWN = _RELAYS_OWN | FORWARDING
_ID = frozenset({REQUEST_ID})


def _status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")


STATUS_LINES = tuple(_status_line(status) if status >= 100 else b"" for status in range(1000))


class FirstHop:
    """Writes the forwarding fields of one client connection, as the first trusted hop does.

    Args:
        client: The client's address, "" when unknown.
        scheme: "http" or "https".
    """

    __slots__ = ("_client", "_host", "_lines", "_scheme")

    def __init__(self, client: str, scheme: str) -> None:
        self._client = client.encode("ascii", "replace")
        self._scheme = scheme.encode("ascii")
        self._host: bytes | None = None
        self._lines = b""

    def lines(self, host: bytes) -> bytes:
        """Return the field lines for a request to `host`; a connection's requests mostly name one host."""
        if host != self._host:
            self._host = host
            node = b'"[%b]"' % self._client if b":" in self._client else self._client
            self._lines = (
                b"x-forwarded-for: %b\r\nx-forwarded-proto: %b\r\nx-forwarded-host: %b\r\n"
                b'forwarded: for=%b;host="%b";proto=%b\r\n'
            ) % (self._client, self._scheme, host, node or b"unknown", host, self._scheme)
        return self._lines


def _is_forged_spelling(name: bytes, owned: frozenset[bytes]) -> bool:
    # Upstreams that map '_' to '-' would take these for fields that only the relay or its app may set.
    plain = name.replace(b"_", b"-")
    return plain in owned or plain in FORWARDING


def request_head(
    head: RequestHead, facts: Facts, forward: Forward, framing: bytes, first_hop: FirstHop | None
) -> bytes:
    """Write the head that goes upstream.

    Args:
        head: The client's, as it was parsed: nothing in it can hold a line end.
        facts: What it says about its framing.
        forward: Where it goes; its fields win over the client's own.
        framing: The line that frames the body upstream, b"" for no body.
        first_hop: Writes the forwarding fields; None keeps the client's, who is a trusted hop itself.

    Raises:
        ValueError: a field or the target of `forward` would break the framing.
    """
    shared, named = head.shared, bool(head.request_id)
    made_for = (forward.method, forward.target, forward.drop, forward.headers, first_hop is None, named)
    if shared.lines_for != made_for:
        shared.lines = _kept_lines(head, facts, forward, first_hop is None)
        shared.lines_for = made_for
    lines = shared.lines
    if not facts.hosts and not any(name == b"host" for name, _ in forward.headers):
        # HTTP/1.0 needs no Host; what is sent from here is HTTP/1.1.
        lines += b"host: %b:%d\r\n" % (forward.upstream.host.encode("ascii"), forward.upstream.port)
    forwarding = b"" if first_hop is None else _forwarding(first_hop, facts, forward)
    if named:
        return b"%b%bx-request-id: %b\r\n%b\r\n" % (lines, forwarding, head.request_id.encode("ascii"), framing)
    return b"%b%b%b\r\n" % (lines, forwarding, framing)


def _kept_lines(head: RequestHead, facts: Facts, forward: Forward, trusted: bool) -> bytes:
    if forward.target is not head.target and is_odd_target(forward.target.encode("ascii")):
        raise ValueError("the target has characters that must be percent-encoded")
    owned = _RELAYS_OWN if trusted else _FIRST_HOPS_OWN
    owned = owned.union(forward.drop, facts.nominated, [name for name, _ in forward.headers])
    if head.request_id:
        owned |= _ID
    lines = [
        b"%b: %b\r\n" % field
        for field in head.headers
        if field[0] not in owned and not (b"_" in field[0] and _is_forged_spelling(field[0], owned))
    ]
    first = f"{forward.method or head.method} {forward.target} HTTP/1.1\r\n".encode("ascii")
    return b"".join((first, *lines, field_lines(forward.headers)))


def _forwarding(first_hop: FirstHop, facts: Facts, forward: Forward) -> bytes:
    lines = first_hop.lines(facts.hosts[0] if facts.hosts else b"")
    if not forward.headers:
        return lines
    replaced = [name for name, _ in forward.headers if name in FORWARDING]
    if not replaced:
        return lines
    kept = [line for line in lines.splitlines(keepends=True) if line.partition(b":")[0] not in replaced]
    return b"".join(kept)


def response_head(head: ResponseHead, added: bytes, *, framing: bytes, request_id: str) -> bytes:
    """Write the head that goes to the client.

    Args:
        head: The upstream's, or that of a refusal.
        added: Field lines that go with it.
        framing: Lines that frame the body and tell what becomes of the connection.
        request_id: Replaces the upstream's `x-request-id`; "" leaves that alone.

    Raises:
        ValueError: a field would break the framing.
    """
    named = bool(request_id)
    if not head.lines or head.lines_named is not named:
        owned = (_RELAYS_OWN_AND_ID if named else _RELAYS_OWN) | head.facts.nominated
        fields = field_lines([field for field in head.headers if field[0] not in owned])
        head.lines, head.lines_named = STATUS_LINES[head.status] + fields, named
    if named:
        return b"%b%bx-request-id: %b\r\n%b\r\n" % (head.lines, added, request_id.encode("ascii"), framing)
    return b"%b%b%b\r\n" % (head.lines, added, framing)


def field_lines(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write fields as lines.

    Raises:
        ValueError: one would break the framing.
    """
    raw = b"".join([b"%b: %b\r\n" % field for field in fields])
    # What was parsed can't hold a line end; what an app added could.
    if not raw.count(b"\n") == raw.count(b"\r") == len(fields):
        raise ValueError("a field would break the framing")
    return raw
