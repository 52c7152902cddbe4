"""The core is pure: no event loop, no sockets, no clock, no randomness, no environment."""

from __future__ import annotations

import ast

from architecture.tree import Module, sources

FORBIDDEN_MODULES = {
    "asyncio", "anyio", "httpx", "litestar", "uvicorn", "socket", "subprocess", "random", "secrets", "os", "time",
    "threading", "pathlib", "requests", "urllib", "http",
}  # fmt: skip
CLOCKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("date", "today"),
    ("uuid", "uuid4"),
    ("uuid", "uuid1"),
}
EXCEPTIONS = {"logits_core.entities.sqlite"}
"""The one room of the core that does I/O: the store's SQLite file."""


def _is_core(module: Module) -> bool:
    exempt = any(module.dotted == name or module.dotted.startswith(name + ".") for name in EXCEPTIONS)
    return module.dotted.startswith("logits_core") and not exempt


def _imports(module: Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(module.syntax):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_core_imports_nothing_that_does_io() -> None:
    found = {m.name: bad for m in sources() if _is_core(m) and (bad := _imports(m) & FORBIDDEN_MODULES)}
    assert not found, found


def test_core_reads_no_clock_and_makes_no_ids() -> None:
    found = [
        f"{module.name}:{node.lineno}"
        for module in sources()
        if _is_core(module)
        for node in ast.walk(module.syntax)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in CLOCKS
    ]
    assert not found, found
