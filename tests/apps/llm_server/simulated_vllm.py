"""A simulated ``vllm serve``: speaks enough of its HTTP API to be supervised, and generates no real text."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

METRICS = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0"} 0.0
vllm:num_requests_waiting{engine="0"} 0.0
vllm:kv_cache_usage_perc{engine="0"} 0.5
"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    arguments: tuple[str, ...] = ()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        answers = {
            "/health": b"",
            "/version": b'{"version":"0.32.0"}',
            "/metrics": METRICS.encode(),
            "/v1/models": json.dumps({"arguments": self.arguments}).encode(),
        }
        body = answers.get(self.path)
        self._answer(404 if body is None else 200, body or b"")

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if request["model"] not in self.arguments:
            self._answer(404, b'{"error":{"message":"no such model","type":"NotFoundError","code":404}}')
            return
        if "--broken" in self.arguments:
            sys.stderr.write("a worker died of SIGILL\n")
            self._answer(500, b'{"error":{"message":"see above","type":"InternalServerError","code":500}}')
            return
        self._answer(200, b'{"choices":[{"text":"x"}],"usage":{"completion_tokens":1}}')

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    if "--fail" in sys.argv:
        sys.exit("vllm: error: unrecognized arguments: --fail")
    Handler.arguments = tuple(sys.argv[1:])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
