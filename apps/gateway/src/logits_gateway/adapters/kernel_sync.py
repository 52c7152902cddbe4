"""The kernel's own asynchronous sync: it syncs a file by itself and rings when the disk has it.

A thread that calls fsync wants Python's lock twice for each sync, which costs a change more processor time than
the sync itself. Linux does the same since 4.18 without one (``io_submit`` with ``IOCB_CMD_FSYNC``), and tells
of the end through a descriptor that the event loop watches.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
import struct
from collections.abc import Callable
from typing import Protocol

from logits_gateway.adapters.thread_sync import ThreadSync

# setup, destroy, submit, getevents: see the kernel's tables of system calls.
_CALLS = {"x86_64": (206, 207, 209, 208), "aarch64": (0, 1, 2, 4)}
_FSYNC, _RING = 2, 1
_ORDER = struct.Struct("=QIIHhIQQqQII")
_RESULT = struct.Struct("=QQqq")

Ended = Callable[[OSError | None], None]


class FileSync(Protocol):
    """Syncs one file at a time, and calls back in the event loop."""

    def begin(self, loop: asyncio.AbstractEventLoop, file: int, ended: Ended) -> None:
        """Begin to make durable what the file holds now; ``ended`` is told how it went."""
        ...

    def close(self) -> None:
        """Free what it uses; nothing may be under way."""
        ...


class KernelSync:
    """Implements `FileSync` with asynchronous input and output of Linux.

    Raises:
        OSError: this kernel, or the sandbox that it runs in, doesn't offer it.
    """

    def __init__(self) -> None:
        numbers = _CALLS.get(platform.machine())
        if numbers is None or not hasattr(os, "eventfd"):
            raise OSError("asynchronous syncs aren't known on this machine")
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._setup, self._destroy, self._submit, self._events = (ctypes.c_long(number) for number in numbers)
        self._context, self._one = ctypes.c_ulong(0), ctypes.c_long(1)
        self._checked(self._call(self._setup, ctypes.c_uint(1), ctypes.byref(self._context)))
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._order = ctypes.create_string_buffer(_ORDER.size)
        self._orders = (ctypes.c_void_p * 1)(ctypes.addressof(self._order))
        self._result = ctypes.create_string_buffer(_RESULT.size)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: Ended | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, file: int, ended: Ended) -> None:
        """Order a sync."""
        if loop is not self._loop:
            loop.add_reader(self._bell, self._rang)
            self._loop = loop
        _ORDER.pack_into(self._order, 0, 1, 0, 0, _FSYNC, 0, file, 0, 0, 0, 0, _RING, self._bell)
        self._ended = ended
        try:
            self._checked(self._call(self._submit, self._context, self._one, self._orders))
        except OSError as error:
            loop.call_soon(ended, error)

    def close(self) -> None:
        """Free the kernel's side and the descriptor."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._bell)
        self._call(self._destroy, self._context)
        os.close(self._bell)

    def _rang(self) -> None:
        os.eventfd_read(self._bell)
        self._checked(self._call(self._events, self._context, self._one, self._one, self._result, None))
        _, _, result, _ = _RESULT.unpack(self._result.raw)
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(OSError(-result, os.strerror(-result)) if result < 0 else None)

    def _checked(self, result: int) -> None:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def file_sync() -> FileSync:
    """The kernel's own where it is offered, a thread elsewhere."""
    try:
        return KernelSync()
    except OSError:
        return ThreadSync()
