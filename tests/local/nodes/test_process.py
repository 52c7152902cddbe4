"""Container processes: their output is kept, their end is an event, nothing of them survives."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import anyio
import pytest

from logits_local.nodes.logfile import LogFile, forget_logs
from logits_local.nodes.process import ContainerProcess

pytestmark = pytest.mark.anyio


def start(tmp_path: Path, code: str, **env: str) -> ContainerProcess:
    log = LogFile(tmp_path / "0.log", clock=lambda: 1_700_000_000_123_456_789)
    argv = [sys.executable, "-c", code]
    return ContainerProcess(argv, env={"PATH": os.environ["PATH"], **env}, directory=tmp_path, log=log)


async def ended(process: ContainerProcess) -> int:
    with anyio.fail_after(10):
        await process.exited.wait()
    return process.exit_code


async def test_output_is_stamped_line_by_line_and_complete(tmp_path: Path) -> None:
    process = start(tmp_path, "import sys; print('one', flush=True); sys.stderr.write('two\\nunfinished')")
    assert await ended(process) == 0
    stamp = "2023-11-14T22:13:20.123456789Z"
    lines = (tmp_path / "0.log").read_text().splitlines()
    assert sorted(lines) == sorted(f"{stamp} {text}" for text in ("one", "two", "unfinished"))


async def test_large_output_before_the_end_is_not_lost(tmp_path: Path) -> None:
    process = start(tmp_path, "[print('y' * 99) for _ in range(5000)]")
    assert await ended(process) == 0
    assert len((tmp_path / "0.log").read_text().splitlines()) == 5000


async def test_the_exit_code_names_the_signal(tmp_path: Path) -> None:
    process = start(tmp_path, "import time; time.sleep(60)")
    process.terminate()
    assert await ended(process) == 128 + 15


async def test_grandchildren_die_with_the_process(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
    )
    process = start(tmp_path, code)
    assert await ended(process) == 0
    grandchild = int((tmp_path / "0.log").read_text().split()[1])
    with contextlib.suppress(ProcessLookupError):  # it may be gone already
        handle = os.pidfd_open(grandchild)
        with anyio.fail_after(10):
            await anyio.wait_readable(handle)
        os.close(handle)


async def test_a_program_that_is_missing_is_an_error(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log")
    with pytest.raises(FileNotFoundError):
        ContainerProcess(["/no/such/program"], env={}, directory=tmp_path, log=log)
    log.close()


async def test_the_environment_is_exactly_the_given_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGITS_PORT", "1")
    process = start(tmp_path, "import os; print(*sorted(os.environ))", ONLY="this")
    assert await ended(process) == 0
    names = set((tmp_path / "0.log").read_text().split()[1:])
    assert names - {"LC_CTYPE"} == {"ONLY", "PATH"}


def test_logs_rotate_before_they_outgrow_their_limit(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log", limit_bytes=1000)
    for number in range(100):
        log.write(f"line {number}\n".encode())
    log.close()
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert all(size <= 1000 for size in sizes)
    assert (tmp_path / "0.log").read_text().splitlines()[-1].endswith(" line 99")


def test_logs_of_old_runs_are_forgotten(tmp_path: Path) -> None:
    for name in ("0.log", "0.log.1", "1.log", "2.log", "other"):
        (tmp_path / name).write_text("")
    forget_logs(tmp_path, older_than=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.log", "2.log", "other"]


def test_an_endless_line_is_cut(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log")
    log.write(b"x" * 50_000)
    log.close()
    lines = (tmp_path / "0.log").read_bytes().splitlines()
    assert sum(len(line.split(b" ", 1)[1]) for line in lines) == 50_000
    assert max(map(len, lines)) < 17_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
