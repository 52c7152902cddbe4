"""A cluster under contract: an HTTP client for its API server, and how to wait for things there."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import yaml
from anyio.from_thread import start_blocking_portal

from logits_local.api import ApiServer

Object = dict[str, Any]
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
NOWHERE = {"contract.logits.ai/node": "nowhere"}
DEADLINE_SECONDS = 30


@dataclass(frozen=True)
class Cluster:
    """An API server and its administrator."""

    name: str
    url: str
    tls: ssl.SSLContext
    admin: httpx.Client

    def caller(self, token: str | None) -> httpx.Client:
        """A client that calls with this token, or with none."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, verify=self._trust(), headers=headers, trust_env=False, timeout=20)

    def _trust(self) -> ssl.SSLContext:
        """A context with the same authority but no client certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for certificate in self.tls.get_ca_certs(binary_form=True):
            context.load_verify_locations(cadata=certificate)
        return context

    def create(self, path: str, body: Object, **query: str) -> Object:
        """Create an object; fails the test when that fails."""
        return self.ok(self.admin.post(path, json=body, params=query), 201)

    def get(self, path: str, **query: str) -> Object:
        """Get something; fails the test when that fails."""
        return self.ok(self.admin.get(path, params=query))

    def patch(self, path: str, body: Object, kind: str = MERGE, **query: str) -> httpx.Response:
        """Send a patch."""
        return self.admin.patch(path, content=json.dumps(body), headers={"content-type": kind}, params=query)

    def apply(self, path: str, body: Object, manager: str, **query: str) -> httpx.Response:
        """Server-side apply."""
        return self.patch(path, body, APPLY, fieldManager=manager, **query)

    def delete(self, path: str, body: Object | None = None, **query: str) -> httpx.Response:
        """Delete."""
        return self.admin.request("DELETE", path, json=body, params=query)

    @staticmethod
    def ok(response: httpx.Response, *statuses: int) -> Object:
        """The decoded body of a success."""
        assert response.status_code in (statuses or (200, 201)), response.text
        return cast(Object, response.json())

    @contextmanager
    def watch(self, path: str, **query: str) -> Generator[Iterator[tuple[str, Object]]]:
        """The events of a watch."""
        parameters = {"watch": "1", "timeoutSeconds": str(DEADLINE_SECONDS)} | query
        with self.admin.stream("GET", path, params=parameters, timeout=DEADLINE_SECONDS + 5) as response:
            assert response.status_code == 200, response.read()
            yield ((event["type"], event["object"]) for event in map(json.loads, response.iter_lines()))

    def wait(self, collection: str, until: Callable[[list[Object]], bool]) -> None:
        """Wait until a collection looks as it should; watches, never sleeps."""
        listed = self.get(collection)
        items = {item["metadata"]["uid"]: item for item in listed["items"]}
        if until(list(items.values())):
            return
        with self.watch(collection, resourceVersion=listed["metadata"]["resourceVersion"]) as events:
            for kind, value in events:
                items.pop(value["metadata"]["uid"], None)
                if kind != "DELETED":
                    items[value["metadata"]["uid"]] = value
                if until(list(items.values())):
                    return
        raise AssertionError(f"{collection} did not become what was awaited: {list(items.values())}")


@contextmanager
def embedded(directory: Path, **options: Any) -> Generator[Cluster]:
    """The embedded API server, in a thread of its own."""
    started = threading.Event()
    servers: list[ApiServer] = []

    async def serve() -> None:
        servers.append(ApiServer(directory, **options))
        await servers[0].serve(started.set)

    with start_blocking_portal() as portal:
        future = portal.start_task_soon(serve)
        future.add_done_callback(lambda _: started.set())
        try:
            if not started.wait(DEADLINE_SECONDS) or future.done():
                future.result(timeout=0)
            server = servers[0]
            tls = ssl.create_default_context(cafile=str(server.ca_certificate))
            headers = {"authorization": f"Bearer {server.admin_token}"}
            with httpx.Client(base_url=server.url, verify=tls, headers=headers, trust_env=False) as admin:
                yield Cluster("embedded", server.url, tls, admin)
        finally:
            future.cancel()


@contextmanager
def real(kubeconfig: Path, directory: Path) -> Generator[Cluster]:
    """The cluster that a kubeconfig with embedded certificates names."""
    config = cast(Object, yaml.safe_load(kubeconfig.read_text()))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    files: dict[str, Path] = {}
    for name, encoded in (
        ("authority", cluster["certificate-authority-data"]),
        ("certificate", user["client-certificate-data"]),
        ("key", user["client-key-data"]),
    ):
        files[name] = directory / name
        files[name].write_bytes(base64.b64decode(encoded))
    tls = ssl.create_default_context(cafile=str(files["authority"]))
    tls.load_cert_chain(files["certificate"], files["key"])
    with httpx.Client(base_url=cluster["server"], verify=tls, trust_env=False, timeout=20) as admin:
        yield Cluster("real", cluster["server"], tls, admin)


def config_map(name: str, **data: str) -> Object:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(name: str, **spec: Any) -> Object:
    """A Pod that no node takes."""
    containers = [{"name": "main", "image": "example.invalid/nothing"}]
    body = {"containers": containers, "nodeSelector": NOWHERE, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}


def deployment(name: str, *containers: Object) -> Object:
    """A Deployment without replicas."""
    labels = {"app": name}
    held = list(containers) or [{"name": "main", "image": "example.invalid/nothing:1"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": held}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
