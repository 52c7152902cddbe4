"""Names: no drawers, no catch-all parameters, no state that outlives its owner."""

from __future__ import annotations

import ast

from architecture.tree import Module, everything, sources

DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "stuff"}
MUTABLE_CALLS = {"dict", "list", "set", "defaultdict", "deque", "OrderedDict"}
MUTATORS = {"append", "add", "update", "pop", "clear", "setdefault", "remove", "extend", "insert", "discard"}


def test_no_module_is_a_drawer() -> None:
    named = [module.name for module in everything() if module.path.stem in DRAWERS]
    assert not named, named


def _catch_alls(module: Module) -> list[str]:
    found: list[str] = []
    for node in ast.walk(module.syntax):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg is None and isinstance(keyword.value, ast.Name) and keyword.value.id == "kwargs":
                    found.append(f"{module.name}:{node.lineno}")
    return found


def test_keyword_arguments_are_never_passed_through() -> None:
    found = [place for module in sources() for place in _catch_alls(module)]
    assert not found, found


def _globals_changed(module: Module) -> list[str]:
    names = {
        target.id
        for node in module.syntax.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    found: list[str] = []
    for function in module.functions():
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                found.append(f"{module.name}:{node.lineno} global {', '.join(node.names)}")
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in MUTATORS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in names
                and node.func.value.id.isupper()
            ):
                found.append(f"{module.name}:{node.lineno} {node.func.value.id}.{node.func.attr}")
    return found


def test_no_module_level_state_changes() -> None:
    found = [place for module in sources() for place in _globals_changed(module)]
    assert not found, found
