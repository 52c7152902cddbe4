"""The image catalogue: which local command stands for which image reference."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logits_core.errors import ErrorCode, LogitsError
from logits_local.controllers.objects import part


@dataclass(frozen=True, slots=True)
class Image:
    """What an image reference stands for on this machine.

    Attributes:
        command: the entrypoint, run with the container's ``args``.
        env: the image's own environment; the container's ``env`` wins over it.
    """

    command: tuple[str, ...]
    env: Mapping[str, str]


class ImageCatalogue:
    """The file that maps image references to commands; other processes may extend it at any time.

    Args:
        path: a JSON file ``{reference: {"command": [...], "env": {...}}}``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, reference: str) -> Image | None:
        """The image with this reference, or None.

        Raises:
            LogitsError: CORRUPT when the catalogue can't be read.
        """
        entry = self._read().get(reference)
        return None if entry is None else Image(tuple(entry["command"]), part(entry, "env"))

    def add(self, images: Mapping[str, Image]) -> None:
        """Add or replace images; those with other references stay."""
        entries = self._read()
        for reference, image in images.items():
            entries[reference] = {"command": list(image.command), "env": dict(image.env)}
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(entries, indent=1, sort_keys=True))
        fresh.replace(self._path)

    def _read(self) -> dict[str, Any]:
        try:
            return json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as failure:
            raise LogitsError(
                ErrorCode.CORRUPT, f"the image catalogue {self._path} isn't JSON; delete it and start again"
            ) from failure


def image_reference(component: str, version: str) -> str:
    """The reference of a component's image of one version.

    There is no registry here and so no manifest to hash: the digest is that of name and version.
    """
    digest = hashlib.sha256(f"logits/{component} {version}".encode()).hexdigest()
    return f"logits/{component}@sha256:{digest}"
