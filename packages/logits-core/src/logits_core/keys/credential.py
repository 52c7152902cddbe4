"""One secret of an API key: made once, shown once, kept only as a keyed hash."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field

from logits_core.entities.specs import ShortText, Spec

ID_BYTES: Final = 6
SECRET_BYTES: Final = 32
SALT_BYTES: Final = 16
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARACTERS: Final = 9
_SECRET_CHARACTERS: Final = 43
_HASH: Final = hashlib.sha256().name
_KEY: Final = re.compile(rf"lgt_[0-9A-Za-z]{{{_ID_CHARACTERS}}}_[0-9A-Za-z]{{{_SECRET_CHARACTERS}}}")


def instant(text: str) -> datetime:
    """Return an RFC 3339 time.

    Raises:
        ValueError: it isn't one, or has no offset from UTC.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be an RFC 3339 time such as 2027-01-31T00:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError("must say its offset from UTC, such as 2027-01-31T00:00:00Z")
    return found


def _checked_instant(text: str) -> str:
    instant(text)
    return text


Instant = Annotated[str, Field(max_length=40), AfterValidator(_checked_instant)]
"""An RFC 3339 time with an offset."""


class Credential(Spec):
    """What is kept of one secret: enough to recognise it, not enough to know it."""

    model_config = ConfigDict(validate_by_name=True)

    prefix: Annotated[str, Field(pattern=r"^lgt_[0-9A-Za-z]{9}$")] = Field(
        description="The visible beginning of the key; unique."
    )
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] = Field(description="Key of the hash; 16 bytes in hex.")
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="HMAC-SHA-256 of the whole key under the salt, in hex."
    )
    created_at: ShortText = Field(default="", description="RFC 3339 UTC time at which it was made.")
    expires_at: Instant | None = Field(
        default=None, description="RFC 3339 UTC time from which it's refused, as after a rotation; none: never."
    )

    def proves(self, key: str) -> bool:
        """Say whether `key` is the one that this credential was made from; takes the same time either way."""
        return Proof(self).holds(key)


class Proof:
    """A credential ready to be held against the keys that callers show, request by request."""

    __slots__ = ("_digest", "_mac")

    def __init__(self, credential: Credential) -> None:
        self._mac = hmac.new(bytes.fromhex(credential.salt), digestmod=_HASH)
        self._digest = bytes.fromhex(credential.digest)

    def holds(self, key: str) -> bool:
        """Say whether `key` is the one that the credential was made from; takes the same time either way."""
        # A copy of a keyed hash costs less than keying it anew.
        mac = self._mac.copy()
        mac.update(key.encode())
        return hmac.compare_digest(mac.digest(), self._digest)


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key: what its owner gets to see once, and what is kept.

    Attributes:
        key: The whole key; show it once and forget it.
        credential: What is stored.
    """

    key: str
    credential: Credential

    def __repr__(self) -> str:
        return f"Minted({self.credential.prefix}…)"


def mint(random_bytes: Callable[[int], bytes], created_at: str) -> Minted:
    """Make a new key of 256 random bits.

    Args:
        random_bytes: Given n, returns n bytes that nobody can guess.
        created_at: RFC 3339 UTC time.
    """
    prefix = f"lgt_{_base62(random_bytes(ID_BYTES), _ID_CHARACTERS)}"
    key = f"{prefix}_{_base62(random_bytes(SECRET_BYTES), _SECRET_CHARACTERS)}"
    salt = random_bytes(SALT_BYTES)
    digest = _digest(salt, key).hex()
    return Minted(key, Credential(prefix=prefix, salt=salt.hex(), digest=digest, created_at=created_at))


def prefix_of(key: str) -> str:
    """Return the visible beginning of a key, "" for a text that can't be one."""
    return key[: 4 + _ID_CHARACTERS] if _KEY.fullmatch(key) else ""


def _digest(salt: bytes, key: str) -> bytes:
    return hmac.digest(salt, key.encode(), _HASH)


def _base62(raw: bytes, length: int) -> str:
    number = int.from_bytes(raw, "big")
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
