"""The embedded API server as one object: files, wiring, and serving over TLS on loopback."""

from __future__ import annotations

import asyncio
import secrets
import socket
import string
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
import uvicorn
import yaml

from logits_core.errors import ErrorCode, LogitsError
from logits_local.api.app import Api, create_app
from logits_local.api.authentication import Authenticator
from logits_local.api.authorization import Authorizer
from logits_local.api.bootstrap import Janitor
from logits_local.api.certificates import ensure_certificates
from logits_local.api.changes import Changer
from logits_local.api.keys import TokenKey
from logits_local.api.podlogs import PodLogs
from logits_local.api.reads import Reader
from logits_local.api.removal import Remover
from logits_local.api.schema import Schema
from logits_local.api.store import HISTORY_PER_RESOURCE, Store
from logits_local.api.tokens import TokenIssuer
from logits_local.api.writes import Sources, Writer
from logits_local.files import write_private
from logits_shell.serve import KEEP_ALIVE_SECONDS, WaitingServer

ADDRESS = "127.0.0.1"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def _now() -> datetime:
    return datetime.now(UTC)


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))


class _Server(WaitingServer):
    """A server whose connections can be dropped."""

    def abort_connections(self) -> None:
        """Drop what is connected: watches have no end, and an idle TLS client answers no farewell."""
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

    Attributes:
        port: the port that it listens on.
        address: ``host:port``.
        url: what clients use.
        admin_token: bearer token of the administrator.
        ca_certificate: file of the certificate authority that clients trust, PEM.
        kubeconfig: file for kubectl.
        store: the cluster's objects.
        app: answers requests.

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
    ) -> None:
        data_directory.mkdir(parents=True, exist_ok=True)
        self._listener = _listen(port)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"{ADDRESS}:{self.port}"
        self.url = f"https://{self.address}"
        self.log_directory = log_directory or data_directory / "logs"
        try:
            self.store = Store(data_directory / "cluster.db", history)
        except LogitsError:
            self._listener.close()
            raise
        self._certificates = ensure_certificates(data_directory / "pki")
        self.ca_certificate = self._certificates.authority
        self.admin_token = _ensure_token(data_directory / "admin.token")
        self.kubeconfig = data_directory / "kubeconfig"
        self._wire(TokenKey(data_directory / "pki" / "service-accounts.key"))

    def _wire(self, key: TokenKey) -> None:
        store, schema = self.store, Schema.load()
        sources = Sources(lambda: _now().strftime("%Y-%m-%dT%H:%M:%SZ"), lambda: str(uuid.uuid4()), _letters)
        writer = Writer(store, schema, sources)
        remover = Remover(store, writer, _now)
        self._janitor = Janitor(store, writer, remover, self.ca_certificate.read_text())
        api = Api(
            authenticator=Authenticator(store, key, self.admin_token),
            authorizer=Authorizer(store),
            reader=Reader(store, PodLogs(self.log_directory)),
            changer=Changer(store, writer, remover, TokenIssuer(store, key), sources),
            writer=writer,
            key=key,
            address=self.address,
        )
        self.app = create_app(api)

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
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
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
            self.store.close()

    async def _serve(self, server: _Server) -> None:
        running = asyncio.ensure_future(server.serve(sockets=[self._listener]))
        try:
            await asyncio.shield(running)
        finally:
            server.stop()
            server.abort_connections()
            with anyio.CancelScope(shield=True):
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
