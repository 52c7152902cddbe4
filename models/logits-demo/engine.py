"""The engine room: llama.cpp's server in a child process, as the LLM Server runs it.

Run as a script it serves one GGUF file, prints its address and stays until its input ends.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Engine:
    """A running server, reached at an address such as ``http://127.0.0.1:41234``."""

    address: str

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a JSON request and return the decoded JSON answer.

        Raises:
            urllib.error.HTTPError: the engine refuses the request.
        """
        request = urllib.request.Request(  # noqa: S310 - the address is our own child's
            self.address + path,
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            return json.load(answer)

    def chat(self, messages: Sequence[Mapping[str, str]], **options: float) -> str:
        """Return the model's answer to a chat; options are request fields such as temperature."""
        body = {"model": "logits-demo", "messages": list(messages), **options}
        return self.post("/v1/chat/completions", body)["choices"][0]["message"]["content"]

    def ask(self, question: str, **options: float) -> str:
        """Return the model's answer to a single question."""
        return self.chat([{"role": "user", "content": question}], **options)


@contextmanager
def running(model: Path) -> Iterator[Engine]:
    """Serve a GGUF file in a child process while the block runs.

    Raises:
        RuntimeError: the child ends before it serves; its own words are on standard error.
    """
    command = [sys.executable, str(Path(__file__)), str(model)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            address = child.stdout.readline().strip() if child.stdout else ""
            if not address.startswith("http"):
                raise RuntimeError(f"the engine for {model} didn't start")
            yield Engine(address)
        finally:
            child.terminate()


def serve(model: Path) -> None:
    """Load a model, print the address and serve until standard input ends."""
    import xllamacpp  # late: only the child pays for the engine

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 1
    params.cpuparams.n_threads = 2
    params.verbosity = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
