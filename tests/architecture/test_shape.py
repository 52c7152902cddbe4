"""Rooms stay small: limits on modules, functions and parameters."""

from __future__ import annotations

import ast
import statistics

from architecture.tree import Module, everything, sources

MODULE_LINES = 400
FUNCTION_LINES = 40
MEDIAN_MODULE_LINES = 150
POSITIONAL_PARAMETERS = 5

LONGER_FUNCTIONS: dict[str, str] = {}
"""Functions that may be longer, each with its reason; this list may only shrink."""


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and len(body) > 1:
        body = body[1:]
    last = body[-1].end_lineno or body[-1].lineno
    nested = sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    )
    return last - body[0].lineno + 1 - nested


def test_no_module_outgrows_its_room() -> None:
    long = {module.name: module.lines for module in everything() if module.lines > MODULE_LINES}
    assert not long, f"over {MODULE_LINES} lines: {long}"


def test_the_median_module_is_a_small_room() -> None:
    lines = [module.lines for module in sources() if module.lines > 3]
    assert statistics.median(lines) <= MEDIAN_MODULE_LINES


def _long_functions(module: Module) -> list[str]:
    return [
        f"{module.name}:{function.name} ({_body_lines(function)})"
        for function in module.functions()
        if _body_lines(function) > FUNCTION_LINES and f"{module.name}:{function.name}" not in LONGER_FUNCTIONS
    ]


def test_functions_fit_a_screen() -> None:
    long = [name for module in everything() for name in _long_functions(module)]
    assert not long, f"over {FUNCTION_LINES} lines: {long}"


def test_positional_parameters_are_few() -> None:
    many = [
        f"{module.name}:{function.name}"
        for module in sources()
        for function in module.functions()
        if len([a for a in function.args.args if a.arg not in {"self", "cls"}]) > POSITIONAL_PARAMETERS
    ]
    assert not many, f"more than {POSITIONAL_PARAMETERS} positional parameters: {many}"
