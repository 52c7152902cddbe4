"""A process that writes entities until it is killed, and says on its output what was acknowledged."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import anyio
from prometheus_client import CollectorRegistry

from logits_core.entities.changes import Verb, Write
from logits_core.entities.kinds import kind_of
from logits_entity_db.adapters.volume import Volume
from logits_entity_db.adapters.writer import Writer
from logits_entity_db.metrics import Metrics

WRITERS = 4


async def main(directory: Path, life: str) -> None:
    volume = Volume(directory)
    await volume.lock(10, life)
    with volume.opened(datetime.now(UTC)) as store:
        writer = Writer(store, Metrics.create(CollectorRegistry()), lambda _: None, queue_limit=64, group_limit=8)

        async def write_for_ever(number: int) -> None:
            count = 0
            while True:
                count += 1
                name = f"e-{life}-{number}-{count}"
                body = {"metadata": {"name": name}, "spec": {"model": "m"}}
                entity = await writer.submit(
                    Write(verb=Verb.CREATE, kind=kind_of("modeldeployments"), name=name, body=body, now="now")
                )
                sys.stdout.write(f"{name} {entity.metadata.resource_version}\n")
                sys.stdout.flush()

        async with anyio.create_task_group() as group:
            group.start_soon(writer.run)
            for number in range(WRITERS):
                group.start_soon(write_for_ever, number)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
