"""The audit verifier: proves what a log holds, offline, with nothing but Python's standard library.

Copy this one file: ``python verify.py DIRECTORY --key KEY``. The directory is one log as C2SP tlog-tiles
lays it out, such as ``logits audit pull`` makes; its hashes are those of RFC 6962.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

WIDTH = 256
WITNESS_KEY = 4
MARK = "logits.ai/"
_DECODER = json.JSONDecoder()
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)
Point = tuple[int, int, int, int]


class VerifyError(Exception):
    """What was to be proved doesn't hold; the text says which and where."""


def _add(a: Point, b: Point) -> Point:
    t, u = (a[1] - a[0]) * (b[1] - b[0]) % _P, (a[1] + a[0]) * (b[1] + b[0]) % _P
    v, w = 2 * a[3] * b[3] * _D % _P, 2 * a[2] * b[2] % _P
    e, f, g, h = u - t, w - v, w + v, u + t
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _point(encoded: bytes) -> Point | None:
    sign, y = divmod(int.from_bytes(encoded, "little"), 2**255)
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and sign) or y >= _P:
        return None
    x = _P - x if (x & 1) != sign else x
    return x, y, 1, x * y % _P


_BASE = cast("Point", _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little")))


def signed_by(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature (RFC 8032, 64 bytes) of a message holds for a public key of 32 bytes."""
    key, commitment = _point(public), _point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if len(public) != 32 or len(signature) != 64 or key is None or commitment is None or scalar >= _L:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _L
    left, right = _times(scalar, _BASE), _add(commitment, _times(challenge, key))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 == (left[1] * right[2] - right[1] * left[2]) % _P


class VerifierKey(NamedTuple):
    """A public key as C2SP signed-note writes it: ``name+id+base64(type || key)``."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that name it in signature lines."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]


def read_key(text: str) -> VerifierKey:
    """Read a verifier key, or raise VerifyError."""
    name, _, rest = text.strip().partition("+")
    identity, _, encoded = rest.partition("+")
    raw = base64.b64decode(encoded) if re.fullmatch(r"[A-Za-z0-9+/]{44}", encoded) else b""
    key = VerifierKey(name, raw[0] if raw else 0, raw[1:])
    if len(raw) != 33 or key.key_id.hex() != identity or not name:
        raise VerifyError("the key is not of the form name+id+key")
    return key


class Checkpoint(NamedTuple):
    """A signed tree head: the log's name, its size, its root, and the note with its signatures."""

    origin: str
    size: int
    root: bytes
    note: str


def read_checkpoint(note: str) -> Checkpoint:
    """Read a checkpoint, or raise VerifyError; nothing in it is trusted yet."""
    lines = note.split("\n")
    try:
        found = Checkpoint(lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True), note)
    except (ValueError, IndexError):
        raise VerifyError("the checkpoint can't be read") from None
    if len(found.root) != 32 or found.size < 0 or "\n\n" not in note:
        raise VerifyError("the checkpoint can't be read")
    return found


def signature_time(checkpoint: Checkpoint, key: VerifierKey) -> int | None:
    """When a witness cosigned (epoch seconds), 0 for the log's own signature, None without one; bad ones raise."""
    text, _, signatures = checkpoint.note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            continue
        if (dash, name, raw[:4]) != ("\u2014", key.name, key.key_id):
            continue
        timed = key.kind == WITNESS_KEY
        at = int.from_bytes(raw[4:12], "big") if timed else 0
        message = f"cosignature/v1\ntime {at}\n{text}" if timed else text
        if not signed_by(key.public, message.encode(), raw[12 if timed else 4 :]):
            raise VerifyError(f"the signature of {name} under the checkpoint does not hold")
        return at
    return None


class Tree:
    """The Merkle tree of RFC 6962 over the leaves that were added so far."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)

    def add(self, leaf: bytes) -> None:
        """Add the hash of an entry."""
        rest, sha, peaks = self.size, hashlib.sha256, self.peaks
        while rest & 1:
            leaf = sha(b"\x01" + peaks.pop() + leaf).digest()
            rest >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The tree's root, 32 bytes."""
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = hashlib.sha256(b"\x01" + peak + root).digest()
        return root


