"""The keeper publishes the log's checkpoint where the cluster keeps it, beside the volume."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from logits_client.verify import read_checkpoint
from logits_shell.kubernetes import CONFIG_MAPS
from logits_shell.kubernetes.reflector import Reflector
from simulators.gateway_site import NAMESPACE, gateway_site

pytestmark = pytest.mark.anyio


async def test_the_checkpoint_is_published_and_goes_with_the_chart(tmp_path: Path) -> None:
    async with gateway_site(tmp_path) as site, anyio.create_task_group() as group:
        maps = Reflector(site.admin, CONFIG_MAPS, namespace=NAMESPACE)
        group.start_soon(maps.run)
        with anyio.fail_after(30):
            while (published := maps.get("logits-audit-checkpoint")) is None:
                await maps.wait_change(maps.changes.count)
        group.cancel_scope.cancel()
        assert published["data"]["key"] == site.log_key()
        assert read_checkpoint(published["data"]["checkpoint"]).size > 0
        (owner,) = published["metadata"]["ownerReferences"]
        anchor = await site.admin.get(CONFIG_MAPS, "logits-anchor", namespace=NAMESPACE)
        assert (owner["name"], owner["uid"]) == ("logits-anchor", anchor["metadata"]["uid"])
