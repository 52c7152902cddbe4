"""The way to the first answer: vendor side, release, Gateway, components, model, completion."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
from anyio.abc import TaskGroup

from logits_core.errors import ErrorCode, LogitsError
from logits_local.nodes.images import ImageCatalogue
from logits_local.platform.cluster_settings import (
    CUSTOMER_NAMESPACE,
    VENDOR_NAMESPACE,
    ClusterSettings,
)
from logits_local.platform.components import catalogue_components, version
from logits_local.platform.data_directory import DataDirectory
from logits_local.platform.invented import ACCOUNT_EMAIL, InventedSecrets, fingerprint
from logits_local.platform.manifests import apply_all, rendered
from logits_local.platform.models import ModelFile, enable
from logits_local.platform.readiness import missing
from logits_local.platform.stages import Stage, Stages
from logits_shell.kubernetes.client import KubernetesClient
from logits_shell.kubernetes.reflector import Reflector
from logits_shell.kubernetes.resources import PODS

_VENDOR = ("ops-api", "accounts")
_COMPONENTS = ("entity-db", "api-server", "ingress-proxy", "console", "collector")
_QUESTION = "What is the Gateway?"
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Chain:
    """Everything that the way needs.

    Attributes:
        data: the data directory.
        settings: the cluster's ports.
        invented: secrets.
        client: the cluster's API.
        checkout: where charts and models are.
        stages: where progress is shown.
        patience: seconds that one stage may take.
    """

    data: DataDirectory
    settings: ClusterSettings
    invented: InventedSecrets
    client: KubernetesClient
    checkout: Path
    stages: Stages
    patience: float = 120.0

    @property
    def url(self) -> str:
        """The platform's own entry."""
        return f"http://127.0.0.1:{self.settings.port}"

    async def run(self, models: Iterable[ModelFile]) -> str:
        """Go all the way; the text of the first answer, empty when every model is disabled.

        Raises:
            LogitsError: a stage failed or took too long; says what it waited for.
        """
        answer = ""
        references = catalogue_components(ImageCatalogue(self.data.images), self.checkout / "models")
        async with anyio.create_task_group() as group:
            pods = await self._watched_pods(group)
            with self.stages.stage("Accounts and Ops API") as stage:
                await self._apply_vendor(references)
                await self._ready(_VENDOR, pods, stage)
            with self.stages.stage("Signed release published") as stage:
                await self._release(references, stage)
            with self.stages.stage("Gateway verified it and runs the Controller") as stage:
                # Not earlier: a Gateway whose key isn't known yet waits long before it asks again.
                await self._apply_customer(references)
                await self._ready(("gateway", "controller"), pods, stage)
            with self.stages.stage("Controller runs the components") as stage:
                await self._ready(_COMPONENTS, pods, stage)
            for model in models:
                with self.stages.stage(f"Model {model.name}") as stage:
                    if await self._model(model, stage) and not answer:
                        answer = await self._first_answer(model, stage)
            group.cancel_scope.cancel()
        return answer

    async def _watched_pods(self, group: TaskGroup) -> Reflector:
        pods = Reflector(self.client, PODS)
        group.start_soon(pods.run)
        await pods.synced.wait()
        return pods

    async def _ready(self, components: tuple[str, ...], pods: Reflector, stage: Stage) -> None:
        with self._limit(stage):
            while True:
                seen = pods.changes.count
                waiting = missing(components, pods.objects.values())
                if not waiting:
                    return
                stage.waits_for("; ".join(f"{name}: {why}" for name, why in waiting.items()))
                await pods.wait_change(seen)

    async def _apply_vendor(self, references: dict[str, str]) -> None:
        environment = {
            "name": "This machine",
            "envID": self.invented.env_id,
            "envKey": self.invented.env_key,
        }
        bootstrap = {
            "email": ACCOUNT_EMAIL,
            "password": self.invented.password,
            "organisation": "My organisation",
            "environment": environment,
        }
        # Late: reading TUF metadata needs libraries that would slow down every other command.
        from logits_local.platform.release import director_key

        values = {
            # Inside a quoted text of YAML, where a line break would be folded away.
            "DIRECTOR_KEY": director_key(self.data.root).replace("\n", "\\n"),
            "ACCOUNTS_IMAGE": references["accounts"],
            "OPS_API_IMAGE": references["ops-api"],
            "OPERATOR_TOKEN_SHA256": fingerprint(self.invented.operator_token),
            "SERVICE_TOKEN": self.invented.service_token,
            "SERVICE_TOKEN_SHA256": fingerprint(self.invented.service_token),
            "BOOTSTRAP": base64.b64encode(json.dumps(bootstrap).encode()).decode(),
        }
        documents = rendered(self.checkout / "helm" / "vendor" / "static.yaml", values)
        await apply_all(self.client, VENDOR_NAMESPACE, documents)

    async def _apply_customer(self, references: dict[str, str]) -> None:
        from logits_local.platform.release import pins

        pinned = pins(self.data.root)
        values = {
            "ENV_ID": self.invented.env_id,
            "ENV_KEY": self.invented.env_key,
            "GATEWAY_IMAGE": references["gateway"],
            "OPS_API_URL": f"http://logits-ops-api.{VENDOR_NAMESPACE}:8080",
            "IMAGES_ROOT": pinned.images,
            "DIRECTOR_ROOT": pinned.director,
        }
        documents = rendered(self.checkout / "helm" / "gateway" / "static.yaml", values)
        await apply_all(self.client, CUSTOMER_NAMESPACE, documents)

    async def _release(self, references: dict[str, str], stage: Stage) -> None:
        from logits_local.platform.release import current_release, desire, publish, release_desk

        desk = release_desk(self.data.root)
        current_release(desk, references, version())
        url = f"http://127.0.0.1:{self.settings.ops_api_port}"
        operator = {"Authorization": f"Bearer {self.invented.operator_token}"}
        async with httpx.AsyncClient(base_url=url, headers=operator, trust_env=False, timeout=10) as http:
            stage.waits_for("the Ops API to take the release")
            await self._eventually(lambda: _done(publish(http, desk)), stage)
            stage.waits_for("Accounts to make the environment known")
            await self._eventually(lambda: desire(http, self.invented.env_id, version()), stage)

    async def _model(self, model: ModelFile, stage: Stage) -> bool:
        """Enable a model and wait until it serves; False when a person has disabled it."""
        enabled: list[bool] = []
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=10) as http:

            async def made() -> bool:
                enabled.append(await enable(http, model))
                return True

            async def serving() -> bool:
                found = await http.get(f"/entities/modeldeployments/{model.name}")
                status: dict[str, Any] = found.json().get("status") or {} if found.is_success else {}
                stage.waits_for(_explain(status))
                return status.get("stage") == "Ready"

            stage.waits_for("the Entity DB behind the Ingress Proxy")
            await self._eventually(made, stage)
            if enabled[-1]:
                await self._eventually(serving, stage)
        return enabled[-1]

    async def _first_answer(self, model: ModelFile, stage: Stage) -> str:
        body = {"model": model.name, "messages": [{"role": "user", "content": _QUESTION}], "max_tokens": 64}
        texts: list[str] = []

        async def answered() -> bool:
            async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=60) as http:
                answer = await http.post("/api/v1/chat/completions", json=body)
            if not answer.is_success:
                stage.waits_for(f"the first answer: {answer.status_code} {answer.text[:200]}")
                return False
            texts.append(str(answer.json()["choices"][0]["message"]["content"]))
            return True

        stage.waits_for("the first answer")
        await self._eventually(answered, stage)
        return texts[0]

    async def _eventually(self, attempt: Callable[[], Awaitable[bool]], stage: Stage) -> None:
        """Try until it works; the API behind may have just started to listen."""
        with self._limit(stage):
            while True:
                try:
                    if await attempt():
                        return
                except (httpx.TransportError, LogitsError) as failure:
                    if isinstance(failure, LogitsError) and failure.code is not ErrorCode.UNAVAILABLE:
                        raise
                    stage.waits_for(str(failure))
                await anyio.sleep(_POLL_SECONDS)

    @contextmanager
    def _limit(self, stage: Stage) -> Generator[None]:
        """End a stage that takes too long with an error that says what it waited for."""
        try:
            with anyio.fail_after(self.patience):
                yield
        except TimeoutError:
            waited = f"gave up after {self.patience:g} s waiting for {stage.detail or 'this'}"
            advice = "see 'logits status' and 'logits logs COMPONENT'"
            raise LogitsError(ErrorCode.UPSTREAM_TIMEOUT, f"{waited}; {advice}") from None


async def _done(work: Awaitable[None]) -> bool:
    await work
    return True


def _explain(status: dict[str, Any]) -> str:
    conditions: list[dict[str, Any]] = status.get("conditions") or []
    messages = [str(c.get("message", "")) for c in conditions if c.get("type") == "Ready"]
    return " ".join(part for part in (str(status.get("stage", "the Controller")), *messages) if part)
