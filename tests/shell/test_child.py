"""Work in a child process: what it does stays done, what it refuses is told, and how it dies is no secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.child import in_child


def test_the_work_is_done_elsewhere(tmp_path: Path) -> None:
    seen: list[int] = []

    def work() -> None:
        seen.append(1)
        (tmp_path / "made").write_text(str(os.getpid()))

    in_child(work)
    assert (tmp_path / "made").read_text() != str(os.getpid())
    assert not seen, "its memory went with it"


def test_a_refusal_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise LogitsError(ErrorCode.CONFLICT, "a newer version wrote this")

    with pytest.raises(LogitsError, match="a newer version wrote this") as caught:
        in_child(refuse)
    assert caught.value.code is ErrorCode.CONFLICT
    assert not capfd.readouterr().err


def test_a_failure_leaves_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(LogitsError) as caught:
        in_child(fail)
    assert caught.value.code is ErrorCode.INTERNAL
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_killed_child_is_a_failure() -> None:
    with pytest.raises(LogitsError) as caught:
        in_child(lambda: os.kill(os.getpid(), 9))
    assert caught.value.code is ErrorCode.INTERNAL
