"""The image builder: one OCI archive with every app's image, and the digests that a release signs.

    python apps/build_images.py OUTPUT_DIRECTORY [APP ...]

Needs buildah and the base image. Writes ``OUTPUT/images.tar``, which holds each layer once, and
``OUTPUT/images.json`` (component -> ``localhost/logits/<component>@sha256:...``).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = "0.1.0"
REPOSITORY = "localhost/logits"
SHARED = "logits-shell"
BASE_PYTHON = (3, 11)
BASE_LIBRARY = (2, 36)
"""The interpreter and the C library of the base image; what is compiled for newer ones doesn't run there."""
MODELS = {"llm-server": ROOT / "models"}
"""Apps whose image carries the models directory, as ``/app/own/models``."""
PACKAGES = {"llm-server": "libgomp1"}
"""Debian packages that an app needs in its image: llama.cpp computes with OpenMP."""
MODEL_FILES = ("*.gguf", "hf/*", "MODEL_CARD.md")


def requirements(package: str) -> dict[str, str]:
    """Pinned third-party requirements of a workspace member: distribution name -> requirement line."""
    exported = subprocess.run(
        [_uv(), "export", "--frozen", "--no-dev", "--no-emit-workspace", "--no-hashes", "--no-annotate",
         "--no-header", "--package", package],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    lines = [line.strip() for line in exported.stdout.splitlines() if line.strip() and "==" in line]
    return {line.split("==")[0]: line for line in lines}


def _uv() -> str:
    own = ROOT / ".uv/bin/uv"
    return shutil.which("uv") or str(own)


def _install(target: Path, lines: list[str], wheels: Path, members: list[str]) -> None:
    target.mkdir(parents=True)
    listed = target.with_suffix(".txt")
    own = [str(next(wheels.glob(f"{member.replace('-', '_')}-*.whl"))) for member in members]
    listed.write_text("\n".join([*lines, *own]) + "\n", encoding="utf-8")
    subprocess.run(
        [_uv(), "pip", "install", "--quiet", "--python", "3.11", "--no-deps", "--link-mode", "copy",
         "--target", str(target), "-r", str(listed)],
        cwd=ROOT, check=True,
    )  # fmt: skip
    # The root file system is read-only at run time, so byte code is made now; it is never stale.
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash", str(target)],
        check=False, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _compile(target: Path, *upon: Path) -> None:
    """Compile the hot path, if what comes out here also runs upon the base."""
    library = tuple(int(number) for number in platform.libc_ver()[1].split(".") if number.isdigit())
    if sys.version_info[:2] == BASE_PYTHON and () < library <= BASE_LIBRARY:
        subprocess.run([sys.executable, str(ROOT / "apps/compile.py"), str(target), *map(str, upon)], check=True)
    else:
        sys.stderr.write("the images' rooms stay uncompiled: what is built here may not run upon the base\n")


def build_wheels(target: Path) -> None:
    """A wheel of every workspace member."""
    subprocess.run(
        [_uv(), "build", "--quiet", "--all-packages", "--wheel", "--out-dir", str(target)], cwd=ROOT, check=True
    )


def prepare_shared(context: Path) -> dict[str, str]:
    """The layer that all images have in common; returns what is in it."""
    lines = requirements(SHARED)
    _install(context / "shared", list(lines.values()), context / "wheels", ["logits-core", SHARED])
    _compile(context / "shared")
    return lines


def prepare_own(context: Path, app: str, shared: dict[str, str]) -> None:
    """The layer of one app: its own dependencies, its code, its entry point, its models."""
    own = context / "own"
    shutil.rmtree(own, ignore_errors=True)
    lines = [line for name, line in requirements(f"logits-{app}").items() if name not in shared]
    _install(own, lines, context / "wheels", [f"logits-{app}"])
    _compile(own, context / "shared")
    module = f"logits_{app.replace('-', '_')}"
    (own / "entrypoint.py").write_text(
        f'"""Starts {app}."""\nimport runpy\n\nrunpy.run_module("{module}", run_name="__main__")\n',
        encoding="utf-8",
    )
    if app in MODELS:
        _copy_models(MODELS[app], own / "models")


def _copy_models(source: Path, target: Path) -> None:
    for pattern in MODEL_FILES:
        for file in source.glob(f"*/{pattern}"):
            if file.is_file():
                copy = target / file.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)


def build(context: Path, part: str, name: str, *, upon: str = "", packages: str = "") -> None:
    """Build one image: a part of the prepared context in one layer upon another image, or upon the base."""
    isolation = ["--isolation", "chroot"] if os.geteuid() == 0 else []
    given = {"PART": part, "VERSION": name.rsplit(":", 1)[1], "BASE": upon, "PACKAGES": packages}
    arguments = [word for key, value in given.items() if value for word in ("--build-arg", f"{key}={value}")]
    subprocess.run(
        ["buildah", "bud", "--quiet", "--pull=never", *isolation, *arguments, "-t", name,
         "-f", str(ROOT / "apps/Dockerfile"), "--ignorefile", str(ROOT / "apps/Dockerfile.ignore"), str(context)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def push(name: str, layout: Path) -> str:
    """Add an image to an OCI layout, which holds equal layers once; returns ``repository@sha256:...``."""
    digest = layout.parent / "digest"
    # Buildah compresses every layer again for every image; the lightest compression costs least altogether.
    compression = ["--compression-format", "gzip", "--compression-level", "1"]
    subprocess.run(
        ["buildah", "push", "--quiet", *compression, "--digestfile", str(digest), name, f"oci:{layout}:{name}"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return f"{name.rsplit(':', 1)[0]}@{digest.read_text(encoding='utf-8').strip()}"


def pack(layout: Path, archive: Path) -> None:
    """Make one archive of an OCI layout."""
    with tarfile.open(archive, "w") as packed:
        for path in sorted(layout.iterdir()):
            packed.add(path, path.name)
    shutil.rmtree(layout)


def main(arguments: list[str]) -> int:
    """Build the named apps, or all of them."""
    if not arguments:
        sys.stderr.write(__doc__ or "")
        return 2
    output = Path(arguments[0]).resolve()
    apps = arguments[1:] or sorted(p.parent.name for p in (ROOT / "apps").glob("*/pyproject.toml"))
    if shutil.which("buildah") is None:
        sys.stderr.write("buildah is missing: install it with your system's package manager\n")
        return 1
    context = output / "context"
    for left in (context, output / "layout"):
        shutil.rmtree(left, ignore_errors=True)
    context.mkdir(parents=True)
    build_wheels(context / "wheels")
    shared = prepare_shared(context)
    build(context, "shared", f"{REPOSITORY}/shared:{VERSION}")
    images: dict[str, str] = {}
    for app in apps:
        prepare_own(context, app, shared)
        name = f"{REPOSITORY}/{app}:{VERSION}"
        build(context, "own", name, upon=f"{REPOSITORY}/shared:{VERSION}", packages=PACKAGES.get(app, ""))
        images[app] = push(name, output / "layout")
        sys.stdout.write(f"{app}: {images[app]}\n")
        sys.stdout.flush()
    shutil.rmtree(context)
    pack(output / "layout", output / "images.tar")
    (output / "images.json").write_text(json.dumps(images, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
