"""Secrets that `logits up` invents once and keeps: keys, tokens and the first account's password."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from logits_core.errors import ErrorCode, LogitsError
from logits_local.platform.data_directory import write_private

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
        release_key: raw private Ed25519 key, in base64.
    """

    env_id: str
    env_key: str
    operator_token: str
    service_token: str
    password: str
    release_key: str

    @classmethod
    def invent(cls) -> InventedSecrets:
        """Fresh ones."""
        return cls(
            env_id=str(uuid.uuid4()),
            env_key=f"{secrets.token_hex(4)}.{secrets.token_hex(16)}",
            operator_token=secrets.token_urlsafe(32),
            service_token=secrets.token_urlsafe(32),
            password=secrets.token_urlsafe(12),
            release_key=base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode(),
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

    @property
    def private_key(self) -> Ed25519PrivateKey:
        """The key that signs releases."""
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(self.release_key))

    @property
    def public_key(self) -> str:
        """The matching public key, raw in base64."""
        return base64.b64encode(self.private_key.public_key().public_bytes_raw()).decode()


def fingerprint(token: str) -> str:
    """SHA-256 of a token in hex: what servers keep instead of it."""
    return hashlib.sha256(token.encode()).hexdigest()
