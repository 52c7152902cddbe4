"""The API server as an ASGI application: who asks, may they, what do they get."""

from __future__ import annotations

import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, cast

import anyio

from logits_local.api.authentication import Authenticator
from logits_local.api.authorization import Authorizer
from logits_local.api.changes import Changer, scale
from logits_local.api.discovery import document
from logits_local.api.errors import StatusError, no_such_path
from logits_local.api.keys import TokenKey
from logits_local.api.reads import Reader
from logits_local.api.requests import BODY_LIMIT, Request, attributes, resource_target
from logits_local.api.responses import Response, answer, refusal
from logits_local.api.writes import Target, Writer

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
HEALTH = ("/healthz", "/livez", "/readyz")
ON_COLLECTION = ("GET", "HEAD", "POST", "DELETE")
METHODS: dict[str, tuple[str, ...]] = {
    "": ("GET", "HEAD", "PUT", "PATCH", "DELETE"),
    "status": ("GET", "HEAD", "PUT", "PATCH"),
    "scale": ("GET", "HEAD", "PUT", "PATCH"),
    "log": ("GET", "HEAD"),
    "token": ("POST",),
    "binding": ("POST",),
}
"""Subresource -> the methods that it takes."""


class ApiApp:
    """Authenticates, authorizes and answers every request.

    Args:
        authenticator: tells callers.
        authorizer: tells what they may do.
        reader: answers reads.
        changer: answers writes.
        writer: finds live objects.
        key: the token key, for its public half.
        address: ``host:port`` under which clients reach the server.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorizer: Authorizer,
        reader: Reader,
        changer: Changer,
        writer: Writer,
        key: TokenKey,
        address: str,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._reader = reader
        self._changer = changer
        self._writer = writer
        self._key = key
        self._address = address
        self._streams: set[anyio.CancelScope] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        try:
            body = await _read_body(receive)
            response = self.answer(Request.parse(scope, body))
        except StatusError as error:
            response = refusal(error)
        except Exception as error:  # noqa: BLE001 - the request boundary: one failed request must not end the server
            traceback.print_exception(error)
            response = refusal(StatusError("InternalError", f"Internal error occurred: {type(error).__name__}"))
        await self._send(response, receive, send)

    def answer(self, request: Request) -> Response:
        """The answer to a request.

        Raises:
            StatusError: whatever keeps it from being answered.
        """
        user = self._authenticator.identify(request.headers.get("authorization", ""))
        target = resource_target(request.path)
        self._authorizer.require(user, attributes(request, target))
        if target is not None:
            return self._resource(request, target)
        path = request.path.rstrip("/")
        if request.method not in ("GET", "HEAD"):
            raise _not_allowed()
        if path in HEALTH:
            return Response(200, b"ok", "text/plain")
        found = document(path, self._address, self._writer.schema, self._key.jwks)
        if found is None:
            raise no_such_path()
        return answer(found)

    def _resource(self, request: Request, target: Target) -> Response:
        if request.method not in (METHODS[target.subresource] if target.name else ON_COLLECTION):
            raise _not_allowed()
        if request.method in ("GET", "HEAD"):
            return self._read(request, target)
        act = {
            "POST": self._changer.post,
            "PUT": self._changer.put,
            "PATCH": self._changer.patch,
            "DELETE": self._changer.delete,
        }[request.method]
        form = self._reader.form(request)
        written = act(request, target)
        value, kind = written.value, target.kind
        if value["kind"] == kind.kind:
            value = form.one(kind.kind, value)
        elif value["kind"] == f"{kind.kind}List":
            value = form.many(kind.kind, kind.api_version, value["items"], value["metadata"])
        return answer(value, 201 if written.created else 200, written.warnings)

    def _read(self, request: Request, target: Target) -> Response:
        if not target.name:
            return (self._reader.watch if request.is_set("watch") else self._reader.list)(request, target)
        live = self._writer.read(target)
        if target.subresource == "log":
            return self._reader.log(request, live)
        if target.subresource == "scale":
            return answer(scale(live))
        return answer(self._reader.form(request).one(target.kind.kind, live))

    async def _send(self, response: Response, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": response.status, "headers": response.head()})
        if isinstance(response.body, bytes):
            await send({"type": "http.response.body", "body": response.body})
            return
        async with anyio.create_task_group() as group:
            self._streams.add(group.cancel_scope)
            group.start_soon(_cancel_when_gone, receive, group.cancel_scope)
            try:
                async with aclosing(cast("AsyncGenerator[bytes]", response.body)) as chunks:
                    async for chunk in chunks:
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                self._streams.discard(group.cancel_scope)
                group.cancel_scope.cancel()

    def end_streams(self) -> None:
        """End every watch and followed log, so that the server can stop."""
        for scope in tuple(self._streams):
            scope.cancel()


def _not_allowed() -> StatusError:
    return StatusError("MethodNotAllowed", "the server does not allow this method on the requested resource")


async def _read_body(receive: Receive) -> bytes:
    """The whole request body.

    Raises:
        StatusError: RequestEntityTooLarge.
    """
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > BODY_LIMIT:
            raise StatusError("RequestEntityTooLarge", f"Request entity too large: limit is {BODY_LIMIT}")
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
