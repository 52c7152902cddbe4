"""Message framing: which fields may pass, and how heads and chunks are written anew.

Nothing here reads a socket. A head is never forwarded as it came: the end-to-end fields are picked out,
framing and forwarding fields are written by us, so that two parsers can't disagree about a message.
"""

from __future__ import annotations

import http
import re

from logits_shell.relay.policy import Headers, Rejection, RequestHead

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

FRAMING = frozenset({b"content-length", b"expect"})
"""Fields that the relay answers or writes itself."""

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
"""Fields that only the first hop may set."""

REQUEST_ID = b"x-request-id"
NEVER_NOMINATED = frozenset({b"host", b"content-length", b"transfer-encoding"})
BODILESS = frozenset({204, 304})
END_OF_CHUNKS = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_DROPPED = HOP_BY_HOP | FRAMING
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_ODD_TARGET = re.compile(rb"[^\x21-\x7e]|[\\#<>\"^`{|}]")
_ODD_PATH = re.compile(r"%(?:2f|5c|00)|(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


def _status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")


STATUS_LINES = tuple(_status_line(status) if status >= 100 else b"" for status in range(1000))


def end_to_end(headers: Headers, also: frozenset[bytes] = frozenset()) -> list[tuple[bytes, bytes]]:
    """Return the fields that may pass on, without hop-by-hop, nominated, framing and `also` ones."""
    dropped = _DROPPED | also if also else _DROPPED
    nominated = _nominated(headers)
    if nominated:
        dropped = dropped | nominated
    return [field for field in headers if field[0] not in dropped]


def _nominated(headers: Headers) -> frozenset[bytes]:
    names: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            names.update(token.strip().lower() for token in value.split(b","))
    return frozenset(names) - NEVER_NOMINATED


def content_length(headers: Headers) -> int | None:
    """Return the announced body length, None without one; the parser has checked that it's a number."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return None


def request_id(headers: Headers) -> str:
    """Return the client's own `x-request-id` if it's well-formed (1 to 128 safe characters), else ""."""
    for name, value in headers:
        if name == REQUEST_ID:
            return value.decode("ascii") if _REQUEST_ID.fullmatch(value) else ""
    return ""


def is_chunked(headers: Headers) -> bool:
    """Say whether the message announces a chunked body."""
    return any(name == b"transfer-encoding" for name, _ in headers)


def chunk(data: bytes) -> bytes:
    """Frame `data` (not empty) as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def check_head(head: RequestHead, target: bytes, header_count: int) -> Rejection | None:
    """Return why a parsed request head is refused, None when it's fine.

    The parser has already refused conflicting framing, bare line feeds, folded lines and bad chunk sizes.
    """
    if len(head.headers) > header_count:
        return Rejection(431, "too-many-fields", f"The head has more than {header_count} fields; send fewer.")
    return _check_target(head, target) or _check_fields(head)


def _check_target(head: RequestHead, target: bytes) -> Rejection | None:
    if head.method == "CONNECT":
        return Rejection(405, "connect-refused", "CONNECT is not offered here; send an ordinary request.")
    if not target.startswith(b"/") and not (target == b"*" and head.method == "OPTIONS"):
        return Rejection(400, "odd-target", "The request target must be a path that starts with '/'.")
    if _ODD_TARGET.search(target):
        return Rejection(400, "odd-target", "The request target has characters that must be percent-encoded.")
    if _ODD_PATH.search(head.path):
        return Rejection(400, "odd-target", "The path has dot segments or encoded slashes; send it normalised.")
    return None


def _check_fields(head: RequestHead) -> Rejection | None:
    hosts = [value for name, value in head.headers if name == b"host"]
    if len(hosts) > 1:
        return Rejection(400, "duplicate-host", "The head has more than one Host field; send one.")
    if not hosts and head.http_version == "1.1":
        return Rejection(400, "missing-host", "HTTP/1.1 needs a Host field; add it.")
    if head.http_version == "1.0" and is_chunked(head.headers):
        return Rejection(400, "bad-framing", "HTTP/1.0 has no Transfer-Encoding; send Content-Length.")
    expect = head.header(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        return Rejection(417, "unknown-expectation", "Only 'Expect: 100-continue' is understood.")
    return None


def forwarding_fields(head: RequestHead, scheme: str = "http") -> list[tuple[bytes, bytes]]:
    """Return the forwarding fields that the first trusted hop sets for this request."""
    client = head.client.encode("ascii", "replace")
    host = head.header(b"host") or b""
    proto = scheme.encode("ascii")
    node = b'"[%b]"' % client if b":" in client else client
    quoted = host.replace(b"\\", b"").replace(b'"', b"")
    return [
        (b"x-forwarded-for", client),
        (b"x-forwarded-proto", proto),
        (b"x-forwarded-host", host),
        (b"forwarded", b'for=%b;host="%b";proto=%b' % (node or b"unknown", quoted, proto)),
    ]


def _is_forged_spelling(name: bytes) -> bool:
    # Upstreams that map '_' to '-' would take these for fields that only the relay may set.
    return b"_" in name and name.replace(b"_", b"-") in FORWARDING


def request_fields(
    head: RequestHead, replaced: Headers, *, drop: frozenset[bytes], trust_forwarded: bool
) -> list[tuple[bytes, bytes]]:
    """Return the fields to send upstream, framing excluded; `replaced` wins over the client's own."""
    if head.request_id:
        replaced = (*replaced, (REQUEST_ID, head.request_id.encode("ascii")))
    overridden = drop.union(name for name, _ in replaced)
    if trust_forwarded:
        fields = end_to_end(head.headers, overridden)
    else:
        fields = end_to_end(head.headers, overridden | FORWARDING)
        fields += [field for field in forwarding_fields(head) if field[0] not in overridden]
    fields = [field for field in fields if not _is_forged_spelling(field[0])]
    fields.extend(replaced)
    return fields


def request_head(method: str, target: str, fields: list[tuple[bytes, bytes]], framing: Headers) -> bytes:
    """Write a request head.

    Raises:
        ValueError: a field or the target would break the framing.
    """
    raw_target = target.encode("ascii")
    if _ODD_TARGET.search(raw_target):
        raise ValueError("the target has characters that must be percent-encoded")
    return _head(f"{method} {target} HTTP/1.1\r\n".encode("ascii"), fields, framing)


def response_head(status: int, fields: list[tuple[bytes, bytes]], framing: Headers) -> bytes:
    """Write a response head.

    Raises:
        ValueError: a field would break the framing.
    """
    return _head(STATUS_LINES[status], fields, framing)


def _head(first: bytes, fields: list[tuple[bytes, bytes]], framing: Headers) -> bytes:
    lines = [first]
    lines += [b"%b: %b\r\n" % field for field in fields]
    lines += [b"%b: %b\r\n" % field for field in framing]
    lines.append(b"\r\n")
    raw = b"".join(lines)
    # What was parsed can't hold a line end; what an app added could.
    if not raw.count(b"\n") == raw.count(b"\r") == len(lines):
        raise ValueError("a field would break the framing")
    return raw
