"""The key ring: names of the keys, where each private half is, and signers made of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout.signing import pem_signer
from logits_core.rollout.tuf import Key, SecureSystemsError, Signer, SSlibKey

_TABLE = "keys.json"
_FILE = "pem:"
AskSecret = Callable[[str], str]
"""Asks a person for a secret by its name, such as a passphrase or a PIN."""


class KeyRing:
    """Keys by name, in a directory of which only the owner reads anything.

    Private halves are PEM files here (``pem:NAME.pem``, encrypted if so made), or wherever else a URI of
    securesystemslib points: ``hsm:``, ``awskms:``, ``gcpkms:``, ``azurekms:``.

    Args:
        directory: holds ``keys.json`` and the PEM files.
        ask: asks for a passphrase or a PIN; None when nobody is there to answer.
    """

    def __init__(self, directory: Path, ask: AskSecret | None = None) -> None:
        self.directory = directory
        self._ask = ask

    def names(self) -> list[str]:
        """All names, in the order in which the keys came."""
        return list(self._table())

    def make(self, name: str, passphrase: str = "") -> Key:
        """Generate an Ed25519 key in a PEM file.

        Raises:
            LogitsError: ALREADY_EXISTS.
        """
        encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        private = Ed25519PrivateKey.generate()
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        key = SSlibKey.from_crypto(private.public_key())
        self._add(name, f"{_FILE}{name}.pem", key)
        write_private(self.directory / f"{name}.pem", pem)
        return key

    def adopt(self, name: str, uri: str, public_pem: bytes) -> Key:
        """Take in a key whose private half is elsewhere.

        Args:
            name: for people.
            uri: of the private half, as securesystemslib reads it.
            public_pem: the public half.

        Raises:
            LogitsError: INVALID or ALREADY_EXISTS.
        """
        try:
            key = SSlibKey.from_crypto(load_pem_public_key(public_pem))  # pyright: ignore[reportArgumentType]
        except (ValueError, TypeError, SecureSystemsError):
            raise LogitsError(ErrorCode.INVALID, "this is no public key in PEM", field="public-key") from None
        self._add(name, uri, key)
        return key

    def key(self, name: str) -> Key:
        """A public key.

        Raises:
            LogitsError: NOT_FOUND.
        """
        entry = self._entry(name)
        return Key.from_dict(str(entry["keyid"]), dict(entry["key"]))

    def name_of(self, keyid: str) -> str:
        """The name of a key id; the id itself for a key that isn't on this ring."""
        found = (name for name, entry in self._table().items() if entry["keyid"] == keyid)
        return next(found, keyid)

    def signer(self, name: str) -> Signer:
        """Something that signs with a key.

        Raises:
            LogitsError: NOT_FOUND or INVALID.
        """
        uri = str(self._entry(name)["uri"])
        if uri.startswith(_FILE):
            return self._pem_signer(name, self.directory / uri.removeprefix(_FILE))
        try:
            return Signer.from_priv_key_uri(uri, self.key(name), self._ask)
        except (SecureSystemsError, ValueError, OSError) as failure:
            raise LogitsError(ErrorCode.INVALID, f"key {name} can't be used: {failure}", field="key") from failure

    def _pem_signer(self, name: str, path: Path) -> Signer:
        try:
            pem = path.read_bytes()
        except OSError:
            raise LogitsError(
                ErrorCode.NOT_FOUND, f"the private half of {name} isn't here: {path}", field="key"
            ) from None
        secret = None
        if b"ENCRYPTED" in pem.partition(b"\n")[0]:
            if self._ask is None:
                raise LogitsError(ErrorCode.INVALID, f"the key {name} needs a passphrase", field="key")
            secret = self._ask(f"passphrase of {name}").encode()
        return pem_signer(pem, secret)

    def _entry(self, name: str) -> dict[str, Any]:
        table = self._table()
        if name not in table:
            known = ", ".join(table) or "none"
            raise LogitsError(ErrorCode.NOT_FOUND, f"there is no key {name}; known: {known}", field="key")
        return table[name]

    def _add(self, name: str, uri: str, key: Key) -> None:
        table = self._table()
        if name in table:
            raise LogitsError(ErrorCode.ALREADY_EXISTS, f"there is a key {name} already", field="key")
        table[name] = {"uri": uri, "keyid": key.keyid, "key": key.to_dict()}
        write_private(self.directory / _TABLE, json.dumps(table, indent=1).encode())

    def _table(self) -> dict[str, dict[str, Any]]:
        try:
            return json.loads((self.directory / _TABLE).read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            raise LogitsError(ErrorCode.CORRUPT, f"{self.directory / _TABLE} is damaged; restore it") from None


def write_private(path: Path, content: bytes) -> None:
    """Replace a file whole, readable for its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
