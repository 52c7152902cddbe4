"""Container output: what of a file is sent, and when following ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from logits_local.api.errors import StatusError
from logits_local.api.podlogs import LogOptions, PodLogs

pytestmark = pytest.mark.anyio
TEXT = "".join(f"2026-01-02T03:04:0{n}.123456789Z line {n}\n" for n in range(5))


def pod(**status: Any) -> dict[str, Any]:
    held = {"name": "main", "restartCount": 1, **status}
    return {
        "metadata": {"name": "p", "uid": "u"},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"containerStatuses": [held]},
    }


def file(directory: Path, text: str = TEXT, run: int = 1) -> Path:
    path = directory / "u" / "main" / f"{run}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


async def read(directory: Path, options: LogOptions) -> str:
    logs = PodLogs(directory)
    path = logs.locate(pod(), options)
    return b"".join([chunk async for chunk in logs.read(path, options, lambda: True)]).decode()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (LogOptions(), "".join(f"line {n}\n" for n in range(5))),
        (LogOptions(tail=2), "line 3\nline 4\n"),
        (LogOptions(tail=0), ""),
        (LogOptions(timestamps=True, tail=1), "2026-01-02T03:04:04.123456789Z line 4\n"),
    ],
)
async def test_what_is_sent(tmp_path: Path, options: LogOptions, expected: str) -> None:
    file(tmp_path)
    assert await read(tmp_path, options) == expected


async def test_following_sends_what_comes_until_the_end(tmp_path: Path) -> None:
    path, logs, seen, over = file(tmp_path), PodLogs(tmp_path), list[bytes](), anyio.Event()
    options = LogOptions(follow=True)

    async def follow() -> None:
        async for chunk in logs.read(path, options, over.is_set):
            seen.append(chunk)
            if b"line 4" in chunk:
                with path.open("a") as more:
                    more.write("2026-01-02T03:04:09Z late\n")
                over.set()

    with anyio.fail_after(10):
        await follow()
    assert b"".join(seen).endswith(b"line 4\nlate\n")


async def test_a_rotated_file_is_followed(tmp_path: Path) -> None:
    path, logs, seen, over = file(tmp_path), PodLogs(tmp_path), list[bytes](), anyio.Event()
    with anyio.fail_after(10):
        async for chunk in logs.read(path, LogOptions(follow=True), over.is_set):
            seen.append(chunk)
            if b"line 4" in chunk:
                path.rename(path.with_suffix(".old"))
                path.write_text("2026-01-02T03:04:09Z anew\n")
            if b"anew" in chunk:
                over.set()
    assert b"".join(seen).endswith(b"line 4\nanew\n")


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    logs = PodLogs(tmp_path)
    waiting = pod(state={"waiting": {"reason": "ErrImageNeverPull"}})
    with pytest.raises(StatusError, match="waiting to start: ErrImageNeverPull"):
        logs.locate(waiting, LogOptions())
    with pytest.raises(StatusError, match="previous terminated container"):
        logs.locate(pod(), LogOptions(previous=True))
    with pytest.raises(StatusError, match="container nope is not valid"):
        logs.locate(pod(), LogOptions(container="nope"))
    several = pod() | {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}
    with pytest.raises(StatusError, match=r"choose one of: \[a b\]"):
        logs.locate(several, LogOptions())
