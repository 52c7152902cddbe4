"""A small asynchronous client of the Kubernetes API over plain dictionaries."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from logits_shell.kubernetes.credentials import ClusterAccess, Credentials
from logits_shell.kubernetes.errors import malformed
from logits_shell.kubernetes.events import WatchEvent, checked, decode_event
from logits_shell.kubernetes.lines import LineSplitter, LineTooLongError
from logits_shell.kubernetes.resources import PODS, KubernetesObject, Resource
from logits_shell.kubernetes.session import APPLY_BODY, JSON_BODY, MERGE_PATCH_BODY, Call, Limits, Session

Propagation = Literal["Background", "Foreground", "Orphan"]

_WATCH_LINE_BYTES = 8 << 20  # an object is at most about 3 MB with its managed fields


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects of one list and the version from which a watch continues without a gap."""

    items: tuple[KubernetesObject, ...]
    resource_version: str


class KubernetesClient:
    """Reads and writes objects of one API server.

    Objects are the decoded JSON of the server. Every method raises KubernetesError: its
    ``http_status`` is 0 when there was no answer, and it carries the server's reason and causes.

    Args:
        base_url: the API's root, for example ``http://logits-gateway:8080/kubernetes``.
        credentials: who we are.
        verify: TLS trust; True is the system's.
        user_agent: what the audit log shows.
        limits: bounds of memory and time.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        verify: ssl.SSLContext | bool = True,
        user_agent: str = "logits",
        limits: Limits | None = None,
    ) -> None:
        self._session = Session(base_url, credentials, verify=verify, user_agent=user_agent, limits=limits or Limits())

    @classmethod
    def connect(cls, access: ClusterAccess, *, user_agent: str = "logits") -> Self:
        """A client for an access that ``in_cluster`` found."""
        return cls(access.base_url, access.credentials, verify=access.verify, user_agent=user_agent)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.aclose()

    # -- reading

    async def get_path(self, path: str) -> Any:
        """The JSON at any path, for example ``/version`` or ``/openid/v1/jwks``."""
        return await self._session.send(Call("GET", path, {}))

    async def get(self, resource: Resource, name: str, *, namespace: str | None = None) -> KubernetesObject:
        """One object."""
        return await self._session.send(Call("GET", resource.path(namespace=namespace, name=name), {}))

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        page: int = 500,
    ) -> Listing:
        """All objects that match, read in pages; without a namespace those of all namespaces."""
        path = resource.path(namespace=namespace)
        query = _selectors(label_selector, field_selector) | {"limit": str(page)}
        items: tuple[KubernetesObject, ...] = ()
        while True:
            answer = await self._session.send(Call("GET", path, query))
            try:
                metadata = answer["metadata"]
                items += tuple(checked(item) for item in answer["items"] or ())
                version = str(metadata["resourceVersion"])
            except (TypeError, KeyError, ValueError) as failure:
                raise malformed("GET", path) from failure
            if not metadata.get("continue"):
                break
            query["continue"] = metadata["continue"]
        for item in items:  # servers leave these out of list items; consumers want whole objects
            item.setdefault("apiVersion", resource.api_version)
            item.setdefault("kind", resource.kind)
        return Listing(items, version)

    async def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int = 270,
        silence_seconds: float = 90.0,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after a version, until the server ends the stream; wrap it in ``aclosing``.

        Args:
            resource: what to watch.
            resource_version: where to start, from a listing or an earlier event.
            namespace: restricts to one namespace.
            label_selector: restricts by label.
            field_selector: restricts by field.
            timeout_seconds: when the server shall end the stream.
            silence_seconds: the longest wait for the next byte.

        Raises:
            KubernetesError: also for an ERROR event, as the Status in it says.
        """
        path = resource.path(namespace=namespace)
        query = _selectors(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
        }
        splitter = LineSplitter(_WATCH_LINE_BYTES)
        async with self._session.stream(Call("GET", path, query), silence_seconds=silence_seconds) as chunks:
            async for chunk in chunks:
                try:
                    lines = splitter.feed(chunk)
                except LineTooLongError as failure:
                    raise malformed("GET", path) from failure
                for line in lines:
                    yield decode_event(path, line)

    async def pod_log(
        self,
        name: str,
        *,
        namespace: str,
        container: str | None = None,
        follow: bool = False,
        previous: bool = False,
        timestamps: bool = False,
        tail_lines: int | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The output of a container, in chunks as they arrive; wrap it in ``aclosing``."""
        flags = {"follow": follow, "previous": previous, "timestamps": timestamps}
        query = {flag: "true" for flag, wanted in flags.items() if wanted}
        if container is not None:
            query["container"] = container
        if tail_lines is not None:
            query["tailLines"] = str(tail_lines)
        path = PODS.path(namespace=namespace, name=name, subresource="log")
        call = Call("GET", path, query, accept="*/*")
        async with self._session.stream(call, silence_seconds=None if follow else 30.0) as chunks:
            async for chunk in chunks:
                yield chunk

    # -- writing

    async def create(
        self,
        resource: Resource,
        body: KubernetesObject,
        *,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> KubernetesObject:
        """Create an object; the namespace may also stand in its metadata."""
        path = resource.path(namespace=_namespace(resource, body, namespace))
        return await self._session.send(Call("POST", path, _dry_run(dry_run), body))

    async def create_subresource(
        self,
        resource: Resource,
        name: str,
        subresource: str,
        body: KubernetesObject,
        *,
        namespace: str | None = None,
    ) -> KubernetesObject:
        """POST to a subresource, for example ``token`` of a ServiceAccount."""
        path = resource.path(namespace=namespace, name=name, subresource=subresource)
        return await self._session.send(Call("POST", path, {}, body))

    async def replace(
        self,
        resource: Resource,
        body: KubernetesObject,
        *,
        namespace: str | None = None,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> KubernetesObject:
        """Replace an object; a resourceVersion in its metadata makes it a compare-and-swap."""
        path = resource.path(
            namespace=_namespace(resource, body, namespace),
            name=body["metadata"]["name"],
            subresource=subresource,
        )
        return await self._session.send(Call("PUT", path, _dry_run(dry_run), body))

    async def apply(
        self,
        resource: Resource,
        body: KubernetesObject,
        *,
        field_manager: str,
        force: bool = False,
        namespace: str | None = None,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> KubernetesObject:
        """Server-side apply: create the object or take over exactly the fields in the body.

        Args:
            resource: the kind.
            body: the fields to own, with apiVersion, kind and metadata.name.
            field_manager: the owner; fields it applied before and left out now are removed.
            force: take fields from other managers instead of failing with a conflict.
            namespace: where, when the metadata doesn't say it.
            subresource: for example ``status``.
            dry_run: let the server check and answer, and change nothing.
        """
        path = resource.path(
            namespace=_namespace(resource, body, namespace),
            name=body["metadata"]["name"],
            subresource=subresource,
        )
        query = {"fieldManager": field_manager, "force": "true" if force else "false"} | _dry_run(dry_run)
        return await self._session.send(Call("PATCH", path, query, body, APPLY_BODY))

    async def merge_patch(
        self,
        resource: Resource,
        name: str,
        patch: KubernetesObject,
        *,
        namespace: str | None = None,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> KubernetesObject:
        """JSON merge patch: None removes a field; metadata.resourceVersion makes it a compare-and-swap."""
        path = resource.path(namespace=namespace, name=name, subresource=subresource)
        return await self._session.send(Call("PATCH", path, _dry_run(dry_run), patch, MERGE_PATCH_BODY))

    async def patch_status(
        self, resource: Resource, name: str, status: Mapping[str, Any], *, namespace: str | None = None
    ) -> KubernetesObject:
        """Merge these fields into the object's status."""
        return await self.merge_patch(
            resource, name, {"status": dict(status)}, namespace=namespace, subresource="status"
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str | None = None,
        propagation: Propagation = "Background",
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
    ) -> KubernetesObject:
        """Delete an object.

        Args:
            resource: the kind.
            name: its name.
            namespace: where it lives.
            propagation: what happens to the objects that it owns.
            uid: delete only this very incarnation; otherwise a conflict.
            resource_version: delete only this version; otherwise a conflict.
            grace_seconds: for pods, how long they may take to end; 0 removes the object at once.
        """
        preconditions = {
            key: value for key, value in (("uid", uid), ("resourceVersion", resource_version)) if value is not None
        }
        body: KubernetesObject = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
        }
        if preconditions:
            body["preconditions"] = preconditions
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        path = resource.path(namespace=namespace, name=name)
        return await self._session.send(Call("DELETE", path, {}, body, JSON_BODY))


def _selectors(label_selector: str | None, field_selector: str | None) -> dict[str, str]:
    query: dict[str, str] = {}
    if label_selector:
        query["labelSelector"] = label_selector
    if field_selector:
        query["fieldSelector"] = field_selector
    return query


def _dry_run(wanted: bool) -> dict[str, str]:
    return {"dryRun": "All"} if wanted else {}


def _namespace(resource: Resource, body: KubernetesObject, namespace: str | None) -> str | None:
    if not resource.namespaced:
        return None
    found = namespace or body.get("metadata", {}).get("namespace")
    if not found:
        raise ValueError(f"{resource.kind} needs a namespace: in its metadata or as an argument")
    return found
