"""Safe values: the closed set of types whose values are known to hold no customer data.

A bare ``str``, ``int`` or ``float`` is unsafe: it stays in the cluster. Only an instance of a type
in ``SAFE_TYPES`` is exported, and each type checks its own domain when it is made, so that free
text can't be smuggled through it. Nothing here can be subclassed into the registry from outside.
"""

from __future__ import annotations

import math
import re
from typing import ClassVar

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_.-]{0,47}")
_REASON = re.compile(r"[A-Z][A-Za-z]{1,47}")
_VERSION = re.compile(r"v?\d{1,5}(\.\d{1,5}){0,3}([-+][a-z0-9.]{1,24})?")
_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{64}")


class Safe:
    """A value that may leave the cluster; use one of the subclasses below."""

    kind: ClassVar[str] = ""
    __slots__ = ("value",)

    def __init__(self, value: str | int | float | bool) -> None:
        self.value = value

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.value == self.value

    def __hash__(self) -> int:
        return hash((type(self), self.value))


def _number(value: float, low: float, high: float, what: str) -> float:
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{what} must lie between {low:g} and {high:g}")
    return value


def _word(value: str, pattern: re.Pattern[str], what: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"{what} must match {pattern.pattern}")
    return value


class Count(Safe):
    """How many of our own things there are: pods, records, retries (0 to 10^12)."""

    kind = "count"

    def __init__(self, value: int) -> None:
        super().__init__(int(_number(value, 0, 1e12, "a count")))


class Seconds(Safe):
    """A duration in seconds (0 to 10^9), rounded to milliseconds."""

    kind = "seconds"

    def __init__(self, value: float) -> None:
        super().__init__(round(_number(value, 0, 1e9, "a duration"), 3))


class Bytes(Safe):
    """A size in bytes (0 to 10^18)."""

    kind = "bytes"

    def __init__(self, value: int) -> None:
        super().__init__(int(_number(value, 0, 1e18, "a size")))


class Ratio(Safe):
    """A share from 0 to 1, rounded to four digits."""

    kind = "ratio"

    def __init__(self, value: float) -> None:
        super().__init__(round(_number(value, 0, 1, "a ratio"), 4))


class Port(Safe):
    """A TCP port."""

    kind = "port"

    def __init__(self, value: int) -> None:
        super().__init__(int(_number(value, 0, 65535, "a port")))


class Status(Safe):
    """An HTTP status or a process exit code (-255 to 999)."""

    kind = "status"

    def __init__(self, value: int) -> None:
        super().__init__(int(_number(value, -255, 999, "a status")))


class Flag(Safe):
    """True or false."""

    kind = "flag"

    def __init__(self, value: bool) -> None:
        super().__init__(bool(value))


class Identifier(Safe):
    """A lower-case word from our own source code: a component, an engine, a loop, an error code.

    Never the name of an entity, model, node or pod: those are the customer's words.
    """

    kind = "identifier"

    def __init__(self, value: str) -> None:
        super().__init__(_word(value, _IDENTIFIER, "an identifier"))


class Reason(Safe):
    """A CamelCase reason code as Kubernetes conditions use them, from a closed set in our code."""

    kind = "reason"

    def __init__(self, value: str) -> None:
        super().__init__(_word(value, _REASON, "a reason"))


class Version(Safe):
    """A version such as ``0.1.0`` or ``v1.36.3``."""

    kind = "version"

    def __init__(self, value: str) -> None:
        super().__init__(_word(value, _VERSION, "a version"))


class Digest(Safe):
    """A SHA-256 digest of our own artefacts, in hex, with or without ``sha256:``."""

    kind = "digest"

    def __init__(self, value: str) -> None:
        super().__init__(_word(value, _DIGEST, "a digest"))


SAFE_TYPES: dict[str, type[Safe]] = {
    t.kind: t for t in (Count, Seconds, Bytes, Ratio, Port, Status, Flag, Identifier, Reason, Version, Digest)
}
"""The passlist: every type whose values may leave. A new row is a decision that needs review."""
