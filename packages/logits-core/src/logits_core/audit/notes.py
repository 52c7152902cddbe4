"""Signed notes and checkpoints, as C2SP signed-note and tlog-checkpoint have them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from logits_core.audit.merkle import HASH_BYTES
from logits_core.errors import ErrorCode, LogitsError

ED25519 = b"\x01"
_DASH = "\u2014"
_KEY_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says about itself: its name, how many entries it has, and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class LogKey:
    """A log's signing key; its name is the log's origin."""

    name: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    def verifier(self) -> str:
        """The public half as a verifier key: ``name+id+key``."""
        return f"{self.name}+{key_id(self.name, self.public).hex()}+{_encoded(ED25519 + self.public)}"

    def sign_note(self, text: str) -> str:
        """A note of this text with one signature."""
        signature = key_id(self.name, self.public) + self.private.sign(text.encode())
        return f"{text}\n{_DASH} {self.name} {_encoded(signature)}\n"

    def receipt(self, index: int, leaf: bytes) -> str:
        """A promise that the entry with this index has this hash, as the value of a header.

        What is signed are the lines ``logits.ai/receipt/v1``, origin, index and hash in base64.
        """
        signature = self.private.sign(receipt_text(self.name, index, leaf).encode())
        return f"index={index}, leaf=:{_encoded(leaf)}:, signature=:{_encoded(signature)}:"


def receipt_text(origin: str, index: int, leaf: bytes) -> str:
    """The text that a receipt signs; its first line keeps it apart from checkpoints."""
    return f"logits.ai/receipt/v1\n{origin}\n{index}\n{_encoded(leaf)}\n"


def key_id(name: str, public: bytes) -> bytes:
    """The four bytes that name a key in signature lines."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:_KEY_ID_BYTES]


def read_checkpoint(note: str, name: str, public: bytes) -> Checkpoint:
    """Verify a checkpoint with the log's key and read it.

    Raises:
        LogitsError: CORRUPT when it isn't one, or this key didn't sign it.
    """
    text, blank, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = text.split("\n")
    if not blank or len(lines) < 4 or lines[0] != name:
        raise _corrupt("it is not a checkpoint of this log")
    _check_signed(text, signatures, name, public)
    try:
        size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (ValueError, binascii.Error):
        raise _corrupt("its size or root can't be read") from None
    if len(root) != HASH_BYTES or str(size) != lines[1] or size < 0:
        raise _corrupt("its size or root can't be read")
    return Checkpoint(name, size, root)


def _check_signed(text: str, signatures: str, name: str, public: bytes) -> None:
    wanted = key_id(name, public)
    for line in signatures.splitlines():
        dash, _, rest = line.partition(" ")
        named, _, encoded = rest.partition(" ")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            raise _corrupt("a signature line can't be read") from None
        if (dash, named, raw[:_KEY_ID_BYTES]) == (_DASH, name, wanted):
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(raw[_KEY_ID_BYTES:], text.encode())
            except InvalidSignature:
                raise _corrupt("its signature does not hold") from None
            return
    raise _corrupt("the log's key did not sign it")


def _corrupt(why: str) -> LogitsError:
    return LogitsError(ErrorCode.CORRUPT, f"the checkpoint is refused: {why}")


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
