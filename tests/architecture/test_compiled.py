"""What is compiled: modules that exist, and none that declares what a decoder decodes into."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = re.findall(r'^    "(logits_[a-z_/]+)",$', (ROOT / "apps/compile.py").read_text(encoding="utf-8"), re.MULTILINE)
SOURCES = {room: [*ROOT.glob(f"packages/*/src/{room}.py"), *ROOT.glob(f"apps/*/src/{room}.py")] for room in ROOMS}


def test_every_compiled_module_exists() -> None:
    assert ROOMS
    assert {room for room, found in SOURCES.items() if len(found) != 1} == set()


def test_no_compiled_module_decodes_into_its_own_classes() -> None:
    decoding = re.compile(r"\bDecoder\(|\bjson\.decode\(|\bconvert\(")
    guilty = {room for room, found in SOURCES.items() for path in found if decoding.search(path.read_text("utf-8"))}
    assert guilty == set()
