"""The Entity DB over HTTP: one method per verb, refusals as ``LogitsError``."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self, cast

import httpx
import msgspec

from logits_core.entities.model import Entity, JsonObject
from logits_core.entities.status import error_of
from logits_core.errors import ErrorCode, LogitsError
from logits_shell.entities.notices import Notice, notices

PAGE_SIZE: Final = 500
"""Entities asked for at once when listing; a list gathers all pages."""
SILENCE_SECONDS: Final = 40.0
"""Seconds without a byte after which a watch counts as dead; the server says something every 15."""
MERGE_PATCH: Final = "application/merge-patch+json"

Query = dict[str, str]


class EntityClient:
    """Speaks with one Entity DB.

    Every method raises ``LogitsError``: the server's own refusal, or ``UNAVAILABLE`` when it cannot be
    reached. Nothing is retried here; ``EntityCache`` and the callers' loops do that.

    Args:
        base_url: such as ``http://logits-entity-db:8080``.
        http: a client to use instead of an own one, for tests; it stays open at the end.
        timeout_seconds: for each step of a request other than a watch.
    """

    def __init__(self, base_url: str, *, http: httpx.AsyncClient | None = None, timeout_seconds: float = 10.0) -> None:
        self._base_url = base_url.rstrip("/")
        self._owned = http is None
        self._http = http or httpx.AsyncClient(trust_env=False)
        self._timeout = httpx.Timeout(timeout_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._owned:
            await self._http.aclose()

    async def list(self, plural: str, *, selector: str = "") -> tuple[list[Entity], str]:
        """Return all entities of a kind at one moment, and the resource version to watch from."""
        query: Query = {"limit": str(PAGE_SIZE), **({"labelSelector": selector} if selector else {})}
        items: list[Entity] = []
        while True:
            page = await self._send("GET", f"/entities/{plural}", query=query)
            items += [Entity.model_validate(item) for item in cast("list[JsonObject]", page["items"])]
            metadata = cast("dict[str, str]", page["metadata"])
            if not metadata.get("continue"):
                return items, metadata["resourceVersion"]
            query["continue"] = metadata["continue"]

    async def get(self, plural: str, name: str) -> Entity:
        """Return one entity."""
        return _entity(await self._send("GET", f"/entities/{plural}/{name}"))

    async def create(
        self,
        plural: str,
        name: str,
        spec: JsonObject,
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Entity:
        """Create an entity; with an idempotency key, a repetition returns the first answer."""
        metadata = {"name": name, "labels": dict(labels or {}), "annotations": dict(annotations or {})}
        headers = {"idempotency-key": idempotency_key} if idempotency_key else {}
        body = {"metadata": metadata, "spec": spec}
        return _entity(await self._send("POST", f"/entities/{plural}", body=body, headers=headers))

    async def replace(self, plural: str, entity: Entity) -> Entity:
        """Replace metadata and spec of the very revision that ``entity`` carries; status is left alone."""
        return _entity(await self._send("PUT", f"/entities/{plural}/{entity.name}", body=entity.to_json()))

    async def patch(self, plural: str, name: str, patch: JsonObject, *, resource_version: str | None = None) -> Entity:
        """Merge ``patch`` (such as ``{"spec": {"enabled": true}}``) into an entity."""
        return await self._patch(f"/entities/{plural}/{name}", patch, resource_version)

    async def patch_status(
        self, plural: str, name: str, status: JsonObject, *, resource_version: str | None = None
    ) -> Entity:
        """Merge ``status`` into an entity's status; keys left out stay as they are."""
        return await self._patch(f"/entities/{plural}/{name}/status", {"status": status}, resource_version)

    async def delete(self, plural: str, name: str, *, resource_version: str | None = None) -> Entity:
        """Delete an entity (or, with finalizers, mark it as going); return it as it last was."""
        query = {"resourceVersion": resource_version} if resource_version else {}
        return _entity(await self._send("DELETE", f"/entities/{plural}/{name}", query=query))

    async def watch(self, plural: str, resource_version: str, *, selector: str = "") -> AsyncGenerator[Notice, None]:
        """Yield what happens to a kind after ``resource_version``; use it within ``contextlib.aclosing``.

        Raises:
            LogitsError: ``EXPIRED`` when the history doesn't reach back that far: list again.
        """
        query = {"watch": "true", "resourceVersion": resource_version}
        if selector:
            query["labelSelector"] = selector
        timeout = httpx.Timeout(10.0, read=SILENCE_SECONDS)
        try:
            async with self._http.stream(
                "GET", f"{self._base_url}/entities/{plural}", params=query, timeout=timeout
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise _refusal(response)
                async with aclosing(notices(response.aiter_raw())) as events:
                    async for notice in events:
                        yield notice
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    async def _patch(self, path: str, patch: JsonObject, resource_version: str | None) -> Entity:
        if resource_version:
            metadata = cast("JsonObject", patch.get("metadata") or {})
            patch = {**patch, "metadata": {**metadata, "resourceVersion": resource_version}}
        return _entity(await self._send("PATCH", path, body=patch, headers={"content-type": MERGE_PATCH}))

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: JsonObject | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> JsonObject:
        content = None if body is None else msgspec.json.encode(body)
        sent = {} if body is None else {"content-type": "application/json"}
        try:
            response = await self._http.request(
                method,
                self._base_url + path,
                params=query or None,
                content=content,
                headers={**sent, **(headers or {})},
                timeout=self._timeout,
            )
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        if response.is_success:
            return _object(response)
        raise _refusal(response)


def _entity(document: JsonObject) -> Entity:
    return Entity.model_validate(document)


def _object(response: httpx.Response) -> JsonObject:
    try:
        decoded: Any = msgspec.json.decode(response.content)
    except msgspec.MsgspecError:
        decoded = None
    if not isinstance(decoded, dict):
        raise LogitsError(
            ErrorCode.UPSTREAM_FAILED,
            f"The Entity DB answered {response.status_code} with something that is no JSON object.",
        )
    return cast("JsonObject", decoded)


def _refusal(response: httpx.Response) -> LogitsError:
    try:
        return error_of(_object(response))
    except LogitsError as error:
        return error


def _unreachable(error: httpx.HTTPError) -> LogitsError:
    return LogitsError(
        ErrorCode.UNAVAILABLE,
        f"The Entity DB cannot be reached ({type(error).__name__}). Try again shortly.",
        retry_after=1,
    )
