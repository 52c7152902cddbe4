"""The keeper of the audit log: signs it, shows that it lives, and keeps its checkpoint in a second place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from logits_core.errors import ErrorCode, LogitsError
from logits_core.reconcile.state import Anchor
from logits_core.redaction import Identifier
from logits_gateway.adapters.audit_log import AuditLog
from logits_gateway.adapters.ops_api import OWN
from logits_gateway.journal import Journal
from logits_shell.kubernetes import CONFIG_MAPS, KubernetesClient
from logits_shell.log import Logger

NAME = "logits-audit-checkpoint"
PUBLISH_SECONDS = 600.0
"""How often the checkpoint is written to its ConfigMap, which is a recorded act itself."""


class Keeper:
    """Looks after the audit log as long as the process lives.

    Args:
        log: the audit log.
        journal: writes to it.
        client: the Gateway's own way through its door.
        namespace: the release's namespace.
        logger: the process' log.
        checkpoint_seconds: how often a changed log is signed.
        heartbeat_seconds: the longest time without a record.
        free: whether the customer lets anything be changed now.
        owner: whose object the published checkpoint goes with; None while that isn't known.
        certificate: of the TLS listener, published with the checkpoint.
    """

    def __init__(
        self,
        log: AuditLog,
        journal: Journal,
        client: KubernetesClient,
        *,
        namespace: str,
        logger: Logger,
        checkpoint_seconds: float,
        heartbeat_seconds: float,
        free: Callable[[], bool],
        owner: Callable[[], Anchor | None],
        certificate: str,
    ) -> None:
        self._certificate = certificate
        self._log = log
        self._journal = journal
        self._client = client
        self._namespace = namespace
        self._logger = logger
        self._checkpoint_seconds = checkpoint_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._free = free
        self._owner = owner

    async def sign(self) -> None:
        """Sign the log whenever it has grown, for ever."""
        while not self._log.broken:
            await anyio.sleep(self._checkpoint_seconds)
            await self._log.checkpoint()
        await anyio.sleep_forever()

    async def beat(self) -> None:
        """Write a heartbeat whenever nothing else was written for a while, for ever."""
        seen = self._log.size
        while not self._log.broken:
            await anyio.sleep(self._heartbeat_seconds)
            if self._log.size == seen:
                await self._journal.outcome(self._journal.act("heartbeat", "/", subject=OWN), 200, durable=True)
            seen = self._log.size
        await anyio.sleep_forever()

    async def publish(self) -> None:
        """Compare with the checkpoint that was published last, then publish the newest one, for ever."""
        compared = False
        while True:
            try:
                if not compared:
                    await self._compare()
                    compared = True
                if self._free():
                    await self._publish()
            except LogitsError as error:
                if self._log.broken:
                    raise
                self._logger.warning(
                    "the audit log's checkpoint was not published, {code}: {message}",
                    code=Identifier(error.code.value),
                    message=error.message,
                )
                await anyio.sleep(self._checkpoint_seconds)
                continue
            await anyio.sleep(PUBLISH_SECONDS)

    async def _compare(self) -> None:
        try:
            found: dict[str, Any] = await self._client.get(CONFIG_MAPS, NAME, namespace=self._namespace)
        except LogitsError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return
            raise
        data: dict[str, str] = found.get("data") or {}
        origin, size, root = _head(data.get("checkpoint", ""))
        if origin == self._log.origin and size > self._log.size:
            reason = f"the volume holds an older state: {size} entries were published, {self._log.size} are there"
            self._log.give_up(reason)
            raise LogitsError(ErrorCode.CORRUPT, f"{reason}; a new log begins at the next start")
        if origin and origin not in {facts.origin for facts in self._log.logs()}:
            act = self._journal.act("epoch", "/", subject=OWN)
            act.notes.update(
                {
                    "epoch": "unknown-predecessor",
                    "reason": "a log was published that this volume doesn't hold",
                    "previous-origin": origin[:200],
                    "previous-size": str(size),
                    "previous-root": root[:64],
                }
            )
            await self._journal.outcome(act, 200, durable=True)

    async def _publish(self) -> None:
        owner = self._owner()
        if owner is None:
            raise LogitsError(ErrorCode.UNAVAILABLE, "the chart's anchor is not there yet")
        data = {"checkpoint": await self._log.checkpoint(), "key": self._log.verifier, "tls.crt": self._certificate}
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": NAME,
                "namespace": self._namespace,
                "labels": {"app.kubernetes.io/part-of": "logits"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": owner.name, "uid": owner.uid}],
            },
            "data": data,
        }
        await self._client.apply(CONFIG_MAPS, manifest, field_manager="logits-gateway", force=True)


def _head(note: str) -> tuple[str, int, str]:
    lines = note.split("\n")
    if len(lines) < 3 or not (lines[1].isascii() and lines[1].isdigit()):
        return "", 0, ""
    return lines[0], int(lines[1]), lines[2]
