"""Runs the embedded API server alone, for tests and for looking around with kubectl."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from logits_local.api.server import ApiServer


async def _main(directory: Path, port: int) -> None:
    server = ApiServer(directory, port)

    def announce() -> None:
        sys.stdout.write(f"{server.url} {server.kubeconfig}\n")
        sys.stdout.flush()

    await server.serve(announce)


if __name__ == "__main__":
    anyio.run(_main, Path(sys.argv[1]), int(sys.argv[2]))
