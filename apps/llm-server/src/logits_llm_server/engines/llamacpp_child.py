"""The child process that runs llama.cpp's server: a native crash takes only this process along.

Its one argument is the launch as JSON. On standard output it writes one JSON object per line: that it is
loading, then where it listens. It ends when its standard input does, so it never outlives its parent.
"""

import importlib
import json
import os
import sys
import threading
from typing import Any, Final, cast

ERRORS_ONLY: Final = 1
"""llama.cpp's verbosity; more would write parts of requests."""
LOOPBACK: Final = "127.0.0.1"


def main(argument: str) -> int:
    """Serve until standard input ends; return the exit code."""
    report = _private_output()
    launch = cast("dict[str, Any]", json.loads(argument))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    report({"event": "loading"})
    # Late, so that the parent hears of the start before 100 MB are mapped; untyped, as the wheel is.
    library: Any = importlib.import_module("xllamacpp")
    try:
        server = library.Server(_parameters(library, launch))
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    address = str(server.listening_address)
    report({"event": "listening", "address": address, "version": str(library.__version__)})
    threading.Event().wait()
    return 0


def _parameters(library: Any, launch: dict[str, Any]) -> Any:
    parameters = library.CommonParams()
    parameters.model.path = launch["model"]
    parameters.model_alias = {launch["alias"]}
    parameters.hostnames = [LOOPBACK]
    parameters.port = 0
    parameters.n_ctx = launch["context"]
    parameters.n_parallel = launch["slots"]
    parameters.endpoint_metrics = True
    parameters.endpoint_slots = True
    parameters.ui = False
    parameters.verbosity = ERRORS_ONLY
    for threads in (parameters.cpuparams, parameters.cpuparams_batch):
        threads.n_threads = launch["threads"]
    for options in (launch["flags"], launch["integers"], launch["texts"]):
        for name, value in options.items():
            setattr(parameters, name, value)
    return parameters


def _private_output() -> Any:
    """Keep standard output for the parent alone: what native code prints there goes to standard error."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    output = os.fdopen(descriptor, "w", encoding="utf-8")

    def report(event: dict[str, str]) -> None:
        output.write(json.dumps(event) + "\n")
        output.flush()

    return report


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    # Native threads can't be joined in order, and nobody is left to hear of an orderly end.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