def tile_path(index: int, width: int = WIDTH) -> str:
    """The path of a bundle of entries below a log's prefix."""
    parts = [f"{index % 1000:03}"]
    while index := index // 1000:
        parts.insert(0, f"x{index % 1000:03}")
    return f"tile/entries/{'/'.join(parts)}" + ("" if width == WIDTH else f".p/{width}")


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry in the tree."""
    return hashlib.sha256(b"\x00" + entry).digest()


def split_bundle(data: bytes, width: int) -> list[bytes]:
    """The first ``width`` entries of a bundle, fewer when they end before."""
    found: list[bytes] = []
    end = 0
    while len(found) < width and end + 2 <= len(data):
        start = end + 2
        end = start + int.from_bytes(data[end:start], "big")
        found.append(data[start:end])
    return found if end <= len(data) else found[:-1]


def read_entries(directory: Path, size: int) -> Iterator[bytes]:
    """The first ``size`` entries of a log on disk; fewer when they end before."""
    for index in range(-(-size // WIDTH)):
        width = min(WIDTH, size - index * WIDTH)
        paths = (directory / tile_path(index, width), directory / tile_path(index))
        found = split_bundle(next((path.read_bytes() for path in paths if path.exists()), b""), width)
        yield from found
        if len(found) < width:
            return


class Report:
    """What holds (``size`` entries), the ``problem`` if any, and acts begun without an outcome."""

    def __init__(self) -> None:
        self.size, self.problem = 0, ""
        self.proved, self.noted, self.unproved = list[str](), list[str](), list[str]()
        self.unmatched: dict[str, int] = {}

    def lines(self) -> list[str]:
        """The report for people; what the log says itself is shown in ASCII only."""
        said = [f"BROKEN: {self.problem}"] if self.problem else []
        groups = (("proved", self.proved), ("note", self.noted), ("not proved", self.unproved))
        said += [f"{word}: {text}" for word, texts in groups for text in texts]
        return [re.sub(r"[^ -~]", lambda found: f"\\u{ord(found[0]):04x}", line) for line in said]


class Reader:
    """Reads the records one by one and notes what a customer should know."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last = 0.0
        self._silence, self._running = 0.0, False
        self.policies: dict[str, int] = {}
        self.last_stamp = ""

    def record(self, index: int, entry: bytes) -> dict[str, Any]:
        """Take in one entry; raises VerifyError when it is no record."""
        try:
            text = entry.decode()
            found, end = _DECODER.raw_decode(text)
            if end != len(text):
                raise ValueError
            stage, notes, audit_id, stamp = map(
                found.__getitem__, ("stage", "annotations", "auditID", "stageTimestamp")
            )
            self._time(index, stamp)
        except (ValueError, KeyError, TypeError):
            raise VerifyError(f"entry {index} is no audit record") from None
        if stage == "RequestReceived":
            self._report.unmatched[audit_id] = index
        elif stage == "ResponseComplete":
            self._report.unmatched.pop(audit_id, None)
        if found["verb"] in ("start", "stop", "epoch"):
            self._life(index, found["verb"], notes)
        policy = notes.get(MARK + "policy", "")
        self.policies[policy] = self.policies.get(policy, 0) + 1
        return found

    def _life(self, index: int, verb: str, notes: dict[str, str]) -> None:
        if verb == "start":
            self._silence = 2.0 * float(notes.get(MARK + "heartbeat-seconds", 0) or 0)
            if self._running:
                self._report.noted.append(f"entry {index}: the Gateway began again without having stopped (a crash)")
        self._running = verb != "stop"
        if notes.get(MARK + "epoch", "continued") not in ("continued", "first"):
            said = ", ".join(f"{key.removeprefix(MARK)} {value}" for key, value in notes.items() if "previous" in key)
            reason = notes.get(MARK + "reason", "")
            self._report.noted.append(f"entry {index}: a new log began: {reason}; {said or 'nothing is known before'}")
        if MARK + "torn-bytes" in notes:
            self._report.noted.append(f"entry {index}: {notes[MARK + 'torn-bytes']} torn bytes were put aside")

    def _time(self, index: int, stamp: str) -> None:
        now = datetime.fromisoformat(stamp).timestamp()
        if self._last and now < self._last - 1:
            self._report.noted.append(f"entry {index}: the clock went back by {self._last - now:.0f} s")
        if self._last and self._silence and now - self._last > self._silence + 5:
            self._report.noted.append(f"entry {index}: nothing was recorded for {now - self._last:.0f} s before it")
        self._last, self.last_stamp = now, stamp


class Trust(NamedTuple):
    """What the customer knows from elsewhere: keys, a cosigned checkpoint, values of ``X-Audit-Receipt``."""

    key: VerifierKey | None = None
    witness: VerifierKey | None = None
    witnessed: Checkpoint | None = None
    receipts: tuple[str, ...] = ()


_RECEIPT = re.compile(r"index=(\d+), leaf=:([A-Za-z0-9+/=]+):, signature=:([A-Za-z0-9+/=]+):")


def verify(checkpoint: Checkpoint, entries: Iterable[bytes], trust: Trust, keep: Any = None) -> Report:
    """Verify a log, from its first entry on, against its checkpoint; ``keep`` gets each index and record."""
    report = Report()
    try:
        _signatures(report, checkpoint, trust)
        _walk(report, checkpoint, entries, trust, keep)
    except VerifyError as error:
        report.problem = str(error)
    return report


