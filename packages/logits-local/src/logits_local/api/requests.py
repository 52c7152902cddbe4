"""What an HTTP request asks of the API server: its resource, verb, options and body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import msgspec
import yaml

from logits_local.api.authorization import Attributes
from logits_local.api.errors import StatusError, bad_request, no_such_path
from logits_local.api.resources import BY_PATH, Object, Target
from logits_local.api.writes import WriteOptions

MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
_OBJECTS = ("application/json", "application/yaml")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}


@dataclass(frozen=True, slots=True)
class Request:
    """A decoded request head with its body.

    Attributes:
        method: HTTP method.
        path: decoded path.
        query: last value of every query parameter.
        headers: by name.
        body: raw body.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

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
            raise bad_request(f'{name}: Invalid value: "{text}": must be a whole number of 0 or more')
        return int(text) if text else None

    def decode(self, *accepted: str) -> Object:
        """The body as an object: JSON, or YAML where the media type says so.

        Args:
            accepted: media types; those of whole objects when none is given.

        Raises:
            StatusError: UnsupportedMediaType or BadRequest.
        """
        kind, known = self.content_type or "application/json", accepted or _OBJECTS
        if kind not in known:
            listed = ", ".join(known)
            message = f"the body of the request was in an unknown format - accepted media types include: {listed}"
            raise StatusError("UnsupportedMediaType", message)
        try:
            value = yaml.safe_load(self.body) if kind.endswith("yaml") else msgspec.json.decode(self.body)
        except (msgspec.DecodeError, yaml.YAMLError, RecursionError) as error:
            raise bad_request(f"the object provided is unrecognized: {error}") from None
        if not isinstance(value, dict):
            raise bad_request("the object provided is unrecognized: the body is no JSON object")
        return cast(Object, value)

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
        return WriteOptions(
            self.query.get("fieldManager") or agent[:128], dry == "All", strictness, self.is_set("force")
        )


def resource_target(path: str) -> Target | None:
    """The resource that a path names, or None when it is no resource path.

    Raises:
        StatusError: NotFound for a resource path that names no known resource.
    """
    match path.strip("/").split("/"):
        case ["api", "v1", first, *more]:
            group, rest = "", [first, *more]
        case ["apis", group, "v1", first, *more]:
            rest = [first, *more]
        case _:
            return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and (group or rest[2] != "status"):
        namespace, rest = rest[1], rest[2:]
    kind = BY_PATH.get((group, rest[0]))
    name, subresource = (*rest[1:], "", "")[:2]
    if kind is None or len(rest) > 3 or (subresource and subresource not in kind.subresources):
        raise no_such_path()
    if namespace if not kind.namespaced else name and not namespace:
        raise no_such_path()
    return Target(kind, namespace, name, subresource)


def attributes(request: Request, target: Target | None) -> Attributes:
    """What the request wants to do, as the authorizer sees it."""
    verb = _VERBS.get(request.method, "get")
    if target is None:
        return Attributes(verb, path=request.path)
    if not target.name:
        reading = "watch" if request.is_set("watch") else "list"
        verb = {"get": reading, "delete": "deletecollection"}.get(verb, verb)
    resource = target.kind.plural + (f"/{target.subresource}" if target.subresource else "")
    namespace = target.name if target.kind.key == "namespaces" else target.namespace
    return Attributes(verb, request.path, target.kind.group, resource, namespace, target.name)
