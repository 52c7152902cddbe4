"""A child process: its output line by line, its last words kept, its whole group ended with it."""

import os
import signal
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from subprocess import PIPE
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream, Process

LINES_KEPT: Final = 100
LINE_LIMIT: Final = 4_096
"""Bytes of a line that are kept; the rest of a longer one is dropped."""
_LAST_WORDS_SECONDS: Final = 1.0


def no_lines() -> deque[str]:
    """Room for the last lines of a child."""
    return deque(maxlen=LINES_KEPT)


class Child:
    """A running child; its error output is read all the time so that it never blocks on it."""

    def __init__(self, process: Process, last_lines: deque[str]) -> None:
        self._process = process
        self._all_read = anyio.Event()
        self.last_lines = last_lines

    @property
    def pid(self) -> int:
        """Process id, and id of the process group that the child leads."""
        return self._process.pid

    async def output(self) -> AsyncGenerator[str, None]:
        """Yield the lines of standard output; ends when the child closes it."""
        if self._process.stdout is not None:
            async for line in _lines(self._process.stdout):
                yield line

    async def keep_last_lines(self) -> None:
        """Read standard error until it ends."""
        if self._process.stderr is not None:
            async for line in _lines(self._process.stderr):
                self.last_lines.append(line)
        self._all_read.set()

    async def wait(self) -> int:
        """Return the exit code, once the last words were read."""
        code = await self._process.wait()
        with anyio.move_on_after(_LAST_WORDS_SECONDS):
            await self._all_read.wait()
        return code

    async def end(self, seconds: float) -> None:
        """Ask the child to end, and kill its whole group ``seconds`` later or once it has ended."""
        if self._process.returncode is None:
            if self._process.stdin is not None:
                await self._process.stdin.aclose()
            # To the group, and not by the process object: that would poll, and could take the exit code away
            # from the thread that waits for it.
            self._signal(signal.SIGTERM)
            with anyio.move_on_after(seconds):
                await self._process.wait()
        self._signal(signal.SIGKILL)
        await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


@asynccontextmanager
async def child_process(
    command: Sequence[str], environment: Mapping[str, str], *, last_lines: deque[str], stop_seconds: float
) -> AsyncGenerator[Child]:
    """Run a command as a child for the time of the block; it is gone when the block is left.

    Args:
        command: with its arguments.
        environment: all of the child's.
        last_lines: holds what the child wrote last, also after it has gone.
        stop_seconds: grace before its group is killed.

    Raises:
        OSError: the command cannot be started.
    """
    process = await anyio.open_process(
        list(command), stdin=PIPE, stdout=PIPE, stderr=PIPE, env=dict(environment), start_new_session=True
    )
    last_lines.clear()
    child = Child(process, last_lines)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(child.keep_last_lines)
            yield child
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await child.end(stop_seconds)
            await process.aclose()


async def _lines(stream: ByteReceiveStream) -> AsyncGenerator[str, None]:
    held = b""
    async for chunk in stream:
        *complete, held = (held + chunk).split(b"\n")
        for line in complete:
            yield line[:LINE_LIMIT].decode("utf-8", "replace")
        held = held[:LINE_LIMIT]
    if held:
        yield held.decode("utf-8", "replace")
