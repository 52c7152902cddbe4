"""Docs: the reference is what the code says, every app has its page, and links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from architecture.tree import APPS, ROOT

LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")


def test_the_reference_is_current() -> None:
    run = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("app", APPS)
def test_every_app_has_its_page(app: str) -> None:
    assert (ROOT / f"docs/rooms/{app}.md").is_file()


@pytest.mark.parametrize("app", APPS)
def test_every_system_has_its_row_in_the_architecture(app: str) -> None:
    assert f"rooms/{app}.md" in (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def test_links_between_pages_lead_somewhere() -> None:
    broken: list[str] = []
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert not broken, broken


def test_every_decision_is_numbered_once_and_says_what_follows() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    numbers = [path.name[:4] for path in decisions]
    assert numbers == [f"{n:04d}" for n in range(1, len(numbers) + 1)]
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        assert "## Options" in text, path.name
        assert "## Choice" in text, path.name
        assert "## Consequences" in text, path.name
