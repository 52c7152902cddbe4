"""A leash: runs a command that ends when this process' standard input does, so it never outlives the parent."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import Final

GRACE_SECONDS: Final = 10.0


def main(command: list[str]) -> int:
    """Run ``command`` and return its exit code."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:

        def pass_on(number: int, _: object) -> None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

        signal.signal(signal.SIGTERM, pass_on)
        signal.signal(signal.SIGINT, pass_on)
        threading.Thread(target=_end_with_parent, args=(process,), daemon=True).start()
        code = process.wait()
    return code if code >= 0 else 128 - code


def _end_with_parent(process: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        # The command may have children of its own; this process leads the group of all of them.
        os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