def _signatures(report: Report, checkpoint: Checkpoint, trust: Trust) -> None:
    if trust.key is None:
        report.unproved.append("who signed it: give the log's key with --key, from the ConfigMap or the Pod's log")
    elif checkpoint.origin != trust.key.name:
        raise VerifyError(f"the checkpoint is of log {checkpoint.origin}, the key of {trust.key.name}")
    elif signature_time(checkpoint, trust.key) is None:
        raise VerifyError("the checkpoint is not signed with the log's key")
    else:
        report.proved.append(f"log {checkpoint.origin} signed that it has {checkpoint.size} entries")
    if trust.witness is not None and trust.witnessed is None:
        raise VerifyError("no checkpoint with the witness's cosignature was given, and one is required")
    if trust.witness is None or trust.witnessed is None:
        report.unproved.append("that the log shows everybody the same, and that its end wasn't cut off: use a witness")
        return
    at = signature_time(trust.witnessed, trust.witness)
    if at is None or trust.witnessed.origin != checkpoint.origin:
        raise VerifyError("the checkpoint that was given is not cosigned by the witness, or of another log")
    if (missing := trust.witnessed.size - checkpoint.size) > 0:
        raise VerifyError(f"the witness has seen {trust.witnessed.size} entries: the last {missing} were cut off")
    when = datetime.fromtimestamp(at, UTC).isoformat()
    report.proved.append(f"witness {trust.witness.name} saw the first {trust.witnessed.size} entries at {when}")


def _walk(report: Report, checkpoint: Checkpoint, entries: Iterable[bytes], trust: Trust, keep: Any) -> None:
    tree, reader, promised = Tree(), Reader(report), _promised(trust, checkpoint)
    seen, sha = trust.witnessed.size if trust.witnessed else -1, hashlib.sha256
    for index, entry in enumerate(entries):
        leaf = sha(b"\x00" + entry).digest()
        if promised and promised.pop(index, leaf) != leaf:
            raise VerifyError(f"entry {index} is not the one that a receipt was given for")
        tree.add(leaf)
        if tree.size == seen and trust.witnessed and tree.root() != trust.witnessed.root:
            raise VerifyError(f"the first {seen} entries are not those that the witness saw: the log was forked")
        record = reader.record(index, entry)
        if keep is not None:
            keep(index, record)
    report.size = tree.size
    if tree.size != checkpoint.size:
        raise VerifyError(f"entry {tree.size} is missing: the checkpoint covers {checkpoint.size}")
    if tree.root() != checkpoint.root:
        raise VerifyError("the entries don't make the signed root: one was changed, left out, added or moved")
    if promised:
        raise VerifyError(f"a receipt was given for entry {min(promised)}, which the log doesn't have")
    _conclude(report, reader, trust)


def _promised(trust: Trust, checkpoint: Checkpoint) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for receipt in trust.receipts:
        parts = _RECEIPT.fullmatch(receipt.strip())
        if parts is None:
            raise VerifyError("a receipt can't be read")
        text = f"logits.ai/receipt/v1\n{checkpoint.origin}\n{parts[1]}\n{parts[2]}\n"
        if trust.key is None or not signed_by(trust.key.public, text.encode(), base64.b64decode(parts[3])):
            raise VerifyError(f"the receipt for entry {parts[1]} was not signed by this log")
        found[int(parts[1])] = base64.b64decode(parts[2])
    return found


def _conclude(report: Report, reader: Reader, trust: Trust) -> None:
    report.proved.append(f"{report.size} entries hold: none was changed, removed, inserted or moved")
    report.proved.append(f"the last one is of {reader.last_stamp}")
    if trust.receipts:
        report.proved.append(f"{len(trust.receipts)} receipts stand for entries of the log")
    for policy, count in reader.policies.items():
        report.noted.append(f"{count} entries were decided by policy {policy}")
    for audit_id, index in report.unmatched.items():
        report.noted.append(f"entry {index}: act {audit_id} was begun and has no outcome")


def main(arguments: list[str]) -> int:
    """Verify a log on disk; exit code 1 when something doesn't hold."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Verify an audit log, offline.")
    parser.add_argument("directory", type=Path, help="one log: checkpoint and tile/entries")
    parser.add_argument("--key", help="the log's verifier key")
    parser.add_argument("--witness", help="a witness's verifier key; its cosignature is then required")
    parser.add_argument("--witnessed", type=Path, help="the checkpoint that the witness cosigned")
    parser.add_argument("--receipt", action="append", default=[], help="a value of X-Audit-Receipt")
    given = parser.parse_args(arguments)
    try:
        trust = Trust(
            read_key(given.key) if given.key else None,
            read_key(given.witness) if given.witness else None,
            read_checkpoint(given.witnessed.read_text(encoding="utf-8")) if given.witnessed else None,
            tuple(given.receipt),
        )
        checkpoint = read_checkpoint((given.directory / "checkpoint").read_text(encoding="utf-8"))
    except (VerifyError, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"verify.py: {error}\n")
        return 2
    report = verify(checkpoint, read_entries(given.directory, checkpoint.size), trust)
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 1 if report.problem else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
