"""The fuzz target of the relay's framing: ``python tests/fuzz/framing.py CORPUS [-max_total_time=60]``.

Coverage-guided by atheris over the relay's Python; every input is judged by another parser on both sides.
New inputs of interest are written into the corpus directory, and an input that fails into the working one.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import atheris  # pyright: ignore[reportMissingTypeStubs]

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

with atheris.instrument_imports(  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
    include=["logits_shell.relay"]
):
    from simulators.framing_oracle import judge

LARGEST = 1500


def main() -> None:
    """Fuzz until the bound that the arguments set."""
    loop = asyncio.new_event_loop()

    def one(data: bytes) -> None:
        if len(data) <= LARGEST:
            loop.run_until_complete(judge(data))

    atheris.Setup([*sys.argv, f"-max_len={LARGEST}"], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
