"""The guide "Verify Logits yourself": every command in it is run as it stands, and prints what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ports import free_ports

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
GUIDE = Path(__file__).parents[2] / "docs/verify.md"
_BLOCK = re.compile(r"^```bash\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


def steps() -> list[tuple[str, list[str]]]:
    """The commands of each step, and the lines that they print; … stands for anything."""
    return [(found[1], (found[2] or "").splitlines()) for found in _BLOCK.finditer(GUIDE.read_text(encoding="utf-8"))]


def script() -> str:
    """All steps as one program that stops at the first surprise."""
    parts = [
        "set -euo pipefail",
        "trap 'logits down >/dev/null 2>&1' EXIT",
    ]
    for number, (commands, _) in enumerate(steps()):
        # Bash never stops at a negated command, so what must fail is asked for in so many words.
        failing = r"if \1; then echo 'this was let through' >&2; exit 9; fi"
        parts += [f"echo '@@ {number}'", re.sub(r"^! (.*)$", failing, commands, flags=re.MULTILINE)]
    return "\n".join(parts)


def test_every_command_does_what_the_guide_says(tmp_path: Path) -> None:
    port = str(free_ports(3))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)}
    for name in ("KUBECONFIG", "LOGITS_BASE_URL", "LOGITS_API_KEY"):
        environment.pop(name, None)
    done = subprocess.run(
        ["bash", "-c", script().replace("8080", port)],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    said = dict(re.findall(r"^@@ (\d+)\n(.*?)(?=^@@ |\Z)", done.stdout, re.DOTALL | re.MULTILINE))
    for number, (commands, promised) in enumerate(steps()):
        printed = said[str(number)]
        for line in promised:
            pattern = ".*".join(re.escape(part) for part in line.split("…"))
            assert re.search(f"^{pattern}$", printed, re.MULTILINE), f"{commands}\nshould print\n{line}\nnot\n{printed}"


def test_the_guide_is_read_whole() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert len(steps()) == text.count("```bash") >= 12
    assert sum(bool(promised) for _, promised in steps()) == text.count("```text")
