"""The compiler: turns the rooms of the hot path into machine code, beside their source, where there is a C compiler.

    python apps/compile.py DIRECTORY [UPON ...]

DIRECTORY holds packages as they are installed; UPON are directories of what they import and that stays as it is. Each
module that is compiled gets an extension module beside it, which Python takes in its place; the source stays, is what
tests and tracebacks show, and serves alone wherever this was never run. See docs/decisions/0016-compiled-rooms.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOMS = (
    "logits_core/keys/limits",
    "logits_core/routing/belief",
    "logits_core/routing/choice",
    "logits_core/routing/load",
    "logits_core/routing/prefixes",
    "logits_core/routing/prompt",
    "logits_core/routing/router",
    "logits_core/routing/shelf",
    "logits_core/routing/speed",
    "logits_core/usage/ledger",
    "logits_core/waiting/retries",
    "logits_core/wire/sse",
    "logits_core/wire/usage",
    "logits_shell/counting",
    "logits_shell/relay/attempt",
    "logits_shell/relay/deadlines",
    "logits_shell/relay/exchange",
    "logits_shell/relay/familiar",
    "logits_shell/relay/framing",
    "logits_shell/relay/heads",
    "logits_shell/relay/intake",
    "logits_shell/relay/request_body",
    "logits_shell/relay/response",
    "logits_shell/relay/upstream",
    "logits_shell/relay/watch",
    "logits_api_server/attempt",
    "logits_api_server/asking",
    "logits_api_server/call",
    "logits_api_server/callers",
    "logits_api_server/catalog",
    "logits_api_server/demand",
    "logits_api_server/opening",
    "logits_api_server/policy",
    "logits_api_server/waiting",
    "logits_ingress_proxy/metrics",
    "logits_ingress_proxy/policy",
    "logits_ingress_proxy/table",
)
"""What every request passes; the rest is left to the interpreter. None of these may declare what a decoder decodes
into: compiled classes don't say enough of their members' types for that, and it fails only once something is decoded.
"""

_BUILD = """\
import sys
from mypyc.build import mypycify
from setuptools import setup
modules = mypycify(["--config-file", "mypy.ini", *sys.argv[1:]], opt_level="2", debug_level="0", multi_file=True)
setup(name="rooms", script_args=["-q", "build_ext", "--build-lib", "built"], ext_modules=modules, packages=[])
"""

_CHECKS = """\
[mypy]
python_version = 3.11
ignore_missing_imports = True
follow_imports = silent
namespace_packages = True
explicit_package_bases = True
"""


def rooms(directory: Path) -> list[str]:
    """The modules in a directory that are compiled, as paths relative to it."""
    return [f"{room}.py" for room in ROOMS if (directory / f"{room}.py").is_file()]


def compile_rooms(directory: Path, *upon: Path) -> bool:
    """Compile what can be in a directory of installed packages.

    Args:
        directory: The packages.
        upon: Where the packages are that they import; never compiled here.

    Returns:
        Whether there was a C compiler to do it.
    """
    if shutil.which(os.environ.get("CC", "gcc")) is None:
        return False
    chosen = rooms(directory)
    if not chosen:
        return True
    with tempfile.TemporaryDirectory(prefix="logits-rooms-") as name:
        build = Path(name)
        own = [directory / package for package in sorted({Path(room).parts[0] for room in chosen})]
        # Of what stays as it is only our own packages: what they import has its types in this environment.
        for package in [*own, *(found for place in upon for found in sorted(place.glob("logits_*")))]:
            if package.is_dir() and not package.name.endswith(".dist-info"):
                copied = build / package.name
                shutil.copytree(package, copied, ignore=shutil.ignore_patterns("*.so"), dirs_exist_ok=True)
        for room in chosen:
            source = build / room
            # Compiled classes have slots anyway, and can't be made anew as `dataclass` would for this.
            source.write_text(re.sub(r"@dataclass\((.*?)(?:, )?slots=True\)", r"@dataclass(\1)", source.read_text()))
        (build / "mypy.ini").write_text(_CHECKS)
        environment = {**os.environ, "MYPYPATH": str(build), "CFLAGS": "-O2 -g0"}
        command = [sys.executable, "-c", _BUILD, *chosen]
        subprocess.run(command, cwd=build, env=environment, check=True, stdout=sys.stderr)
        shutil.copytree(build / "built", directory, dirs_exist_ok=True)
    return True


def main(arguments: list[str]) -> int:
    """Compile, and say so when there is nothing to do it with."""
    if not arguments:
        sys.stderr.write(__doc__ or "")
        return 2
    directory, *upon = [Path(argument).resolve() for argument in arguments]
    if not compile_rooms(directory, *upon):
        sys.stderr.write("there is no C compiler here: everything stays as it is\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
