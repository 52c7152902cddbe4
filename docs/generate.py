"""The reference generator: pages made from the code itself, so that they can't drift from it.

``python docs/generate.py`` writes ``docs/reference``; ``--check`` only says whether it is current.
"""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from logits_core.errors import HTTP_STATUS, TITLES, ErrorCode
from logits_shell.settings import PREFIX, AppSettings

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
NOTICE = "<!-- Made by `make docs` from the code; change the code, not this page. -->\n"
METRICS = {"Counter", "Gauge", "Histogram", "Summary"}
VERBS = {"get", "post", "put", "patch", "delete", "head"}


def apps() -> list[str]:
    """Every deployable, by name."""
    return sorted(path.parent.name for path in ROOT.glob("apps/*/pyproject.toml"))


def modules(*patterns: str) -> Iterator[tuple[Path, ast.Module]]:
    """Source files with their syntax trees."""
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def first_sentence(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The first line of a docstring."""
    return (ast.get_docstring(node) or "").split("\n", 1)[0]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Every setting of every app, with its default and meaning."""
    parts = [
        "# Settings\n\nEvery app reads its settings once, at start, from environment variables; one that it does not "
        "know stops the start and is named.\n"
    ]
    shared = set(AppSettings.model_fields)
    parts.append("\n## All apps\n\n" + _settings_table(AppSettings, set()))
    for app in apps():
        model: type[AppSettings] = importlib.import_module(f"logits_{app.replace('-', '_')}.settings").Settings
        parts.append(f"\n## {app}\n\n" + (_settings_table(model, shared) or "None of its own.\n"))
    return "".join(parts)


def _settings_table(model: type[AppSettings], leave_out: set[str]) -> str:
    rows: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        if name not in leave_out:
            default = "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)}`"
            rows.append((f"`{PREFIX}{name.upper()}`", default.replace("``", "empty"), field.description or ""))
    return table(("Variable", "Default", "Meaning"), rows) if rows else ""


def errors_page() -> str:
    """The closed set of error codes."""
    rows = [(f"`{code}`", str(HTTP_STATUS[code]), TITLES[code]) for code in ErrorCode]
    return (
        "# Errors\n\nOne closed set of codes; every edge says them in its own dialect: problem documents "
        "(`urn:logits:error:CODE`), OpenAI envelopes, Kubernetes `Status`.\n\n"
        + table(("Code", "HTTP status", "Meaning"), rows)
    )


def metrics_page() -> str:
    """Every metric, with where it is counted."""
    rows: list[tuple[str, ...]] = []
    for path, tree in modules("packages/*/src/**/*.py", "apps/*/src/**/*.py"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in METRICS:
                rows += _metric(path, node, node.func.id)
    return "# Metrics\n\nServed at `:9090/metrics` of each process, beside those of the Python process.\n\n" + table(
        ("Metric", "Type", "Labels", "Meaning", "Where"), sorted(set(rows))
    )


def _metric(path: Path, node: ast.Call, kind: str) -> list[tuple[str, ...]]:
    texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    if len(texts) < 2 or not texts[0].startswith("logits_"):
        return []
    lists = [arg for arg in node.args if isinstance(arg, ast.List | ast.Tuple)]
    labels = [element.value for element in lists[0].elts if isinstance(element, ast.Constant)] if lists else []
    name = texts[0] + ("_total" if kind == "Counter" and not texts[0].endswith("_total") else "")
    where = path.relative_to(ROOT).parts[1]
    return [(f"`{name}`", kind.lower(), ", ".join(map(str, labels)), texts[1], where)]


def routes_page() -> str:
    """Every route that an app declares."""
    parts = ["# Routes\n\nRelayed paths of the API Server, Ingress Proxy and LLM Server are on their own pages.\n"]
    for app in apps():
        rows: list[tuple[str, ...]] = []
        for _, tree in modules(f"apps/{app}/src/**/*.py"):
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    rows += _routes(node)
        if rows:
            parts.append(f"\n## {app}\n\n" + table(("Method", "Path", "What"), sorted(rows, key=lambda row: row[1])))
    return "".join(parts)


def _routes(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id in VERBS:
            literals = [arg.value for arg in decorator.args if isinstance(arg, ast.Constant)]
            paths = [str(value) for value in literals] or _listed_paths(decorator) or ["/"]
            rows += [(decorator.func.id.upper(), f"`{path}`", first_sentence(node)) for path in paths]
    return rows


def _listed_paths(decorator: ast.Call) -> list[str]:
    lists = [arg for arg in decorator.args if isinstance(arg, ast.List)]
    return [str(e.value) for e in lists[0].elts if isinstance(e, ast.Constant)] if lists else []


def map_page() -> str:
    """Every room of the house, in its own words."""
    parts = ["# Map\n\nEvery module's first sentence: which room of the house it is.\n"]
    for member in sorted([*ROOT.glob("packages/*"), *ROOT.glob("apps/*/")]):
        rows = [
            (f"`{path.relative_to(member / 'src').as_posix()}`", first_sentence(tree))
            for path, tree in modules(f"{member.relative_to(ROOT).as_posix()}/src/**/*.py")
            if first_sentence(tree)
        ]
        if rows:
            parts.append(f"\n## {member.name}\n\n" + table(("Room", "What it is"), rows))
    return "".join(parts)


def dependencies_page() -> str:
    """What each member brings along, direct and indirect."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    graph = {p["name"]: [d["name"] for d in p.get("dependencies", [])] for p in lock["package"]}
    versions = {p["name"]: p.get("version", "") for p in lock["package"]}
    parts = ["# Dependencies\n\nThe ledger: everything that an app's image carries. A new line here is a decision.\n"]
    for app in apps():
        found = sorted(_closure(graph, f"logits-{app}"))
        third = [f"{name} {versions[name]}" for name in found if not name.startswith("logits-")]
        parts.append(f"\n## {app} ({len(third)})\n\n" + ", ".join(third) + "\n")
    return "".join(parts)


def _closure(graph: dict[str, list[str]], name: str) -> set[str]:
    seen: set[str] = set()
    open_names = [name]
    while open_names:
        for dependency in graph.get(open_names.pop(), []):
            if dependency not in seen:
                seen.add(dependency)
                open_names.append(dependency)
    return seen


PAGES = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "metrics.md": metrics_page,
    "routes.md": routes_page,
    "map.md": map_page,
    "dependencies.md": dependencies_page,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` name those that aren't current."""
    stale: list[str] = []
    REFERENCE.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        page, path = NOTICE + make(), REFERENCE / name
        if not path.exists() or path.read_text(encoding="utf-8") != page:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(page, encoding="utf-8")
    if stale and "--check" in arguments:
        sys.stderr.write(f"not current: {', '.join(stale)}; run `make docs`\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
