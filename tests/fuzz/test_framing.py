"""The framing fuzz target, for a bounded time, and its kept corpus."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.framing_oracle import judge

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "framing_corpus").iterdir())
SECONDS = 8


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_the_corpus_holds(path: Path) -> None:
    asyncio.run(judge(path.read_bytes()))


def test_fuzzing_finds_nothing_in_a_bounded_time(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this Python")
    corpus = tmp_path / "corpus"
    shutil.copytree(HERE / "framing_corpus", corpus)
    command = [sys.executable, str(HERE / "framing.py"), str(corpus), f"-max_total_time={SECONDS}"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr[-4000:]
    done = re.search(r"Done (\d+) runs", result.stderr)
    assert done is not None, "the fuzzer must have run"
    assert int(done[1]) > len(CORPUS)
