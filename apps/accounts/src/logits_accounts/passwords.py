"""Passwords: argon2 in bounded threads, with the same effort for people who don't exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from logits_core.errors import ErrorCode, LogitsError

T = TypeVar("T")

AT_ONCE = 2
WAITING = 32


class Passwords:
    """Hashes and checks passwords; each takes 64 MiB of memory, so few at once and a bounded queue."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        self._nobody = self._hasher.hash("nobody has this password")

    def hash_now(self, password: str) -> str:
        """Hash at start, before there is anybody to keep waiting."""
        return self._hasher.hash(password)

    async def hash(self, password: str) -> str:
        """Hash a password.

        Raises:
            LogitsError: NO_CAPACITY when too many wait.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether the password belongs to the hash; without a hash takes as long and says no.

        Raises:
            LogitsError: NO_CAPACITY when too many wait.
        """

        def check() -> bool:
            try:
                return self._hasher.verify(stored or self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False

        return await self._run(check) and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._limiter.statistics().tasks_waiting >= WAITING:
            raise LogitsError(
                ErrorCode.NO_CAPACITY, "too many people are signing in right now; try again", retry_after=5
            )
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)
