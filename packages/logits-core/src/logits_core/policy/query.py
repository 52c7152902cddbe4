"""Queries: ``key=value&key=value`` read strictly and written in one spelling."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PAIR = re.compile(r"([A-Za-z]+)=((?:[A-Za-z0-9._~!$'()*+,;:@/?=-]|%[0-9A-Fa-f]{2})*)")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")


def decode(query: str) -> dict[str, str]:
    """Read a query string; a plus sign stands for a space.

    Raises:
        ValueError: it isn't of this form, a key stands there twice, or it isn't UTF-8.
    """
    found: dict[str, str] = {}
    for pair in query.split("&"):
        match = _PAIR.fullmatch(pair)
        if match is None:
            raise ValueError("the query is not of the form key=value&key=value")
        key, value = match[1], match[2]
        if key in found:
            raise ValueError("a query parameter stands there twice")
        found[key] = _ESCAPES.sub(_unescaped, value.replace("+", " "))
    return found


def encode(query: Mapping[str, str]) -> str:
    """Write a query string; every byte that isn't plainly harmless is escaped."""
    return "&".join(f"{key}={_escaped(value)}" for key, value in query.items())


def _unescaped(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode()


def _escaped(value: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in value.encode())
