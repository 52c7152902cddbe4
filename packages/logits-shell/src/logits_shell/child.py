"""Child: work that is done once, in a forked process, so that what it loads goes with it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

import msgspec

from logits_core.errors import ErrorCode, LogitsError


def in_child(work: Callable[[], None]) -> None:
    """Do work in a child process and wait for its end; call it before threads and connections exist.

    Raises:
        LogitsError: what the work raised; INTERNAL when the child ended in any other way, which its standard
            error tells.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        _do(work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if said:
        code, message = msgspec.json.decode(said, type=tuple[str, str])
        raise LogitsError(ErrorCode(code), message)
    if status:
        raise LogitsError(ErrorCode.INTERNAL, "a child process failed; its error stands above")


def _do(work: Callable[[], None], writer: int) -> NoReturn:
    ended = 1
    try:
        work()
        ended = 0
    except LogitsError as error:
        os.write(writer, msgspec.json.encode((error.code.value, error.message)))
    except BaseException:  # noqa: BLE001 - the end of a process: whatever it was must be told
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        # Nothing that the parent has begun may be ended twice.
        os._exit(ended)
