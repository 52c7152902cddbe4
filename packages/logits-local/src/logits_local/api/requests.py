"""What an HTTP request asks of the API server: its resource, verb, options and body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qs, unquote

import msgspec
import yaml

from logits_local.api.authorization import Attributes
from logits_local.api.errors import StatusError, bad_request, no_such_path
from logits_local.api.resources import BY_PATH, Object, ResourceType
from logits_local.api.writes import Target, WriteOptions

BODY_LIMIT = 3 * 1024 * 1024
"""Bytes of a request body, as in Kubernetes."""

_YAML_TYPES = ("application/yaml", "application/apply-patch+yaml")
_BODY_TYPES = ("application/json", "application/yaml")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}
_ON_COLLECTION = {"GET": "list", "HEAD": "list", "DELETE": "deletecollection"}


@dataclass(frozen=True, slots=True)
class Request:
    """A decoded request head with its body.

    Attributes:
        method: HTTP method.
        path: decoded path.
        query: last value of every query parameter.
        headers: lower-case names.
        body: raw body.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    @classmethod
    def parse(cls, scope: dict[str, Any], body: bytes) -> Request:
        """From an ASGI scope."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        pairs = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query = {name: values[-1] for name, values in pairs.items()}
        return cls(scope["method"], scope["path"], query, headers, body)

    @property
    def content_type(self) -> str:
        """The media type of the body without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def is_set(self, name: str) -> bool:
        """Whether a boolean query parameter is on."""
        return self.query.get(name, "").lower() in ("1", "true")

    def number(self, name: str) -> int | None:
        """A query parameter that is a whole number.

        Raises:
            StatusError: BadRequest naming the parameter.
        """
        text = self.query.get(name, "")
        if text and not text.isdigit():
            raise bad_request(f"{name}: {text!r} is no whole number of 0 or more")
        return int(text) if text else None

    def decode(self) -> Object:
        """The body as an object.

        Raises:
            StatusError: UnsupportedMediaType or BadRequest.
        """
        kind = self.content_type or "application/json"
        if kind not in _BODY_TYPES:
            accepted = ", ".join(_BODY_TYPES)
            message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
            raise StatusError("UnsupportedMediaType", message)
        return _object(self.decode_any())

    def decode_patch(self) -> Object:
        """The body of a patch that is an object, whatever its media type.

        Raises:
            StatusError: BadRequest.
        """
        return _object(self.decode_any())

    def decode_any(self) -> Any:
        """The body as JSON, or as YAML where the media type says so.

        Raises:
            StatusError: BadRequest.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError) as error:
            if self.content_type not in _YAML_TYPES:
                message = f"the object provided is unrecognized: couldn't get version/kind; json parse error: {error}"
                raise bad_request(message) from None
        try:
            return yaml.safe_load(self.body)
        except (yaml.YAMLError, RecursionError) as error:
            raise bad_request(f"the object provided is unrecognized: yaml parse error: {error}") from None

    def write_options(self) -> WriteOptions:
        """The options of a write.

        Raises:
            StatusError: BadRequest for a value that an option doesn't have.
        """
        dry, strictness = self.query.get("dryRun", ""), self.query.get("fieldValidation", "") or "Warn"
        if dry not in ("", "All"):
            raise bad_request(f'dryRun: unsupported value: "{dry}": supported values: "All"')
        if strictness not in ("Strict", "Warn", "Ignore"):
            raise bad_request(f'fieldValidation: unsupported value: "{strictness}": use Strict, Warn or Ignore')
        agent = self.headers.get("user-agent", "").partition("/")[0] or "unknown"
        manager = self.query.get("fieldManager") or agent[:128]
        return WriteOptions(manager, dry == "All", strictness, self.is_set("force"))


def _object(value: Any) -> Object:
    if not isinstance(value, dict):
        raise bad_request("the object provided is unrecognized: the body is no JSON object")
    return cast(Object, value)


def resource_target(path: str) -> Target | None:
    """The resource that a path names, or None when it is no resource path.

    Raises:
        StatusError: NotFound for a resource path that names no known resource.
    """
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) >= 3 and parts[1] == "v1":
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4 and parts[2] == "v1":
        group, rest = parts[1], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and (group or rest[2] not in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    kind = BY_PATH.get((group, rest[0]))
    name, subresource = (*rest[1:], "", "")[:2]
    if kind is None or len(rest) > 3 or not _fits(kind, namespace, name, subresource):
        raise no_such_path()
    return Target(kind, namespace, name, subresource)


def _fits(kind: ResourceType, namespace: str, name: str, subresource: str) -> bool:
    if subresource and subresource not in kind.subresources:
        return False
    return not namespace if not kind.namespaced else bool(namespace) or not name


def attributes(request: Request, target: Target | None) -> Attributes:
    """What the request wants to do, as the authorizer sees it."""
    if target is None:
        return Attributes(_VERBS.get(request.method, "get"), path=request.path)
    verb = _VERBS.get(request.method, "get")
    if not target.name:
        verb = _ON_COLLECTION.get(request.method, verb)
        verb = "watch" if verb == "list" and request.is_set("watch") else verb
    resource = target.kind.plural + (f"/{target.subresource}" if target.subresource else "")
    namespace = target.name if target.kind.key == "namespaces" else target.namespace
    return Attributes(verb, request.path, target.kind.group, resource, namespace, target.name)
