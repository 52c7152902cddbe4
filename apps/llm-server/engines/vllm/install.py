"""The vLLM installer: a virtual environment of its own, which never meets the workspace's dependencies.

    python apps/llm-server/engines/vllm/install.py DIRECTORY [--device cpu|cuda] [--torch-wheel FILE]

Afterwards set LOGITS_VLLM_ENVIRONMENT=DIRECTORY for the LLM Server.
"""

import argparse
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
TORCH = "2.13.0"
WITHOUT_CPU_BUILD = ("torchvision", "torchaudio", "torchcodec")
"""vLLM imports these when they are there, and fails, because no builds match torch's CPU build."""


def main() -> int:
    """Install, check, and say what to do next; return the exit code."""
    arguments = _arguments()
    try:
        return _install(arguments, arguments.directory.resolve())
    except subprocess.CalledProcessError as error:
        step = " ".join(map(str, error.cmd))
        sys.stderr.write(f"vLLM can't be had here; what failed is: {step}\nWhat pip said is above.\n")
        return 2


def _install(arguments: argparse.Namespace, directory: Path) -> int:
    venv.create(directory, with_pip=True, clear=True)
    pip = [str(directory / "bin" / "python"), "-m", "pip"]
    torch = _torch_wheel(arguments.torch_wheel, pip) if arguments.device == "cpu" else None
    if arguments.device == "cpu" and torch is None:
        sys.stderr.write(
            f"There is no CPU build of torch {TORCH} here: no torch-{TORCH}+cpu wheel in pip's find-links folder. "
            "Download one and name it with --torch-wheel; the build on the public index is for CUDA.\n"
        )
        return 2
    if torch is not None:
        _run([*pip, "install", str(torch)])
        constraints = directory / "constraints.txt"
        constraints.write_text(f"torch=={TORCH}+cpu\n")
        _run([*pip, "install", "-r", str(HERE / "requirements-cpu.txt"), "-c", str(constraints)])
        _run([*pip, "uninstall", "-y", *WITHOUT_CPU_BUILD])
        _name_the_distribution(directory)
    else:
        _run([*pip, "install", "-r", str(HERE / "requirements-cuda.txt")])
    _run([str(directory / "bin" / "vllm"), "--version"])
    sys.stdout.write(f"vLLM is installed. Set LOGITS_VLLM_ENVIRONMENT={directory} for the LLM Server.\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Install vLLM into a virtual environment of its own.")
    parser.add_argument("directory", type=Path, help="where the environment is made anew")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--torch-wheel", type=Path, help="torch's CPU build, if pip's find-links has none")
    return parser.parse_args()


def _torch_wheel(named: Path | None, pip: list[str]) -> Path | None:
    if named is not None:
        return named if named.is_file() else None
    command = [*pip, "config", "get", "global.find-links"]
    folders = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wheels = [wheel for folder in folders for wheel in Path(folder).glob(f"torch-{TORCH}+cpu-{tag}-*.whl")]
    return wheels[0] if wheels else None


def _name_the_distribution(directory: Path) -> None:
    """Add metadata for a distribution called vllm: vLLM asks for its own version under that name."""
    packages = next((directory / "lib").glob("python3.*")) / "site-packages"
    metadata = packages / "vllm-0.32.0+cpu.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n")


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
