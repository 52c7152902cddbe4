"""Every app is built from the same pieces, wired in one place, with one reader of the environment."""

from __future__ import annotations

import ast

import pytest

from architecture.tree import APPS, ROOT, Module, sources

PIECES = ("settings.py", "app.py", "errors.py", "__main__.py")
HANDLER_DECORATORS = {"get", "post", "put", "patch", "delete", "route", "head"}
HANDLER_LINES = 15


def _package(app: str) -> str:
    return f"apps/{app}/src/logits_{app.replace('-', '_')}"


@pytest.mark.parametrize("app", APPS)
def test_the_pieces_are_there(app: str) -> None:
    package = ROOT / _package(app)
    missing = [piece for piece in PIECES if not (package / piece).is_file()]
    assert not missing, f"{app} lacks {missing}"
    assert (package / "routes").is_dir() or app in {"ingress-proxy"}, f"{app} lacks routes/"


def _reads_environment(module: Module) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} for node in ast.walk(module.syntax)
    )


def test_only_entry_points_touch_the_environment() -> None:
    found = [
        module.name
        for module in sources()
        if module.name.startswith("apps/") and _reads_environment(module) and module.path.name != "__main__.py"
    ]
    assert not found, f"read settings through settings.py: {found}"


def _handlers(module: Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    def decorated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        for decorator in function.decorator_list:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            if isinstance(target, ast.Name) and target.id in HANDLER_DECORATORS:
                return True
        return False

    return [function for function in module.functions() if decorated(function)]


def test_handlers_decode_call_and_encode() -> None:
    long = [
        f"{module.name}:{function.name}"
        for module in sources()
        if "/routes/" in module.name
        for function in _handlers(module)
        if (function.body[-1].end_lineno or 0) - function.body[0].lineno + 1 > HANDLER_LINES + 3
    ]
    assert not long, f"handlers over {HANDLER_LINES} lines: {long}"


def test_every_litestar_app_keeps_its_hands_off_logging() -> None:
    # Litestar's own logging writes request bodies and headers by default.
    found = [
        f"{module.name}:{node.lineno}"
        for module in sources()
        for node in ast.walk(module.syntax)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Litestar"
        and not any(keyword.arg == "logging_config" for keyword in node.keywords)
    ]
    assert not found, f"pass logging_config=None: {found}"


def test_no_app_or_settings_are_made_at_import() -> None:
    found = [
        f"{module.name}:{node.lineno}"
        for module in sources()
        if module.name.startswith("apps/")
        for node in module.syntax.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id in {"Litestar", "create_app", "from_env", "Settings", "create_engine"}
    ]
    assert not found, found
