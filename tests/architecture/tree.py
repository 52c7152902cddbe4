"""The tree under test: every Python module of the product, parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = sorted(path.name for path in (ROOT / "apps").iterdir() if (path / "pyproject.toml").exists())


@dataclass(frozen=True)
class Module:
    """One source file: its path below the root, its text and its syntax tree."""

    path: Path
    text: str
    syntax: ast.Module

    @property
    def name(self) -> str:
        """Path below the repository root, with forward slashes."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def dotted(self) -> str:
        """Importable name, such as ``logits_core.errors``."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        inside = parts[parts.index("src") + 1 :]
        return ".".join(inside[:-1] if inside[-1] == "__init__" else inside)

    @property
    def lines(self) -> int:
        """How many lines the file has."""
        return self.text.count("\n")

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method, nested ones included."""
        for node in ast.walk(self.syntax):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def _read(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(path, text, ast.parse(text, str(path)))


@cache
def sources() -> tuple[Module, ...]:
    """The product's own modules: packages and apps, without tests."""
    paths = [*ROOT.glob("packages/*/src/**/*.py"), *ROOT.glob("apps/*/src/**/*.py")]
    return tuple(_read(path) for path in sorted(paths))


@cache
def everything() -> tuple[Module, ...]:
    """Sources, tests, benchmarks, tools and the model's scripts."""
    more = [
        *ROOT.glob("tests/**/*.py"),
        *ROOT.glob("bench/**/*.py"),
        *ROOT.glob("docs/**/*.py"),
        *ROOT.glob("models/**/*.py"),
        *ROOT.glob("helm/**/*.py"),
    ]
    return sources() + tuple(_read(path) for path in sorted(more))
