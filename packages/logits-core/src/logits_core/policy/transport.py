"""Transport: headers that the Gateway doesn't take, because proxies have been led astray by them."""

from __future__ import annotations

from collections.abc import Sequence

from logits_core.errors import ErrorCode, LogitsError

_REFUSED = {
    b"upgrade": "connections are never upgraded here",
    b"expect": "send the body without waiting",
    b"trailer": "trailers are not read",
    b"content-encoding": "send the body without compression",
    b"x-http-method-override": "say the method in the request line",
}
_REFUSED_PREFIXES = (b"impersonate-", b"x-remote-", b"proxy-")
_CONNECTION_TOKENS = {b"close", b"keep-alive", b""}
MAX_HEADERS = 100
_ONCE = (b"authorization", b"content-type", b"content-length", b"host", b"transfer-encoding")


def check_headers(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Refuse headers that could mean one thing here and another upstream.

    None of the caller's headers is ever sent on; this makes attempts visible instead of silent.

    Args:
        headers: names in lower case, and values.

    Raises:
        LogitsError: MALFORMED, naming the header; UNAUTHENTICATED for a doubled Authorization.
    """
    names = [name for name, _ in headers]
    for name, value in headers:
        why = _REFUSED.get(name)
        if name.startswith(_REFUSED_PREFIXES):
            why = "callers act as themselves"
        elif name == b"connection" and not _plain_connection(value):
            why = "only close and keep-alive are known"
        if why:
            raise _refused(name, why)
    _check_counts(names)
    if b"transfer-encoding" in names and b"content-length" in names:
        raise _refused(b"transfer-encoding", "the length is given in two ways")


def _check_counts(names: Sequence[bytes]) -> None:
    if len(names) > MAX_HEADERS:
        raise LogitsError(ErrorCode.MALFORMED, f"there are more than {MAX_HEADERS} headers", field="headers")
    if len(set(names)) == len(names):
        return
    for name in _ONCE:
        if names.count(name) > 1:
            code = ErrorCode.UNAUTHENTICATED if name == b"authorization" else ErrorCode.MALFORMED
            raise LogitsError(code, f"the header {name.decode()} stands there twice", field=name.decode())


def _plain_connection(value: bytes) -> bool:
    return all(token.strip().lower() in _CONNECTION_TOKENS for token in value.split(b","))


def _refused(name: bytes, why: str) -> LogitsError:
    shown = name.decode("ascii", "replace")[:64]
    return LogitsError(ErrorCode.MALFORMED, f"the header {shown} is not taken: {why}", field=shown)
