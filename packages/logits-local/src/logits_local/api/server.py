"""The embedded API server as one object: files, wiring, and serving over TLS on loopback."""

from __future__ import annotations

import asyncio
import secrets
import socket
import string
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
import uvicorn
import yaml

from logits_core.errors import ErrorCode, LogitsError
from logits_local.api.app import ApiApp
from logits_local.api.authentication import Authenticator
from logits_local.api.authorization import Authorizer
from logits_local.api.bootstrap import Furnisher
from logits_local.api.certificates import ensure_certificates
from logits_local.api.changes import Changer
from logits_local.api.files import write_private
from logits_local.api.janitor import Janitor
from logits_local.api.journal import Journal
from logits_local.api.keys import TokenKey
from logits_local.api.podlogs import PodLogs
from logits_local.api.reads import Reader
from logits_local.api.removal import Remover
from logits_local.api.schema import Schema
from logits_local.api.store import HISTORY_PER_RESOURCE, Store
from logits_local.api.tokens import TokenIssuer
from logits_local.api.writes import Sources, Writer
from logits_shell.serve import KEEP_ALIVE_SECONDS, WaitingServer

ADDRESS = "127.0.0.1"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
DRAIN_SECONDS = 0.5


def _now() -> datetime:
    return datetime.now(UTC)


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))


class _Server(WaitingServer):
    """A server whose last connections can be dropped."""

    def abort_connections(self) -> None:
        """Drop what is still connected: an idle TLS client answers no farewell."""
        for connection in tuple(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if isinstance(transport, asyncio.Transport):
                transport.abort()


class ApiServer:
    """A Kubernetes API server of the resources that Logits uses.

    Must be made inside the event loop that serves it. Everything that must last lies in the data
    directory: ``cluster.db``, ``admin.token``, ``kubeconfig``, ``pki/``.

    Args:
        data_directory: made when missing.
        port: TCP port on 127.0.0.1; 0 for any free one.
        log_directory: where nodes write containers' output; ``<data directory>/logs`` when None.
        history: changes kept of each resource; a watch from before them gets 410.
        monotonic: clock for the life of watches, in seconds.
        now: the time of day.

    Attributes:
        port: the port that it listens on.
        address: ``host:port``.
        url: what clients use.
        admin_token: bearer token of the administrator.
        ca_certificate: file of the certificate authority that clients trust, PEM.
        kubeconfig: file for kubectl.
        store: the cluster's objects.

    Raises:
        LogitsError: UNAVAILABLE when the port or the data directory is in use, CORRUPT when the
            directory holds something else.
    """

    def __init__(
        self,
        data_directory: Path,
        port: int = 0,
        *,
        log_directory: Path | None = None,
        history: int = HISTORY_PER_RESOURCE,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _now,
    ) -> None:
        data_directory.mkdir(parents=True, exist_ok=True)
        self._listener = _listen(port)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"{ADDRESS}:{self.port}"
        self.url = f"https://{self.address}"
        self.log_directory = log_directory or data_directory / "logs"
        try:
            self._journal = Journal(data_directory / "cluster.db")
        except LogitsError:
            self._listener.close()
            raise
        self.store = Store(self._journal, history)
        self._certificates = ensure_certificates(data_directory / "pki", now())
        self.ca_certificate = self._certificates.authority
        self.admin_token = _ensure_token(data_directory / "admin.token")
        self.kubeconfig = data_directory / "kubeconfig"
        self._wire(TokenKey(data_directory / "pki" / "service-accounts.key"), monotonic, now)

    def _wire(self, key: TokenKey, monotonic: Callable[[], float], now: Callable[[], datetime]) -> None:
        store, schema = self.store, Schema.load()
        sources = Sources(lambda: now().strftime("%Y-%m-%dT%H:%M:%SZ"), lambda: str(uuid.uuid4()), _letters)
        writer = Writer(store, schema, sources)
        remover = Remover(store, writer, now)
        furnisher = Furnisher(store, writer, self.ca_certificate.read_text())
        furnisher.furnish_cluster()
        self._janitor = Janitor(store, remover, furnisher)
        self.app = ApiApp(
            authenticator=Authenticator(store, key, self.admin_token, lambda: now().timestamp()),
            authorizer=Authorizer(store),
            reader=Reader(store, PodLogs(self.log_directory), monotonic, now),
            changer=Changer(
                store=store,
                writer=writer,
                remover=remover,
                issuer=TokenIssuer(store, key),
                sources=sources,
                now=now,
            ),
            writer=writer,
            key=key,
            address=self.address,
        )

    async def serve(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled.

        Args:
            started: called once when the server accepts connections and the kubeconfig is written.
        """
        server = _Server(
            uvicorn.Config(
                self.app,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=int(DRAIN_SECONDS) + 1,
                ssl_certfile=self._certificates.certificate,
                ssl_keyfile=self._certificates.key,
            )
        )
        write_private(self.kubeconfig, self._kubeconfig().encode())
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._janitor.run)
                group.start_soon(self._serve, server)
                self._listener.listen(512)
                started()
        finally:
            self._listener.close()
            self._journal.close()

    async def _serve(self, server: _Server) -> None:
        running = asyncio.ensure_future(server.serve(sockets=[self._listener]))
        try:
            await asyncio.shield(running)
        finally:
            self.app.end_streams()
            server.stop()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([running], timeout=DRAIN_SECONDS)
                server.abort_connections()
                await running

    def _kubeconfig(self) -> str:
        """A kubeconfig for the administrator."""
        authority = str(self.ca_certificate.resolve())
        cluster = {"server": self.url, "certificate-authority": authority}
        context = {"cluster": "logits-local", "user": "admin", "namespace": "logits"}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "logits-local", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self.admin_token}}],
            "contexts": [{"name": "logits-local", "context": context}],
            "current-context": "logits-local",
        }
        return yaml.safe_dump(document, sort_keys=False)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a request must not wait for an ACK
    try:
        listener.bind((ADDRESS, port))
    except OSError as error:
        listener.close()
        message = f"port {port} on {ADDRESS} cannot be used ({error.strerror}); choose another one"
        raise LogitsError(ErrorCode.UNAVAILABLE, message, field="port") from None
    listener.setblocking(False)
    return listener


def _ensure_token(path: Path) -> str:
    if not path.exists():
        alphabet = string.ascii_letters + string.digits
        write_private(path, "".join(secrets.choice(alphabet) for _ in range(48)).encode())
    return path.read_text().strip()
