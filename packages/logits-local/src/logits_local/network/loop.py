"""The network's loop: keeps proxy listeners and the hosts file equal to Services and ready Pods."""

from __future__ import annotations

from pathlib import Path

from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction import Port
from logits_local.network.endpoints import Address, HostForward, hosts, routes
from logits_local.network.proxy import ServiceProxy
from logits_shell.kubernetes.changes import Changes
from logits_shell.kubernetes.reflector import Reflector
from logits_shell.log import Logger


def write_hosts(path: Path, text: str) -> None:
    """Replace the hosts file in one step, and only when its content changes."""
    if path.is_file() and path.read_text() == text:
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


class NetworkLoop:
    """Runs the network of one cluster.

    Args:
        services: a synced-or-syncing cache of all Services.
        pods: a cache of all Pods.
        changes: what both caches ring.
        hosts_file: where the resolver shim looks names up.
        forwards: ports of this machine that lead into the cluster.
        log: where addresses that can't be bound are told.
    """

    def __init__(
        self,
        services: Reflector,
        pods: Reflector,
        changes: Changes,
        *,
        hosts_file: Path,
        forwards: tuple[HostForward, ...],
        log: Logger,
    ) -> None:
        self._services = services
        self._pods = pods
        self._changes = changes
        self._hosts_file = hosts_file
        self._forwards = forwards
        self._log = log
        self._proxy = ServiceProxy(self._refused)

    async def open(self) -> None:
        """Take the forwarded ports, so that nobody else's server answers in the cluster's name.

        Raises:
            LogitsError: CONFLICT, a port is in use.
        """
        for forward in self._forwards:
            try:
                await self._proxy.open(forward.address)
            except OSError as failure:
                raise LogitsError(
                    ErrorCode.CONFLICT, f"port {forward.port} for {forward.service} is in use; choose another --port"
                ) from failure

    async def run(self) -> None:
        """Follow every change for ever."""
        await self._services.synced.wait()
        await self._pods.synced.wait()
        try:
            while True:
                seen = self._changes.count
                services = list(self._services.objects.values())
                write_hosts(self._hosts_file, hosts(services))
                wanted = routes(services, self._pods.objects.values(), self._forwards)
                await self._proxy.update(wanted)
                await self._changes.wait(seen)
        finally:
            self._proxy.close()

    def _refused(self, address: Address, failure: OSError) -> None:
        self._log.warning(
            "cannot listen on {address} port {port}: {failure}",
            address=address[0],
            port=Port(address[1]),
            failure=str(failure),
        )
