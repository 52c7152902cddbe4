"""The witness: sees that a log only ever grows, and cosigns what it saw with the customer's own key.

Its state is one directory: ``key`` (the secret seed), ``seen.json`` (the tree so far) and ``cosigned``
(the newest checkpoint with both signatures, which the verifier takes). Cosignatures are those of C2SP
tlog-cosignature with Ed25519.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import msgspec

from logits_client.errors import LogitsClientError
from logits_client.mirror import LogFacts, fetch, logs_of
from logits_client.sync import Logits
from logits_client.verify import (
    WIDTH,
    WITNESS_KEY,
    Checkpoint,
    Tree,
    VerifierKey,
    VerifyError,
    read_checkpoint,
    read_key,
    signature_time,
    split_bundle,
    tile_path,
)
from logits_client.verify import leaf_hash as hash_of

SEED_BYTES = 32


class Seen(msgspec.Struct, frozen=True):
    """What the witness remembers: the log, its key, and the tree over all that it saw."""

    origin: str
    key: str
    size: int
    peaks: list[bytes]


class WitnessKey:
    """The customer's key.

    Args:
        name: of the witness, such as a host's name.
        seed: 32 secret bytes.

    Raises:
        LogitsClientError: the package that signs isn't installed.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        try:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import (
                Ed25519PrivateKey,
            )
        except ImportError:
            raise LogitsClientError("a witness signs: pip install 'logits-client[witness]'") from None
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._key = VerifierKey(name, WITNESS_KEY, self._private.public_key().public_bytes_raw())

    def verifier(self) -> str:
        """The public half, which the verifier is told."""
        encoded = base64.b64encode(bytes([WITNESS_KEY]) + self._key.public).decode()
        return f"{self._key.name}+{self._key.key_id.hex()}+{encoded}"

    def cosign(self, checkpoint: Checkpoint, at: int) -> str:
        """The checkpoint's note with one more signature line.

        Args:
            checkpoint: verified, and consistent with all that was seen.
            at: seconds since the epoch.
        """
        text = checkpoint.note.rpartition("\n\n")[0] + "\n"
        signature = self._private.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        raw = self._key.key_id + at.to_bytes(8, "big") + signature
        return f"{checkpoint.note}\u2014 {self._key.name} {base64.b64encode(raw).decode()}\n"


def open_key(directory: Path, name: str) -> WitnessKey:
    """The key in the witness's directory; made at the first time, readable by its owner only."""
    path = directory / "key"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as stream:
            stream.write(secrets.token_bytes(SEED_BYTES))
    return WitnessKey(name, path.read_bytes())


def witness(client: Logits, directory: Path, key: WitnessKey, *, at: int, log_key: str = "", new: bool = False) -> str:
    """Look at the log once; returns the cosigned checkpoint, which is also written to ``cosigned``.

    Args:
        client: of the platform.
        directory: the witness's.
        key: the witness's.
        at: seconds since the epoch.
        log_key: the log's key if known from elsewhere; else the first one seen is remembered.
        new: follow a new log instead of the one seen so far.

    Raises:
        VerifyError: the log is not what it was; nothing is signed then.
    """
    facts = logs_of(client)[-1]
    seen = _seen(directory, facts, log_key, new=new)
    checkpoint = read_checkpoint(fetch(client, facts, "checkpoint").decode())
    if checkpoint.origin != seen.origin or signature_time(checkpoint, read_key(seen.key)) is None:
        raise VerifyError("the checkpoint is not signed with the key of the log that was seen before")
    tree = _grown(client, facts, Tree(seen.size, seen.peaks), checkpoint)
    note = key.cosign(checkpoint, at)
    (directory / "cosigned").write_text(note, encoding="utf-8")
    remembered = Seen(seen.origin, seen.key, tree.size, tree.peaks)
    (directory / "seen.json").write_bytes(msgspec.json.encode(remembered))
    return note


def _seen(directory: Path, facts: LogFacts, log_key: str, *, new: bool) -> Seen:
    path = directory / "seen.json"
    if path.exists() and not new:
        seen = msgspec.json.decode(path.read_bytes(), type=Seen)
        if seen.origin != facts.origin:
            raise VerifyError(f"log {seen.origin} was followed by {facts.origin}: look at why, then say --new-log")
        return seen
    given = read_key(log_key or facts.key)
    return Seen(given.name, log_key or facts.key, 0, [])


def _grown(client: Logits, facts: LogFacts, tree: Tree, checkpoint: Checkpoint) -> Tree:
    if checkpoint.size < tree.size:
        raise VerifyError(f"the log had {tree.size} entries and now has {checkpoint.size}: its end was cut off")
    while tree.size < checkpoint.size:
        index, known = divmod(tree.size, WIDTH)
        width = min(WIDTH, checkpoint.size - index * WIDTH)
        entries = split_bundle(fetch(client, facts, tile_path(index, width)), width)
        if len(entries) < width:
            raise VerifyError(f"bundle {index} of the log is shorter than its checkpoint says")
        for entry in entries[known:]:
            tree.add(hash_of(entry))
    if tree.root() != checkpoint.root:
        raise VerifyError("the log is not a continuation of what was seen: it was forked or changed")
    return tree
