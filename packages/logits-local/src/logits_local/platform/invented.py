"""Secrets that `logits up` invents once and keeps: a key, tokens and the first account's password."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from logits_core.errors import ErrorCode, LogitsError
from logits_local.files import write_private

ACCOUNT_EMAIL = "you@logits.local"


@dataclass(frozen=True, slots=True, repr=False)
class InventedSecrets:
    """Everything secret of one embedded platform.

    Attributes:
        env_id: the environment's id.
        env_key: its key, ``<8 characters key id>.<32 characters>``.
        operator_token: for the Ops API's operator endpoints.
        service_token: for Accounts at the Ops API.
        password: of the first account.
    """

    env_id: str
    env_key: str
    operator_token: str
    service_token: str
    password: str

    @classmethod
    def invent(cls) -> InventedSecrets:
        """Fresh ones."""
        return cls(
            env_id=str(uuid.uuid4()),
            env_key=f"{secrets.token_hex(4)}.{secrets.token_hex(16)}",
            operator_token=secrets.token_urlsafe(32),
            service_token=secrets.token_urlsafe(32),
            password=secrets.token_urlsafe(12),
        )

    @classmethod
    def load(cls, path: Path) -> InventedSecrets:
        """Those of an earlier start.

        Raises:
            LogitsError: the file is missing or damaged.
        """
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as failure:
            raise LogitsError(
                ErrorCode.CORRUPT,
                f"{path} is missing or damaged; restore it or delete the data directory (rm -r {path.parent})",
            ) from failure

    def save(self, path: Path) -> None:
        """Write them where only the owner reads them."""
        write_private(path, json.dumps(asdict(self), indent=1))


def fingerprint(token: str) -> str:
    """SHA-256 of a token in hex: what servers keep instead of it."""
    return hashlib.sha256(token.encode()).hexdigest()
