"""The API server as a Litestar app: who asks, may they, what do they get."""

from __future__ import annotations

import traceback
from typing import Any

from litestar import Litestar, Response, route
from litestar import Request as HttpRequest
from litestar.exceptions import HTTPException
from litestar.response.base import ASGIResponse

from logits_local.api.authentication import Authenticator
from logits_local.api.authorization import Authorizer
from logits_local.api.changes import Changer
from logits_local.api.discovery import document
from logits_local.api.errors import StatusError, no_such_path
from logits_local.api.keys import TokenKey
from logits_local.api.reads import Reader
from logits_local.api.requests import Request, attributes, resource_target
from logits_local.api.resources import Target
from logits_local.api.responses import JSON, answer, text
from logits_local.api.writes import Writer

BODY_LIMIT = 3 * 1024 * 1024
"""Bytes of a request body, as in Kubernetes."""

HEALTH = ("/healthz", "/livez", "/readyz")
ON_COLLECTION = ("GET", "HEAD", "POST")
METHODS: dict[str, tuple[str, ...]] = {
    "": ("GET", "HEAD", "PUT", "PATCH", "DELETE"),
    "status": ("GET", "HEAD", "PUT", "PATCH"),
    "log": ("GET", "HEAD"),
    "token": ("POST",),
    "binding": ("POST",),
}
"""Subresource -> the methods that it takes."""


class Api:
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

    def answer(self, request: Request) -> ASGIResponse:
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
            return text("ok")
        found = document(path, self._address, self._key.jwks)
        if found is None:
            raise no_such_path()
        return answer(found)

    def _resource(self, request: Request, target: Target) -> ASGIResponse:
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
        value, kind = written.value, target.kind.kind
        if value["kind"] == kind:
            value = form.one(kind, value)
        return answer(value, 201 if written.created else 200, written.warnings)

    def _read(self, request: Request, target: Target) -> ASGIResponse:
        if not target.name:
            return (self._reader.watch if request.is_set("watch") else self._reader.list)(request, target)
        live = self._writer.read(target)
        if target.subresource == "log":
            return self._reader.log(request, live)
        return answer(self._reader.form(request).one(target.kind.kind, live))


def create_app(api: Api) -> Litestar:
    """The app that serves the API; every refusal is a Status."""

    @route(["/", "/{path:path}"], http_method=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    async def serve(request: HttpRequest[Any, Any, Any]) -> ASGIResponse:
        query = dict(request.query_params.multi_items())
        body = await request.body()
        return api.answer(Request(request.method, request.scope["path"], query, request.headers, body))

    return Litestar(
        route_handlers=[serve],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=BODY_LIMIT,
        exception_handlers={StatusError: _refused, HTTPException: _unserved, Exception: _failed},
    )


def _refused(_: object, error: StatusError) -> Response[dict[str, Any]]:
    return Response(error.encode(), status_code=error.http_status, media_type=JSON)


def _unserved(request: object, error: HTTPException) -> Response[dict[str, Any]]:
    """What Litestar itself refuses."""
    if error.status_code == 413:
        too_large = f"Request entity too large: limit is {BODY_LIMIT}"
        return _refused(request, StatusError("RequestEntityTooLarge", too_large))
    return _refused(request, _not_allowed() if error.status_code == 405 else no_such_path())


def _failed(request: object, error: Exception) -> Response[dict[str, Any]]:
    traceback.print_exception(error)
    return _refused(request, StatusError("InternalError", f"Internal error occurred: {type(error).__name__}"))


def _not_allowed() -> StatusError:
    return StatusError("MethodNotAllowed", "the server does not allow this method on the requested resource")
