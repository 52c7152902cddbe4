"""A platform as far as the audit commands read it: logs and a ledger, served from memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from logits_client.sync import Logits
from logits_client.transport import Options
from logits_core.audit import WIDTH, LogKey, encode_entry, parse_tile_path
from simulators.audit_records import KEY, signed


@dataclass
class ServedLog:
    """One log that can grow, be cut, or be replaced by another."""

    entries: list[bytes]
    key: LogKey = KEY
    number: int = 1

    def file(self, path: str) -> bytes | None:
        """What the log serves under a path."""
        if path == "checkpoint":
            return signed(self.entries, self.key).encode()
        _, index, width = parse_tile_path(path)
        bundle = self.entries[index * WIDTH : index * WIDTH + width]
        return b"".join(encode_entry(entry) for entry in bundle) if len(bundle) == width else None


@dataclass
class ServedPlatform:
    """Logs, calls to the vendor with their bodies, and which paths were asked for."""

    logs: list[ServedLog]
    departures: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    bodies: dict[str, bytes] = field(default_factory=dict[str, bytes])
    asked: list[str] = field(default_factory=list[str])

    def client(self) -> Logits:
        """A client of this platform that needs no network."""
        http = httpx.Client(transport=httpx.MockTransport(self.answer))
        return Logits(options=Options(base_url="http://platform", retries=0), http_client=http)

    def left(self, audit_id: str, body: bytes, index: int) -> None:
        """Put a call with a body into the ledger, newest first."""
        cursor = f"2026-01-01.{len(self.departures)}"
        self.bodies[cursor] = body
        entry = {
            "cursor": cursor,
            "id": audit_id,
            "time": "2026-01-01T00:00:00Z",
            "method": "POST",
            "path": "/reports",
            "caller": "gateway",
            "sha256": hashlib.sha256(body).hexdigest(),
            "size": len(body),
            "schema": "report",
            "index": index,
        }
        self.departures.insert(0, entry)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What the platform says."""
        path = request.url.path
        self.asked.append(path)
        if path == "/audit/logs":
            return httpx.Response(200, json={"logs": [self._facts(log) for log in self.logs]})
        if path == "/egress/entries":
            return httpx.Response(200, json={"entries": self._page(request), "keptDays": 30})
        if path.startswith("/egress/bodies/"):
            return httpx.Response(200, content=self.bodies[path.rpartition("/")[2]])
        for log in self.logs:
            prefix = f"/audit/log/{log.number:04}/"
            content = log.file(path.removeprefix(prefix)) if path.startswith(prefix) else None
            if content is not None:
                return httpx.Response(200, content=content)
        return httpx.Response(404, json={"detail": "no such thing"})

    def _facts(self, log: ServedLog) -> dict[str, Any]:
        current = log is self.logs[-1]
        prefix = f"/audit/log/{log.number:04}"
        return {"prefix": prefix, "origin": log.key.name, "key": log.key.verifier(), "current": current}

    def _page(self, request: httpx.Request) -> list[dict[str, Any]]:
        cursors = [entry["cursor"] for entry in self.departures]
        before = request.url.params.get("before", "")
        start = cursors.index(before) + 1 if before else 0
        return self.departures[start : start + int(request.url.params["limit"])]


@contextmanager
def over_http(platform: ServedPlatform) -> Generator[str, None, None]:
    """Serve the platform on a real socket; yields its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = platform.answer(httpx.Request("GET", f"http://platform{self.path}"))
            self.send_response(answer.status_code)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
