"""Mirror and witness: they only ever follow a log that grows, and say what is wrong with any other."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client.served_logs import ServedLog, ServedPlatform
from logits_client.commands.audit import audit
from logits_client.mirror import pull, stored
from logits_client.verify import VerifyError, read_checkpoint, read_key, signature_time
from logits_client.witness import open_key, witness
from logits_core.audit import LogKey, canonical
from simulators.audit_records import KEY, encoded, record

AT = 1_800_000_000


def test_a_witness_follows_a_growing_log_and_reads_each_entry_once(tmp_path: Path) -> None:
    key = open_key(tmp_path, "w")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    platform = ServedPlatform([ServedLog(encoded(300))])
    for count in (300, 301, 700, 700):
        platform.logs[0].entries = encoded(count)
        platform.asked.clear()
        note = witness(platform.client(), tmp_path, key, at=AT)
        found = read_checkpoint(note)
        assert (found.size, signature_time(found, read_key(key.verifier()))) == (count, AT)
        assert (tmp_path / "cosigned").read_text() == note
    assert [path for path in platform.asked if "entries" in path] == []
    assert open_key(tmp_path, "w").verifier() == key.verifier()


@pytest.mark.parametrize(
    ("how", "words"), [("cut", "cut off"), ("fork", "forked or changed"), ("key", "not signed"), ("new", "--new-log")]
)
def test_a_witness_signs_nothing_else(tmp_path: Path, how: str, words: str) -> None:
    key = open_key(tmp_path, "w")
    platform = ServedPlatform([ServedLog(encoded(20))])
    before = witness(platform.client(), tmp_path, key, at=AT)
    log = platform.logs[0]
    if how == "cut":
        log.entries = encoded(19)
    elif how == "fork":
        log.entries = [*encoded(19), canonical(record(5)), *encoded(3)]
    elif how == "key":
        log.key = LogKey(KEY.name, Ed25519PrivateKey.generate())
    else:
        other = LogKey("logits.ai/audit/e/2.x", Ed25519PrivateKey.generate())
        platform.logs.append(ServedLog(encoded(3), other, 2))
    with pytest.raises(VerifyError, match=words):
        witness(platform.client(), tmp_path, key, at=AT + 60)
    assert (tmp_path / "cosigned").read_text() == before
    if how == "new":
        note = witness(platform.client(), tmp_path, key, at=AT, new=True)
        assert read_checkpoint(note).origin == "logits.ai/audit/e/2.x"


def test_a_mirror_fetches_what_is_new_and_keeps_what_it_has(tmp_path: Path) -> None:
    platform = ServedPlatform([ServedLog(encoded(260))])
    (log,) = pull(platform.client(), tmp_path)
    assert log.key == KEY.verifier()
    platform.logs[0].entries = encoded(270)
    platform.asked.clear()
    pull(platform.client(), tmp_path)
    assert [path.rpartition("/tile/")[2] for path in platform.asked if "/tile/" in path] == ["entries/001.p/14"]
    assert [found.directory for found in stored(tmp_path)] == [tmp_path / "0001"]
    platform.logs[0].entries = [*encoded(258), canonical(record(1)), *encoded(30)]
    with pytest.raises(VerifyError, match="forked"):
        pull(platform.client(), tmp_path)


def test_a_pulled_log_is_verified_offline_by_the_command(tmp_path: Path) -> None:
    pull(ServedPlatform([ServedLog(encoded(20))]).client(), tmp_path)
    run = CliRunner().invoke(audit, ["verify", str(tmp_path), "--log-key", KEY.verifier()])
    assert run.exit_code == 0, run.output
    assert "20 entries hold" in run.output
    assert "not proved: that the signing key" not in run.output
    unsure = CliRunner().invoke(audit, ["verify", str(tmp_path)])
    assert "not proved: that the signing key is the Gateway's" in unsure.output
    bundle = tmp_path / "0001/tile/entries/000.p/20"
    bundle.write_bytes(bundle.read_bytes().replace(b"p-7", b"p-8"))
    broken = CliRunner().invoke(audit, ["verify", str(tmp_path)])
    assert broken.exit_code == 1
    assert "BROKEN" in broken.output
