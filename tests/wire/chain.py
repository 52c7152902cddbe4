"""The data path as real processes: Ingress Proxy, API Server, LLM Server with a real engine, Entity DB."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ports import free_ports

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0
LOADING = {"llamacpp": 60.0, "vllm": 600.0}
MODEL = "demo"
SOURCES = {"llamacpp": "logits-demo/logits-demo.gguf", "vllm": "logits-demo/hf"}


def eventually(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.05)


@dataclass
class App:
    """One app in a process of its own."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Tell it to stop and wait until it has."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self) -> None:
        """End it and its engine as a crash of the node would."""
        for pid in [*descendants(self.process.pid), self.process.pid]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Chain:
    """All of them, and ways to change them.

    Attributes:
        engine: Which engine answers.
        ingress: The door.
    """

    engine: str
    directory: Path
    stack: ExitStack
    apps: dict[str, App] = field(default_factory=dict[str, App])

    @property
    def url(self) -> str:
        return self.apps["ingress-proxy"].url

    @property
    def entities(self) -> str:
        return self.apps["entity-db"].url

    def start(self, app: str, name: str = "", *, port: int = 0, **settings: Any) -> App:
        """Start an app; its settings by keyword."""
        name = name or app
        port, log = port or free_ports(), self.directory / f"{name}.log"
        values = {"listen_address": "127.0.0.1", "http_port": port, "metrics_port": free_ports(), "pod_name": name}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("LOGITS_")}
        environment |= {f"LOGITS_{key.upper()}": str(value) for key, value in (values | settings).items()}
        command = [sys.executable, "-m", f"logits_{app.replace('-', '_')}"]
        with log.open("ab") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        started = App(name, port, process, log)
        self.stack.callback(started.stop)
        self.apps[name] = started
        return started

    def start_api_server(self, name: str = "api-server", *, port: int = 0, **settings: Any) -> App:
        return self.start("api-server", name, port=port, entity_db_url=self.entities, **settings)

    def start_llm_server(self, name: str = "llm-server") -> App:
        model = {"name": "logits-demo", "displayName": "Demo", "engine": self.engine, "source": SOURCES[self.engine]}
        model |= {"contextLength": 2048, "gpus": 0}
        if self.engine == "vllm":
            tools = {"enable-auto-tool-choice": "true", "tool-call-parser": "hermes"}
            # A schema allows any number of spaces, and so small a model takes to them.
            schemas = {"structured-outputs-config": '{"backend": "xgrammar", "disable_any_whitespace": true}'}
            # In bfloat16 vLLM uses AMX tiles, which some virtual machines advertise and then fault on (SIGILL).
            model |= {"engineArguments": {**tools, **schemas, "enforce-eager": "true", "dtype": "float32"}}
        extra: dict[str, Any] = {"vllm_environment": vllm_environment()} if self.engine == "vllm" else {}
        return self.start(
            "llm-server",
            name,
            model=json.dumps(model),
            deployment=MODEL,
            entity_db_url=self.entities,
            models_directory=ROOT / "models",
            **extra,
        )

    def phases(self) -> dict[str, str]:
        found = httpx.get(f"{self.entities}/entities/llmservers").json()["items"]
        return {item["metadata"]["name"]: item["status"].get("phase", "") for item in found}

    def forget(self, name: str) -> None:
        """Remove the report of an LLM Server that is gone, as the Controller does."""
        httpx.delete(f"{self.entities}/entities/llmservers/{name}")

    def wait_ready(self, name: str = "llm-server") -> None:
        eventually(lambda: self.phases().get(name) == "Ready", f"{name} to be ready", LOADING[self.engine])

    def engine_url(self, name: str = "llm-server") -> str:
        """Where the engine itself answers, past everything of ours."""
        for pid in descendants(self.apps[name].process.pid):
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"--port" in arguments:
                return f"http://127.0.0.1:{arguments[arguments.index(b'--port') + 1].decode()}"
        ports = [port for pid in descendants(self.apps[name].process.pid) for port in listening(pid)]
        return f"http://127.0.0.1:{ports[0]}"


def vllm_environment() -> Path:
    return Path(os.environ.get("VLLM_ENVIRONMENT") or ROOT / ".vllm")


def descendants(pid: int) -> list[int]:
    """Return the processes below one, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = list(children.get(pid, []))
    while waiting:
        found.append(waiting.pop(0))
        waiting += children.get(found[-1], [])
    return found


def listening(pid: int) -> list[int]:
    """Return the TCP ports that a process listens on."""
    inodes: set[str] = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").rstrip("]"))
        except OSError:
            continue
    ports: list[int] = []
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[3] == "0A" and columns[9] in inodes:
            ports.append(int(columns[1].rpartition(":")[2], 16))
    return ports


@contextmanager
def chain(engine: str, directory: Path, **api_settings: Any) -> Generator[Chain]:
    """Run everything inside the block, one LLM Server with a loaded model included."""
    with ExitStack() as stack:
        running = Chain(engine, directory, stack)
        running.start("entity-db", data_directory=directory / "data")
        eventually(lambda: answers(f"{running.entities}/entities"), "the Entity DB")
        body = {"metadata": {"name": MODEL}, "spec": {"model": "logits-demo", "enabled": True}}
        httpx.post(f"{running.entities}/entities/modeldeployments", json=body).raise_for_status()
        api = running.start_api_server(usage_seconds=0.2, **api_settings)
        running.start_llm_server()
        urls: dict[str, Any] = {"api_server_url": api.url, "entity_db_url": running.entities, "console_url": api.url}
        running.start("ingress-proxy", **urls)
        running.wait_ready()
        eventually(lambda: answers(f"{running.url}/v1/models"), "the ingress")
        eventually(lambda: answers_chat(running.url), "the first answer")
        yield running


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def answers_chat(url: str) -> bool:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=DEADLINE).status_code == 200
