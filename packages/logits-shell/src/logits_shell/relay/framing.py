"""Message framing: what the fields of a head say about where its message ends, and chunks.

Nothing here reads a socket. The parser below us has already refused conflicting lengths, bare line feeds,
folded lines and bad chunk sizes; what it lets pass and still could be read in two ways is refused here.
"""

from __future__ import annotations

import re

import msgspec

from logits_shell.relay.options import Rejection, RelayOptions
from logits_shell.relay.policy import Headers, RequestHead

REQUEST_ID = b"x-request-id"
BODILESS = frozenset({204, 304})
END_OF_CHUNKS = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EVENT_STREAM = b"text/event-stream"
CHUNK_OVERHEAD = 16
"""Most bytes on the wire per body byte; a body of tiny chunks with long extensions costs more than it brings."""

_HEXADECIMAL = b"0123456789abcdefABCDEF"
_SIZE_DIGITS = 10
_NEVER_NOMINATED = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})
_NONE: frozenset[bytes] = frozenset()
_OF_REQUESTS = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", REQUEST_ID},
)
_OF_RESPONSES = frozenset({b"content-length", b"transfer-encoding", b"connection", b"content-type", b"keep-alive"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_TARGET = bytes(code for code in range(0x21, 0x7F) if chr(code) not in '\\#<>"^`{|}')
_READABLE = b'\\<>"^`{|}'
_HOST = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~!$&'()*+;=:[]%-"
_ODD_PATH = re.compile(r"%(?:2f|5c|00)|(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_TIMEOUT = re.compile(rb"(?:^|[,\s])timeout\s*=\s*(\d{1,6})", re.IGNORECASE)


class Facts(msgspec.Struct):
    """What the fields of one head say about the message and its connection.

    Attributes:
        hosts: Values of Host.
        length: The announced body length, None without one.
        lengths: How many Content-Length fields there are.
        codings: Values of Transfer-Encoding.
        nominated: Fields that Connection names as its own.
        expect: The last value of Expect, None without one.
        request_id: The value of X-Request-Id, b"" without one.
        events: Whether the body is an event stream.
        idle_seconds: How long the peer says that it keeps the connection, None when it says nothing.
    """

    hosts: tuple[bytes, ...] = ()
    length: int | None = None
    lengths: int = 0
    codings: tuple[bytes, ...] = ()
    nominated: frozenset[bytes] = _NONE
    expect: bytes | None = None
    request_id: bytes = b""
    events: bool = False
    idle_seconds: int | None = None

    @property
    def chunked(self) -> bool:
        """Whether the message announces chunks."""
        return bool(self.codings)


class ResponseHead(msgspec.Struct):
    """A response head as an upstream, or an app, has made it.

    Attributes:
        status: The status.
        headers: All fields, names in lower case.
        facts: What they say.
        lines: What of the head goes to clients, b"" until it's first wanted.
        lines_named: Whether it's for answers that have an `x-request-id` of the relay's.
    """

    status: int
    headers: Headers
    facts: Facts
    lines: bytes = b""
    lines_named: bool = False


def facts_of_request(headers: Headers) -> Facts:
    """Survey the fields of a request head; names are in lower case."""
    return _survey(headers, _OF_REQUESTS)


def facts_of_response(headers: Headers) -> Facts:
    """Survey the fields of a response head; names are in lower case."""
    return _survey(headers, _OF_RESPONSES)


def _survey(headers: Headers, telling: frozenset[bytes]) -> Facts:
    facts = Facts()
    for name, value in headers:
        if name not in telling:
            continue
        if name == b"content-length":
            facts.length = int(value)
            facts.lengths += 1
        elif name == b"host":
            facts.hosts += (value,)
        elif name == b"content-type":
            facts.events = value.startswith(EVENT_STREAM)
        elif name == b"connection":
            facts.nominated |= _names(value)
        else:
            _note_rare(facts, name, value)
    return facts


def _note_rare(facts: Facts, name: bytes, value: bytes) -> None:
    if name == b"transfer-encoding":
        facts.codings += (value,)
    elif name == REQUEST_ID:
        facts.request_id = value
    elif name == b"expect":
        facts.expect = value
    else:
        found = _TIMEOUT.search(value)
        facts.idle_seconds = int(found[1]) if found else None


def _names(value: bytes) -> frozenset[bytes]:
    return frozenset(token.strip().lower() for token in value.split(b",")) - _NEVER_NOMINATED


def accepted_request_id(value: bytes) -> str:
    """Return a client's own `x-request-id` if it's well-formed (1 to 128 safe characters), else ""."""
    return value.decode("ascii") if _REQUEST_ID.fullmatch(value) else ""


def request_id(headers: Headers) -> str:
    """Return the well-formed `x-request-id` among the fields of a request, "" without one."""
    return next((accepted_request_id(value) for name, value in headers if name == REQUEST_ID), "")


def chunk(data: bytes) -> bytes:
    """Frame `data` (not empty) as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole_chunk(data: bytes) -> bytes:
    """Return the content of bytes that are exactly one chunk without extensions, b"" for any others."""
    end = data.find(b"\r\n", 0, _SIZE_DIGITS)
    if end < 1 or data[:end].translate(None, _HEXADECIMAL):
        return b""
    size = int(data[:end], 16)
    whole = size and len(data) == end + size + 4 and data.endswith(b"\r\n")
    return data[end + 2 : -2] if whole else b""


def is_odd_target(target: bytes) -> bool:
    """Say whether a target has characters that must be percent-encoded."""
    return bool(target.translate(None, _TARGET))


def check_request(head: RequestHead, target: bytes, facts: Facts, options: RelayOptions) -> Rejection | None:
    """Return why a parsed request head is refused, None when it's fine."""
    if len(head.headers) > options.header_count:
        return Rejection(431, "too-many-fields", f"The head has more than {options.header_count} fields; send fewer.")
    if head.http_version not in {"1.1", "1.0"}:
        return Rejection(505, "unknown-version", "This server speaks HTTP/1.1; send that.")
    return _check_target(head, target, options.odd_paths) or _check_host(head, facts) or _check_body(head, facts)


def _check_target(head: RequestHead, target: bytes, odd_paths: bool) -> Rejection | None:
    if head.method == "CONNECT":
        return Rejection(405, "connect-refused", "CONNECT is not offered here; send an ordinary request.")
    if not target.startswith(b"/") and not (target == b"*" and head.method == "OPTIONS"):
        return Rejection(400, "odd-target", "The request target must be a path that starts with '/'.")
    if is_odd_target(target.translate(None, _READABLE) if odd_paths else target):
        return Rejection(400, "odd-target", "The request target has characters that must be percent-encoded.")
    path = head.path
    if not odd_paths and ("%" in path or "/." in path) and _ODD_PATH.search(path):
        return Rejection(400, "odd-target", "The path has dot segments or encoded slashes; send it normalised.")
    return None


def _check_host(head: RequestHead, facts: Facts) -> Rejection | None:
    if len(facts.hosts) > 1:
        return Rejection(400, "duplicate-host", "The head has more than one Host field; send one.")
    if not facts.hosts:
        if head.http_version == "1.0":
            return None
        return Rejection(400, "missing-host", "HTTP/1.1 needs a Host field; add it.")
    if facts.hosts[0].translate(None, _HOST):
        return Rejection(400, "odd-host", "The Host field is no host name with an optional port; mend it.")
    return None


def _check_body(head: RequestHead, facts: Facts) -> Rejection | None:
    if facts.codings:
        if head.http_version == "1.0":
            return Rejection(400, "bad-framing", "HTTP/1.0 has no Transfer-Encoding; send Content-Length.")
        if not _only_chunked(facts):
            return Rejection(400, "bad-framing", "Transfer-Encoding must be 'chunked', alone and once.")
    if facts.expect is not None and facts.expect.lower() != b"100-continue":
        return Rejection(417, "unknown-expectation", "Only 'Expect: 100-continue' is understood.")
    return None


def _only_chunked(facts: Facts) -> bool:
    return len(facts.codings) == 1 and facts.codings[0].lower() == b"chunked" and facts.length is None


def is_sound_response(facts: Facts) -> bool:
    """Say whether a response's framing can be read in one way only."""
    return _only_chunked(facts) if facts.codings else facts.lengths < 2
