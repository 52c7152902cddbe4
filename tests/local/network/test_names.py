"""Python processes in a container resolve Service names through the shim, and all others as before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from logits_local.network import shim_directory
from logits_local.network.loop import write_hosts


def resolve(tmp_path: Path, *names: str, namespace: str = "logits") -> list[str | None]:
    code = (
        "import json, socket, sys\n"
        "def look(name):\n"
        "    try:\n"
        "        return socket.getaddrinfo(name, 80)[0][4][0]\n"
        "    except OSError:\n"
        "        return None\n"
        "print(json.dumps([look(name) for name in sys.argv[1:]]))\n"
    )
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(shim_directory()),
        "EMBEDDED_HOSTS_FILE": str(tmp_path / "hosts"),
        "EMBEDDED_NAMESPACE": namespace,
    }
    done = subprocess.run([sys.executable, "-c", code, *names], env=env, capture_output=True, check=True)
    return json.loads(done.stdout)


def test_names_are_searched_as_in_a_pod(tmp_path: Path) -> None:
    write_hosts(
        tmp_path / "hosts",
        "127.96.0.1 gateway.logits.svc.cluster.local\n127.96.0.2 gateway.other.svc.cluster.local\n",
    )
    full = "gateway.other.svc.cluster.local"
    assert resolve(tmp_path, "gateway", "gateway.other", "GATEWAY.logits.svc", full, f"{full}.") == [
        "127.96.0.1",
        "127.96.0.2",
        "127.96.0.1",
        "127.96.0.2",
        "127.96.0.2",
    ]
    assert resolve(tmp_path, "gateway", namespace="other") == ["127.96.0.2"]


def test_other_names_and_addresses_are_left_alone(tmp_path: Path) -> None:
    write_hosts(tmp_path / "hosts", "127.96.0.1 gateway.logits.svc.cluster.local\n")
    assert resolve(tmp_path, "127.0.0.1", "localhost", "gateway.nowhere.invalid") == [
        "127.0.0.1",
        "127.0.0.1",
        None,
    ]


def test_a_missing_hosts_file_is_no_error(tmp_path: Path) -> None:
    assert resolve(tmp_path, "127.0.0.1") == ["127.0.0.1"]


def test_the_hosts_file_is_only_replaced_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    write_hosts(path, "a\n")
    before = path.stat().st_ino
    write_hosts(path, "a\n")
    assert path.stat().st_ino == before
    write_hosts(path, "b\n")
    assert path.read_text() == "b\n"
