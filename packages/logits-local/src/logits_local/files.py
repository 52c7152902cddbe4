"""Files that only the platform's owner may read."""

from __future__ import annotations

from pathlib import Path

from logits_shell.files import write_whole


def write_private(path: Path, content: bytes | str) -> None:
    """Write a file of mode 0600 as a whole, with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.encode() if isinstance(content, str) else content)
