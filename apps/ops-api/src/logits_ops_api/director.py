"""The director: says, signed with the online key, what one environment should run now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout.metadata import RepositoryFiles
from logits_core.rollout.signing import Wish, direct, pem_signer
from logits_core.rollout.tuf import Root, SecureSystemsError, Signer

_ROLES = ("targets", "snapshot", "timestamp")


@dataclass(frozen=True, slots=True)
class Director:
    """Signs with the one key that the offline holders gave the director's roles to.

    Attributes:
        key: PEM, or a URI of securesystemslib.
        life: how long a word holds.
    """

    key: str
    life: timedelta

    def signers(self, root: Root) -> Mapping[str, Signer]:
        """A signer for each of the director's online roles.

        Raises:
            LogitsError: INVALID, when the key isn't one that the root names.
        """
        return {role: self._signer(root, role) for role in _ROLES}

    def word(self, wish: Wish, root: Root, now: float) -> RepositoryFiles:
        """Sign what an environment should run.

        Raises:
            LogitsError: as ``signers``.
        """
        return direct(wish, self.signers(root), datetime.fromtimestamp(now, UTC), self.life)

    def _signer(self, root: Root, role: str) -> Signer:
        for keyid in root.roles[role].keyids:
            try:
                signer = self._load(root, keyid)
            except (SecureSystemsError, ValueError, OSError):
                continue
            if signer.public_key.keyid == keyid:
                return signer
        message = f"LOGITS_DIRECTOR_KEY is not the key that the director's root names for {role}"
        raise LogitsError(ErrorCode.INVALID, message, field="LOGITS_DIRECTOR_KEY")

    def _load(self, root: Root, keyid: str) -> Signer:
        if self.key.lstrip().startswith("-----BEGIN"):
            return pem_signer(self.key.encode())
        return Signer.from_priv_key_uri(self.key, root.keys[keyid])


def inputs(wish: Wish, roots: tuple[str, ...]) -> str:
    """SHA-256 in hex of all that a word is made of but its version: while it stays, the word stays good."""
    parts = (wish.environment, wish.path, hashlib.sha256(wish.content).hexdigest(), wish.reason, *roots[-1:])
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
