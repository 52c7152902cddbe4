"""The site under attack: a Gateway before the embedded API server, and before a real one when it is named."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from attacks.wire import Answer, exchange, request
from logits_core.reconcile.manifests import Site as ManifestSite
from logits_core.reconcile.manifests import Workload, deployment
from logits_core.reconcile.state import Anchor, Customizations
from logits_shell.kubernetes import CONFIG_MAPS
from simulators.gateway_site import CLUSTERS, NAMESPACE, REAL, Site, gateway_site, image

VERSION = "0.2.0"
"""Of the release in force."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Attacker:
    """A component that was taken over, with its own good token.

    Attributes:
        site: what it attacks.
        token: the Controller's.
        anchor: UID of the release's anchor.
    """

    site: Site
    token: str
    anchor: str

    async def send(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        content_type: str = "",
        headers: list[tuple[str, str]] | None = None,
        token: str | None = None,
    ) -> Answer:
        """Send a request as it stands, with the Controller's token unless another is given (empty for none)."""
        given = list(headers or [])
        if content_type:
            given.append(("Content-Type", content_type))
        bearer = self.token if token is None else token
        if bearer:
            given.append(("Authorization", f"Bearer {bearer}"))
        return await exchange(self.site.url, request(method, target, given, body))

    def record(self, answer: Answer) -> dict[str, Any]:
        """The audit record that an answer's receipt names."""
        assert answer.receipt >= 0, (answer.status, answer.body)
        return json.loads(self.site.audit[answer.receipt])["event"]

    def workload(self, change: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """A Deployment that passes, but for what the change makes of its pods."""
        site = ManifestSite(NAMESPACE, Anchor("logits-anchor", self.anchor), Customizations(), VERSION, "IfNotPresent")
        made = deployment(Workload(name="logits-console", component="console", image=image("console", VERSION)), site)
        if change is not None:
            change(made["spec"]["template"])
        return made


@pytest.fixture(scope="module", params=CLUSTERS)
async def attacker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Attacker]:
    """A site with a Controller that was taken over, shared by a module's attacks."""
    kubeconfig = Path(os.environ[REAL]) if request.param == "real" else None
    async with gateway_site(tmp_path_factory.mktemp("site"), kubeconfig=kubeconfig) as site:
        site.ops.want(site.signed(2))
        await site.controller_runs(2)
        token = await site.token(await site.pod("logits-controller-taken", "controller"))
        anchor = await site.admin.get(CONFIG_MAPS, "logits-anchor", namespace=NAMESPACE)
        yield Attacker(site, token, anchor["metadata"]["uid"])
