"""The Gateway's memory: whole on disk, verified when it is read, and counters that outlive keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Accepted, Progress, accept, sign
from logits_gateway.adapters.state_file import StateFile
from simulators.gateway_site import release

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()


def accepted(counter: int) -> Accepted:
    return Accepted(release(counter), sign(release(counter), KEY))


def test_progress_survives_a_restart(tmp_path: Path) -> None:
    state = StateFile(tmp_path, [PUBLIC])
    assert state.progress == Progress()
    state.store(accept(Progress(good=accepted(1)), accepted(2), now=5))
    again = StateFile(tmp_path, [PUBLIC])
    assert again.progress == state.progress
    assert again.digest_key == state.digest_key
    assert again.report_floor > state.report_floor
    assert not list(tmp_path.glob("*.new"))


def test_releases_of_replaced_keys_are_forgotten_but_their_counter_is_not(tmp_path: Path) -> None:
    StateFile(tmp_path, [PUBLIC]).store(accept(Progress(), accepted(7), now=5))
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    progress = StateFile(tmp_path, [other]).progress
    assert (progress.accepted, progress.floor) == (None, 7)


def test_a_damaged_state_stops_the_start_and_says_so(tmp_path: Path) -> None:
    StateFile(tmp_path, [PUBLIC])
    (tmp_path / "state.json").write_bytes(b"{half")
    with pytest.raises(LogitsError) as caught:
        StateFile(tmp_path, [PUBLIC])
    assert caught.value.code is ErrorCode.CORRUPT
    assert "state.json" in caught.value.message


def test_a_half_written_state_is_never_read(tmp_path: Path) -> None:
    state = StateFile(tmp_path, [PUBLIC])
    (tmp_path / "state.json.new").write_bytes(b"{half")
    state.store(accept(Progress(), accepted(1), now=5))
    assert StateFile(tmp_path, [PUBLIC]).progress.floor == 1
