"""Environment keys: made once, shown once, known by their hash ever after."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SHAPE = re.compile(r"[0-9A-Za-z]{8}\.[0-9A-Za-z]{32}")
_RANDOM = 26
_CHECKSUM = 6


@dataclass(frozen=True)
class EnvironmentKey:
    """A key: ``<8 characters that name it>.<32 that prove it>``, the last six a checksum of the rest."""

    text: str

    @property
    def key_id(self) -> str:
        """The part that may be shown."""
        return self.text.partition(".")[0]

    @property
    def sha256(self) -> str:
        """What is stored: SHA-256 of the whole key in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"EnvironmentKey({self.key_id}.…)"


def make_key(choose: Callable[[int], int]) -> EnvironmentKey:
    """A new key.

    Args:
        choose: gives an unpredictable number from 0 up to its argument, exclusive.
    """
    key_id = "".join(ALPHABET[choose(len(ALPHABET))] for _ in range(8))
    secret = "".join(ALPHABET[choose(len(ALPHABET))] for _ in range(_RANDOM))
    return EnvironmentKey(f"{key_id}.{secret}{checksum(f'{key_id}.{secret}')}")


def checksum(text: str) -> str:
    """CRC-32 of the key so far in six base-62 digits: a typing error shows without asking a server."""
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
