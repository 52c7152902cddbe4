"""The proxies of the data-path figures: how each is started in front of the same mock engines."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".bench"
COMPILED = ROOT / ".compiled"
"""Our packages as the images have them, from `make compiled`; without it they run from their source."""
ENGINE_PORTS = tuple(range(29101, 29109))
START_SECONDS = 120
MODEL = "mock"
_LITELLM = "sk-of-this-benchmark-and-of-nothing-else"


class NotServedError(Exception):
    """A program did not become ready, or answered nothing."""


@dataclass(frozen=True)
class Proxy:
    """One contestant.

    Attributes:
        name: Its row in the table.
        port: Where it listens.
        command: Starts it in the foreground; gets a directory of its own.
        environment: Added to the process' environment.
        key: Makes the API key that its clients send, "" for none; called before the start.
        ready: A path that answers 200, or 401 where a key is asked for, once requests can be served.
        patience: One that is so slow that nothing would end in time gets so many times fewer connections and twice
            the time.
    """

    name: str
    port: int
    command: Callable[[Path], list[str]]
    environment: Callable[[Path], dict[str, str]] = lambda directory: {}
    key: Callable[[Path], str] = lambda directory: ""
    ready: str = "/v1/models"
    patience: int = 1


class Process:
    """A started program, pinned to one core."""

    def __init__(self, command: list[str], directory: Path, environment: dict[str, str], core: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LOGITS_")}
        with (directory / "output").open("wb") as output:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                cwd=directory,
                env={**kept, "NO_PROXY": "127.0.0.1", **environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._output = directory / "output"

    def until(self, url: str) -> None:
        """Wait until `url` answers 200.

        Raises:
            NotServedError: it doesn't in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if httpx.get(url, timeout=2, trust_env=False).status_code in {200, 401}:
                    return
            except httpx.HTTPError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NotServedError(f"{url} did not become ready:\n{self._output.read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it and everything that it started."""
        if self._process.poll() is not None:
            return
        os.killpg(self.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


def _urls() -> list[str]:
    return [f"http://127.0.0.1:{port}" for port in ENGINE_PORTS]


def _nginx(port: int) -> Callable[[Path], list[str]]:
    def command(directory: Path) -> list[str]:
        servers = "\n".join(f"server 127.0.0.1:{engine};" for engine in ENGINE_PORTS)
        (directory / "nginx.conf").write_text(
            f"""daemon off; worker_processes 1; pid {directory}/pid; error_log stderr crit;
events {{ worker_connections 8192; }}
http {{ access_log off; client_body_temp_path {directory}; proxy_temp_path {directory}; keepalive_requests 1000000000;
  fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
  upstream engines {{ {servers} keepalive 256; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port} backlog=2048;
    location / {{ proxy_pass http://engines; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_buffering off;
      proxy_request_buffering off; }} }} }}
"""
        )
        return ["nginx", "-e", "stderr", "-p", str(directory), "-c", str(directory / "nginx.conf")]

    return command


def _haproxy(port: int) -> Callable[[Path], list[str]]:
    def command(directory: Path) -> list[str]:
        servers = "\n".join(f"  server e{engine} 127.0.0.1:{engine}" for engine in ENGINE_PORTS)
        (directory / "haproxy.cfg").write_text(
            f"""global
  nbthread 1
  maxconn 8192
defaults
  mode http
  option forwardfor
  http-reuse always
  timeout connect 2s
  timeout client 300s
  timeout server 300s
frontend in
  bind 127.0.0.1:{port}
  default_backend engines
backend engines
  balance leastconn
{servers}
"""
        )
        return ["haproxy", "-f", str(directory / "haproxy.cfg")]

    return command


def _peer(name: str, *arguments: str) -> Callable[[Path], list[str]]:
    def command(directory: Path) -> list[str]:
        return [str(PEERS / name / "bin/python"), *arguments]

    return command


def _router(name: str, module: str, port: int, metrics_port: int) -> Proxy:
    arguments = ["-m", module, "--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(metrics_port)]
    arguments += ["--policy", "cache_aware", "--log-level", "error", "--worker-urls", *_urls()]
    return Proxy(name, port, _peer(name, *arguments))


def _litellm(directory: Path) -> list[str]:
    models = [
        {"model_name": MODEL, "litellm_params": {"model": f"openai/{MODEL}", "api_base": f"{url}/v1", "api_key": "x"}}
        for url in _urls()
    ]
    (directory / "config.yaml").write_text(json.dumps({"model_list": models}))
    program = str(PEERS / "litellm/bin/litellm")
    return [program, "--config", str(directory / "config.yaml"), "--port", "29205", "--host", "127.0.0.1"]


def _ours(module: str) -> Callable[[Path], list[str]]:
    return lambda directory: [sys.executable, "-m", module]


def compiled(_: Path) -> dict[str, str]:
    """What makes our processes take the compiled packages, nothing when there are none."""
    return {"PYTHONPATH": str(COMPILED)} if COMPILED.is_dir() else {}


def _ingress(directory: Path) -> dict[str, str]:
    environment = compiled(directory) | {
        "LOGITS_LISTEN_ADDRESS": "127.0.0.1",
        "LOGITS_HTTP_PORT": "29206",
        "LOGITS_METRICS_PORT": "0",
    }
    for name in ("CONSOLE", "API_SERVER", "ENTITY_DB"):
        environment[f"LOGITS_{name}_URL"] = f"http://127.0.0.1:{ENGINE_PORTS[0]}"
    return environment


def _api_server(directory: Path) -> list[str]:
    command = [sys.executable, "-m", "logits_api_server.serve", "--port", "29207", "--metrics-port", "29217"]
    command += ["--keys", str(directory / "keys"), "--usage", str(directory / "usage")]
    for url in _urls():
        command += ["--endpoint", url]
    return command


def api_key(directory: Path) -> str:
    """Make the key of an API Server in its directory."""
    # With every limit set, and none that the load reaches: they are all reckoned with.
    limits = ["--requests-per-minute", "1000000000", "--tokens-per-minute", "1000000000", "--concurrency", "100000"]
    make = "from logits_api_server.serve import serve_key; serve_key()"
    command = [sys.executable, "-c", make, "bench", "--keys", str(directory / "keys"), *limits]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]


def contestants() -> list[Proxy]:
    """Every proxy that is installed here, ours last."""
    found: list[Proxy] = []
    if shutil.which("nginx"):
        found.append(Proxy("nginx", 29201, _nginx(29201)))
    if shutil.which("haproxy"):
        found.append(Proxy("haproxy", 29202, _haproxy(29202)))
    if (PEERS / "sglang-router").is_dir():
        found.append(_router("sglang-router", "sglang_router.launch_router", 29203, 29213))
    if (PEERS / "vllm-router").is_dir():
        found.append(_router("vllm-router", "vllm_router.launch_router", 29204, 29214))
    if (PEERS / "litellm").is_dir():
        # It doesn't start without a key of its own.
        found.append(
            Proxy(
                "litellm",
                29205,
                _litellm,
                environment=lambda _: {"LITELLM_MASTER_KEY": _LITELLM, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
                key=lambda _: _LITELLM,
                ready="/health/liveliness",
                patience=8,
            )
        )
    found.append(Proxy("Logits Ingress Proxy", 29206, _ours("logits_ingress_proxy"), _ingress))
    found.append(Proxy("Logits API Server", 29207, _api_server, environment=compiled, key=api_key))
    if COMPILED.is_dir():
        found.append(Proxy("Logits API Server, from source", 29207, _api_server, key=api_key))
    return found
