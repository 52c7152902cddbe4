"""Digests: bodies as the audit log may show them, with every value that could be a secret replaced.

A keyed digest lets the customer, who owns the key, prove which value it was, and nobody guess it.
"""

from __future__ import annotations

import hmac
import re
from typing import Any, cast

MAX_OBJECT_BYTES = 24 * 1024
_SECRET_MAPS = frozenset({"data", "stringData"})
_MAX_TEXT = 256
_TOKEN_LIKE = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}"  # JSON Web Tokens
    r"|-----BEGIN [A-Z ]+-----[\s\S]*"
    r"|\b(?:sk|pk|rk|ghp|gho|ghs|ghu|glpat|github_pat|xox[abprs]|hf|AKIA|ASIA|AIza)[-_]?[A-Za-z0-9_-]{16,}"
)


def keyed(key: bytes, value: str) -> str:
    """``hmac-sha256:<hex>:<length>`` of a value; the length counts characters."""
    return f"hmac-sha256:{hmac.digest(key, value.encode(), 'sha256').hex()}:{len(value)}"


def without_tokens(value: str, key: bytes) -> str:
    """The text with everything that looks like a token or private key as a keyed digest."""
    return _TOKEN_LIKE.sub(lambda found: keyed(key, found[0]), value)


def concealed(value: Any, key: bytes) -> Any:
    """A copy of an object for the log.

    Values of ``data`` and ``stringData`` (Secrets and ConfigMaps alike), of environment variables,
    of annotations, every text longer than 256 characters, and what looks like a token become keyed
    digests; numbers become text, because the log's canonical JSON has no floats.
    """
    return _conceal(value, key, hidden=False)


def _conceal(value: Any, key: bytes, *, hidden: bool) -> Any:
    if isinstance(value, dict):
        return _conceal_object(cast("dict[str, Any]", value), key, hidden=hidden)
    if isinstance(value, list):
        return [_conceal(element, key, hidden=hidden) for element in cast("list[Any]", value)]
    if isinstance(value, str):
        return keyed(key, value) if hidden or len(value) > _MAX_TEXT else without_tokens(value, key)
    if isinstance(value, float):
        return str(value)
    return value


def _conceal_object(value: dict[str, Any], key: bytes, *, hidden: bool) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, element in value.items():
        if name == "managedFields":
            continue
        if name == "env" and isinstance(element, list):
            result[name] = [_conceal_variable(entry, key) for entry in cast("list[Any]", element)]
        else:
            secret = hidden or name in _SECRET_MAPS or name == "annotations"
            result[name] = _conceal(element, key, hidden=secret)
    return result


def _conceal_variable(entry: Any, key: bytes) -> Any:
    if not isinstance(entry, dict):
        return _conceal(entry, key, hidden=True)
    return {
        name: _conceal(element, key, hidden=name == "value") for name, element in cast("dict[str, Any]", entry).items()
    }
