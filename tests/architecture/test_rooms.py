"""Every module says in its first sentence which room of the house it is."""

from __future__ import annotations

import ast
import re

from architecture.tree import Module, everything

MAX_CHARACTERS = 115
BANNED = re.compile(r"\b(utilit|helper|miscellan)", re.IGNORECASE)


def _problem(module: Module) -> str | None:
    docstring = ast.get_docstring(module.syntax)
    if not docstring:
        return "has no docstring" if module.text.strip() else None
    first = docstring.splitlines()[0]
    if not first.endswith("."):
        return f"its first line isn't one sentence: {first!r}"
    if len(first) > MAX_CHARACTERS:
        return f"its first sentence has {len(first)} characters"
    return "names no room but a drawer" if BANNED.search(first) else None


def test_every_module_names_its_room() -> None:
    problems = {module.name: problem for module in everything() if (problem := _problem(module))}
    assert not problems, problems
