"""One chain of real processes for all wire tests, on the engine that the run is for."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from wire.chain import Chain, chain, vllm_environment


@pytest.fixture(scope="session")
def engine() -> str:
    """`llamacpp`, or what WIRE_ENGINE says."""
    return os.environ.get("WIRE_ENGINE", "llamacpp")


@pytest.fixture(scope="session")
def running(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Chain]:
    """The chain, shared by the tests that leave it as it is."""
    if engine == "vllm" and not (vllm_environment() / "bin" / "vllm").is_file():
        pytest.exit(f"There is no vLLM in {vllm_environment()}: run `make vllm` first.", 2)
    directory: Path = tmp_path_factory.mktemp("chain")
    with chain(engine, directory) as started:
        yield started


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
