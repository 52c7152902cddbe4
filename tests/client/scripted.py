"""A scripted HTTP server on a real socket: each connection gets the next prepared answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Scripted:
    """What the server was asked, and where it listens."""

    url: str
    requests: list[bytes] = field(default_factory=list[bytes])
    closed: threading.Event = field(default_factory=threading.Event)


def answer(status: int, body: bytes, headers: str = "") -> bytes:
    """A whole response."""
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{headers}\r\n"
    return head.encode() + body


def stream(body: bytes, *, complete: bool = True) -> bytes:
    """A chunked response; an incomplete one ends without its last chunk."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n"
    return head + chunk + (b"0\r\n\r\n" if complete else b"")


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def _serve(listener: socket.socket, answers: list[bytes], script: Scripted, hold: bool) -> None:
    for prepared in answers:
        connection, _ = listener.accept()
        with connection:
            script.requests.append(_read_request(connection))
            connection.sendall(prepared)
            if hold:  # Wait for the client to leave.
                connection.recv(1)
                script.closed.set()


@contextmanager
def scripted(*answers: bytes, hold: bool = False) -> Generator[Scripted, None, None]:
    """Serve these answers, one connection each; with ``hold`` wait for the client to close."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        script = Scripted(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=_serve, args=(listener, list(answers), script, hold))
        thread.start()
        yield script
        thread.join(20)
        assert not thread.is_alive()
