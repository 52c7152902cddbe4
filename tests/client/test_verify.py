"""The offline verifier: it proves an honest log, and finds and names every kind of tampering."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import logits_client.verify as verifier
from logits_client.witness import WitnessKey
from logits_core.audit import Act, LogKey, canonical, event, leaf_hash
from simulators.audit_records import KEY, encoded, pair, record, signed, write_log

WITNESS = WitnessKey("witness.example", b"w" * 32)
LOG_KEY = verifier.read_key(KEY.verifier())


def check(entries: list[bytes], note: str, **trust: Any) -> verifier.Report:
    given: dict[str, Any] = {"key": LOG_KEY} | trust
    known = verifier.Trust(**given)
    return verifier.verify(verifier.read_checkpoint(note), entries, known)


def test_an_honest_log_is_proved_in_plain_words() -> None:
    report = check(encoded(600), signed(encoded(600)))
    said = "\n".join(report.lines())
    assert report.problem == ""
    assert "600 entries hold: none was changed, removed, inserted or moved" in said
    assert f"log {KEY.name} signed that it has 600 entries" in said
    assert "not proved: that the log shows everybody the same" in said


@given(st.data())
def test_tampering_is_found_and_named(data: st.DataObject) -> None:
    entries = encoded(9)
    note = signed(entries)
    at = data.draw(st.integers(0, 7))
    how = data.draw(st.sampled_from(["alter", "drop", "insert", "swap", "cut"]))
    changed = list(entries)
    if how == "alter":
        changed[at] = changed[at].replace(b"system:anonymous", b"system:somebody0")
    elif how == "drop":
        del changed[at]
    elif how == "insert":
        changed.insert(at, canonical(record(99)))
    elif how == "swap":
        changed[at], changed[at + 1] = changed[at + 1], changed[at]
    else:
        changed = changed[:at]
    report = check(changed, note)
    named = "is missing" if how in ("drop", "cut", "insert") else "don't make the signed root"
    assert named in report.problem


def test_a_log_signed_by_somebody_else_is_refused() -> None:
    stranger = LogKey(KEY.name, Ed25519PrivateKey.generate())
    assert "not signed with the log's key" in check(encoded(3), signed(encoded(3), stranger)).problem
    other = LogKey("logits.ai/audit/other/1.x", Ed25519PrivateKey.generate())
    assert "the key of" in check(encoded(3), signed(encoded(3), other)).problem
    forged = signed(encoded(3)).replace("\n3\n", "\n2\n")
    assert "does not hold" in check(encoded(2), forged).problem


def test_without_a_key_nothing_is_said_to_be_signed() -> None:
    report = check(encoded(3), signed(encoded(3)), key=None)
    assert report.problem == ""
    assert any("who signed it" in text for text in report.unproved)


def cosigned(entries: list[bytes], at: int = 1_800_000_000) -> verifier.Checkpoint:
    return verifier.read_checkpoint(WITNESS.cosign(verifier.read_checkpoint(signed(entries)), at))


def test_a_witness_rules_out_cutting_and_forking() -> None:
    whole, witness = encoded(12), verifier.read_key(WITNESS.verifier())
    seen = cosigned(whole[:10])
    proved = check(whole, signed(whole), witness=witness, witnessed=seen)
    assert proved.problem == ""
    assert any("saw the first 10 entries at 2027-01-15" in text for text in proved.proved)
    assert "use a witness" not in "\n".join(proved.lines())
    cut = check(whole[:8], signed(whole[:8]), witness=witness, witnessed=seen)
    assert "the last 2 were cut off" in cut.problem
    fork = [*whole[:5], canonical(record(77)), *whole[6:]]
    assert "forked" in check(fork, signed(fork), witness=witness, witnessed=seen).problem


def test_a_required_witness_must_have_signed() -> None:
    entries, witness = encoded(4), verifier.read_key(WITNESS.verifier())
    assert "one is required" in check(entries, signed(entries), witness=witness).problem
    unsigned = verifier.read_checkpoint(signed(entries))
    assert "not cosigned" in check(entries, signed(entries), witness=witness, witnessed=unsigned).problem
    impostor = verifier.read_key(WitnessKey("witness.example", b"x" * 32).verifier())
    assert "not cosigned" in check(entries, signed(entries), witness=impostor, witnessed=cosigned(entries)).problem


def test_receipts_must_stand_in_the_log() -> None:
    entries = encoded(4)
    good = KEY.receipt(2, leaf_hash(entries[2]))
    assert check(entries, signed(entries), receipts=(good,)).problem == ""
    hidden = KEY.receipt(2, leaf_hash(canonical(record(50))))
    assert "entry 2 is not the one that a receipt" in check(entries, signed(entries), receipts=(hidden,)).problem
    beyond = KEY.receipt(9, leaf_hash(entries[2]))
    assert "receipt was given for entry 9" in check(entries, signed(entries), receipts=(beyond,)).problem
    stranger = LogKey(KEY.name, Ed25519PrivateKey.generate()).receipt(2, leaf_hash(entries[2]))
    assert "not signed by this log" in check(entries, signed(entries), receipts=(stranger,)).problem
    assert "can't be read" in check(entries, signed(entries), receipts=("index=1",)).problem


def test_what_a_customer_should_know_is_noted() -> None:
    begun, done = pair(2)
    start = {"heartbeat-seconds": "60", "epoch": "first"}
    lost = {"epoch": "new", "reason": "its key is gone", "previous-origin": "x/1", "previous-size": "7"}
    records = [
        record(1, "start", start),
        begun,
        record(900),
        record(800),
        record(901, "start", start | {"torn-bytes": "17"}),
        record(902, "epoch", lost),
    ]
    entries = [canonical(found) for found in records]
    report = check(entries, signed(entries))
    said = "\n".join(report.noted)
    assert report.problem == ""
    for words in (
        "entry 1: act id-2 was begun and has no outcome",
        "entry 2: nothing was recorded for 898 s before it",
        "entry 3: the clock went back by 100 s",
        "entry 4: the Gateway began again without having stopped",
        "entry 4: 17 torn bytes were put aside",
        "entry 5: a new log began: its key is gone; previous-origin x/1, previous-size 7",
    ):
        assert words in said
    assert check([*entries, canonical(done)], signed([*entries, canonical(done)])).unmatched == {}


@given(st.text(max_size=30))
def test_what_a_record_says_cannot_write_on_the_terminal(reason: str) -> None:
    act = Act("id", 1.0, "start", "/", notes={"epoch": "new", "reason": f"\u202e\x1b[2J\n{reason}"})
    entries = [canonical(event(act, "ResponseComplete", now=1.0, code=200))]
    for line in check(entries, signed(entries)).lines():
        assert line.isascii()
        assert line.isprintable()


@pytest.mark.parametrize("entry", [b"", b"{}", b"[]", b"nonsense", b'{"stage":1,"annotations":{},"auditID":"a"}'])
def test_what_is_no_record_is_named(entry: bytes) -> None:
    entries = [*encoded(2), entry]
    assert check(entries, signed(entries)).problem == "entry 2 is no audit record"


@pytest.mark.parametrize("key", ["", "a", "a+b+c", "a+00000000+AAAA", KEY.verifier().replace("/e/", "/f/")])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(verifier.VerifyError):
        verifier.read_key(key)


def run_alone(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the one file in a Python that sees nothing else of ours."""
    command = [sys.executable, "-I", "-S", verifier.__file__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_one_file_verifies_a_directory_offline(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", encoded(300))
    done = run_alone(str(log), "--key", KEY.verifier())
    assert (done.returncode, done.stderr) == (0, "")
    assert "300 entries hold" in done.stdout
    bundle = log / verifier.tile_path(1, 44)
    bundle.write_bytes(bundle.read_bytes().replace(b"p-290", b"p-291"))
    broken = run_alone(str(log), "--key", KEY.verifier())
    assert broken.returncode == 1
    assert broken.stdout.startswith("BROKEN: the entries don't make the signed root")
    assert run_alone(str(tmp_path / "nothing")).returncode == 2
    assert run_alone(str(log), "--key", "nonsense").returncode == 2
