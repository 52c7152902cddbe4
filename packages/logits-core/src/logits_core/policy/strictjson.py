"""Strict JSON: bodies that can be read in one way only, because what is checked is what is sent.

Refused are duplicate keys, NaN and infinities, deep nesting, lone surrogates and non-UTF-8 bytes:
every difference between two parsers that an attacker could hide a field in.
"""

from __future__ import annotations

import json
import re
from typing import Any

from logits_core.errors import ErrorCode, LogitsError

MAX_BODY_BYTES = 3 * 1024 * 1024
"""The API server's own bound for one object."""
MAX_DEPTH = 64
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def decode(body: bytes) -> Any:
    """Read a JSON document strictly.

    Raises:
        LogitsError: TOO_LARGE, or MALFORMED with what is ambiguous about it.
    """
    return rewritten(body)[0]


def rewritten(body: bytes) -> tuple[Any, bytes]:
    """Read a JSON document strictly and write it anew, compactly: the value, and the only bytes that it has.

    Raises:
        LogitsError: as ``decode``.
    """
    if len(body) > MAX_BODY_BYTES:
        raise LogitsError(ErrorCode.TOO_LARGE, f"the body has more than {MAX_BODY_BYTES} bytes")
    _check_depth(body)
    try:
        value = _DECODER.decode(body.decode())
        return value, encode(value)
    except (ValueError, RecursionError) as error:
        raise LogitsError(ErrorCode.MALFORMED, f"the body is not JSON: {error}"[:300], field="body") from None


def encode(value: Any) -> bytes:
    """Write a value that ``decode`` accepted, compactly; lone surrogates raise ValueError."""
    return _ENCODER.encode(value).encode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise LogitsError(ErrorCode.MALFORMED, f"the key {double[:80]!r} stands twice in one object", field=double[:80])
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _check_depth(body: bytes) -> None:
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return  # however they are nested
    depth = 0
    for token in _TOKENS.finditer(body):
        first = token.group()[:1]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise LogitsError(ErrorCode.MALFORMED, f"the body is nested deeper than {MAX_DEPTH} levels")
        elif first in b"]}":
            depth -= 1


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
