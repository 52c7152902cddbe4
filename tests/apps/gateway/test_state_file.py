"""The Gateway's memory: whole on disk, verified when it is read, and counters that outlive pins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Accepted, Pins, Progress, Site, TrustedPair, accept, agree
from logits_core.rollout.agreement import take_metadata, take_roots
from logits_gateway.adapters.state_file import StateFile
from simulators.vendor_desk import ENVIRONMENT, NOW, VendorDesk

VENDOR = VendorDesk.begin()
for number in (1, 2, 3):
    VENDOR.release(f"0.{number}.0")
PINS = VENDOR.pins


def taken(version: str) -> tuple[TrustedPair, Accepted, bytes]:
    offer = VENDOR.offer(version)
    roots, refusal = take_roots(TrustedPair(), offer, PINS)
    assert refusal is None
    trusted = take_metadata(roots, offer, NOW)
    accepted = agree(trusted, offer.release.encode(), Site(ENVIRONMENT, "0.1.0", "v1.36.0"))
    assert accepted is not None
    return trusted, accepted, offer.release.encode()


def test_all_of_it_survives_a_restart(tmp_path: Path) -> None:
    state = StateFile(tmp_path, PINS)
    assert (state.progress, state.trusted) == (Progress(), TrustedPair())
    trusted, first, _ = taken("0.1.0")
    trusted, second, content = taken("0.2.0")
    state.trust(trusted, content)
    state.store(accept(Progress(good=first), second, now=5))
    again = StateFile(tmp_path, PINS)
    assert again.progress == state.progress
    assert (again.trusted, again.offered) == (trusted, content)
    assert again.digest_key == state.digest_key
    assert again.report_floor > state.report_floor
    assert not list(tmp_path.glob("*.new"))


def test_what_other_roots_vouched_for_is_forgotten_but_the_counter_is_not(tmp_path: Path) -> None:
    state = StateFile(tmp_path, PINS)
    trusted, accepted, content = taken("0.3.0")
    state.trust(trusted, content)
    state.store(accept(Progress(), accepted, now=5))
    again = StateFile(tmp_path, Pins("0" * 64, "1" * 64))
    assert (again.progress.accepted, again.progress.floor, again.trusted) == (None, 3, TrustedPair())


def test_a_release_that_was_changed_on_disk_is_not_read_back(tmp_path: Path) -> None:
    state = StateFile(tmp_path, PINS)
    trusted, accepted, content = taken("0.3.0")
    state.trust(trusted, content)
    state.store(accept(Progress(), accepted, now=5))
    document = json.loads((tmp_path / "state.json").read_text())
    document["accepted"]["content"] = document["accepted"]["content"].replace("a" * 64, "e" * 64)
    (tmp_path / "state.json").write_text(json.dumps(document))
    assert StateFile(tmp_path, PINS).progress.accepted is None


def test_a_damaged_state_stops_the_start_and_says_so(tmp_path: Path) -> None:
    StateFile(tmp_path, PINS)
    (tmp_path / "state.json").write_bytes(b"{half")
    with pytest.raises(LogitsError) as caught:
        StateFile(tmp_path, PINS)
    assert caught.value.code is ErrorCode.CORRUPT
    assert "state.json" in caught.value.message


def test_a_half_written_state_is_never_read(tmp_path: Path) -> None:
    state = StateFile(tmp_path, PINS)
    (tmp_path / "state.json.new").write_bytes(b"{half")
    state.store(accept(Progress(), taken("0.1.0")[1], now=5))
    assert StateFile(tmp_path, PINS).progress.floor == 1
