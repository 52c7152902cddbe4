"""Commands refuse what they can't do in one line that says what to do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from logits_local.commands.down import down
from logits_local.commands.logs import logs
from logits_local.commands.status import status
from logits_local.commands.up import up
from logits_local.platform.models import model_name, own_model


def run_up(data: Path, *options: str) -> Result:
    return CliRunner().invoke(up, ["--data-dir", str(data), *options])


def assert_one_line(result: Result, *texts: str) -> None:
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line]
    assert line.startswith("logits: ")
    for text in texts:
        assert text in line


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_a_port_in_use_is_named(tmp_path: Path, offset: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        result = run_up(tmp_path / "data", "--port", str(port - offset))
    assert_one_line(result, f"port {port}", "--port")


def test_a_model_that_is_no_gguf_is_refused_before_anything_starts(tmp_path: Path) -> None:
    model = tmp_path / "model.bin"
    model.write_bytes(b"PK\x03\x04")
    assert_one_line(run_up(tmp_path / "data", "--model", str(model)), "GGUF")
    assert_one_line(run_up(tmp_path / "data", "--model", str(tmp_path / "none")), "cannot read")
    assert not (tmp_path / "data").exists()


def test_a_foreign_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_one_line(run_up(tmp_path), "--data-dir")


def test_without_a_platform_the_other_commands_say_so(tmp_path: Path) -> None:
    options = ["--data-dir", str(tmp_path)]
    assert_one_line(CliRunner().invoke(status, options), "logits up")
    assert_one_line(CliRunner().invoke(logs, ["gateway", *options]), "logits up")
    stopped = CliRunner().invoke(down, options)
    assert stopped.exit_code == 0
    assert "doesn't run" in stopped.stdout


def test_an_unknown_component_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(logs, ["no-such-thing", "--data-dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "gateway" in result.stderr


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Qwen2.5-0.5B-Instruct-Q4_K_M", "qwen2.5-0.5b-instruct-q4_k_m"),
        ("my model (1)", "my-model-1"),
        ("???", "model"),
        ("x" * 100, "x" * 40),
    ],
)
def test_model_names_resemble_their_files(tmp_path: Path, stem: str, name: str) -> None:
    assert model_name(stem) == name
    path = tmp_path / f"{stem.replace('/', '')}.gguf"
    path.write_bytes(b"GGUF rest")
    assert own_model(path).asked_for
