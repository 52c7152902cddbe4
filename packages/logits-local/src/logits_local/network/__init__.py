"""The embedded cluster's network: loopback addresses, service names, proxy and host ports."""

from __future__ import annotations

from pathlib import Path


def shim_directory() -> Path:
    """The directory that containers get as PYTHONPATH; it holds the resolver and nothing else."""
    return Path(__file__).parent / "shim"
