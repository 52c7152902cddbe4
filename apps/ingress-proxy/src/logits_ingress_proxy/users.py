"""Static users: names and password hashes from a mounted file, for small installations."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from logits_core.errors import ErrorCode, LogitsError

AT_ONCE = 2
WAITING = 32
KNOWN_SECONDS = 60.0
KNOWN_LIMIT = 256
_ARGON2 = "$argon2"
_BCRYPT = ("$2a$", "$2b$", "$2y$")


def read_users(path: Path) -> dict[str, str]:
    """Read `name:hash` lines; hashes are argon2's or bcrypt's, as `htpasswd -B` writes them.

    Raises:
        LogitsError: INVALID, naming the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise _invalid(f"{path} can't be read as text; mount the file of users there") from None
    users: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, stored = line.strip().partition(":")
        if not name.isascii() or not name.isprintable() or not stored.startswith((_ARGON2, *_BCRYPT)):
            raise _invalid(f"line {number} of the file of users must be NAME:HASH with a hash of argon2 or bcrypt")
        users[name] = stored
    if not users:
        raise _invalid("the file of users names nobody; add a line NAME:HASH, or turn authentication off")
    return users


def _invalid(message: str) -> LogitsError:
    return LogitsError(ErrorCode.INVALID, message, field="LOGITS_USERS_FILE")


class Users:
    """Checks names and passwords, a few at once, with the same effort for names that don't exist.

    Programs send their password with every request; one that was right is remembered for a minute, as a
    keyed hash, so that only the first request pays for the slow hash.

    Args:
        users: Hashes by name.
        now: Monotonic seconds.
    """

    def __init__(self, users: dict[str, str], now: Callable[[], float]) -> None:
        self._users = users
        self._now = now
        self._argon2 = PasswordHasher()
        self._nobody = next(iter(users.values()))
        self._limiter: anyio.CapacityLimiter | None = None
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, float] = {}

    def is_known(self, name: str, password: str) -> bool:
        """Say whether this name and password were right within the last minute."""
        return self._known.get(self._digest(name, password), 0.0) > self._now()

    async def verify(self, name: str, password: str) -> bool:
        """Say whether the password is that of `name`.

        Raises:
            LogitsError: NO_CAPACITY when too many wait.
        """
        if self.is_known(name, password):
            return True
        self._limiter = self._limiter or anyio.CapacityLimiter(AT_ONCE)
        if self._limiter.statistics().tasks_waiting >= WAITING:
            raise LogitsError(
                ErrorCode.NO_CAPACITY, "too many people are signing in right now; try again", retry_after=5
            )
        stored = self._users.get(name)
        right = await anyio.to_thread.run_sync(self._matches, stored or self._nobody, password, limiter=self._limiter)
        if not right or stored is None:
            return False
        if len(self._known) >= KNOWN_LIMIT:
            self._known.clear()
        self._known[self._digest(name, password)] = self._now() + KNOWN_SECONDS
        return True

    def _matches(self, stored: str, password: str) -> bool:
        if stored.startswith(_ARGON2):
            try:
                return self._argon2.verify(stored, password)
            except (VerificationError, InvalidHashError):
                return False
        secret = password.encode()
        # bcrypt reads 72 bytes; more would be refused by it, and never match.
        return len(secret) <= 72 and bcrypt.checkpw(secret, stored.encode())

    def _digest(self, name: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{name}\0{password}".encode(), hashlib.sha256)
