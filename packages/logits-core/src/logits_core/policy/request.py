"""Requests to the Kubernetes API: method, path and query become one unambiguous value.

Only plain paths are read: percent signs, empty or dot segments and anything outside a small
alphabet are refused, and the upstream path is rebuilt from the parsed parts, never passed on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy import query as querystring

READS = frozenset({"get", "list", "watch"})
WRITES = frozenset({"create", "update", "patch", "delete"})
MAX_PATH = 512
MAX_QUERY = 4096
MAX_WATCH_SECONDS = 300
"""Watches end at least this often, so that token and policy are looked at again."""

_PATH = re.compile(r"/[A-Za-z0-9._/-]+")
_GROUP = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")
_RESOURCE = re.compile(r"[a-z]+")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ONE_NAME = re.compile(r"metadata\.name=([a-z0-9][a-z0-9.-]*)")
_DISCOVERY = frozenset({"/api", "/apis", "/version", "/openid/v1/jwks"})

_SELECTOR = r"[A-Za-z0-9=!,()._/ -]{0,1024}"
_CLIENT_TIMEOUT = r"[0-9]{1,6}(ms|s|m|h)?"
_READ_QUERY = {
    "labelSelector": _SELECTOR,
    "fieldSelector": _SELECTOR,
    "resourceVersion": r"[0-9]{0,20}",
    "resourceVersionMatch": r"Exact|NotOlderThan",
    "limit": r"[0-9]{1,5}",
    "continue": r"[A-Za-z0-9._=-]{1,2048}",
    "timeoutSeconds": r"[0-9]{1,6}",
    "watch": r"true|false|1|0",
    "allowWatchBookmarks": r"true|false|1|0",
    "timeout": _CLIENT_TIMEOUT,
}
_WRITE_QUERY = {
    "fieldManager": r"[A-Za-z0-9._/-]{1,128}",
    "fieldValidation": r"Strict|Warn|Ignore",
    "force": r"true|false",
    "dryRun": r"All",
}
_QUERIES: dict[str, dict[str, str]] = {
    "get": {"resourceVersion": r"[0-9]{0,20}", "timeout": _CLIENT_TIMEOUT},
    "list": _READ_QUERY,
    "watch": _READ_QUERY,
    "create": _WRITE_QUERY,
    "update": _WRITE_QUERY,
    "patch": _WRITE_QUERY,
    "delete": {"propagationPolicy": r"Background|Foreground", "gracePeriodSeconds": r"[0-9]{1,6}"},
}


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What a request asks for, in the words of the Kubernetes API.

    Attributes:
        verb: get, list, watch, create, update, patch or delete.
        path: the path as it is sent upstream, rebuilt from the other parts.
        group: API group, empty for the core group.
        version: API version, such as ``v1``.
        resource: plural in lower case; empty for paths that are no resource, such as ``/version``.
        subresource: such as ``status``; empty for the object itself.
        namespace: empty when the request spans the cluster.
        name: empty for list, watch and create.
        query: allowed query parameters, each at most once.
    """

    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    query: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def selected_name(self) -> str:
        """The one name that a list or watch asks for by field selector; empty when it asks for more."""
        found = _ONE_NAME.fullmatch(self.query.get("fieldSelector", ""))
        return found[1] if found else ""

    @property
    def mutates(self) -> bool:
        """Whether it changes anything in the cluster."""
        return self.verb in WRITES

    def upstream_target(self, *, seconds_left: float) -> str:
        """Path and query as they are sent to the API server.

        Args:
            seconds_left: how long the caller's token is still good; a watch ends before.
        """
        # How long the client itself waits is kubectl's business; what the server is asked is ours.
        query = {key: value for key, value in self.query.items() if key not in ("watch", "timeout")}
        if self.verb == "watch":
            wanted = int(query.get("timeoutSeconds", MAX_WATCH_SECONDS)) or MAX_WATCH_SECONDS
            query["timeoutSeconds"] = str(max(1, min(wanted, MAX_WATCH_SECONDS, int(seconds_left))))
            query["watch"] = "true"
        elif self.verb in ("create", "update", "patch"):
            query["fieldValidation"] = "Strict"
        return f"{self.path}?{querystring.encode(query)}" if query else self.path


@lru_cache(maxsize=256)
def parse(method: str, path: str, query: str) -> RequestInfo:
    """Read a request line below ``/kubernetes``; a controller asks for the same things again and again.

    Args:
        method: the HTTP method.
        path: the raw path, never percent-decoded.
        query: the raw query string without its question mark.

    Raises:
        LogitsError: MALFORMED for odd paths and queries, METHOD_NOT_ALLOWED for odd methods.
    """
    segments = _segments(path)
    if method not in ("GET", *_VERBS):
        raise LogitsError(ErrorCode.METHOD_NOT_ALLOWED, f"the method {method[:16]!r} is not offered here")
    parts = _discovery(path, segments)
    if parts is None:
        parts = _resource_parts(segments)
    given = _parse_query(query)
    verb = _verb(method, parts, given)
    _check_query(verb, given)
    return RequestInfo(verb=verb, path=_rebuild(path, parts), query=given, **parts)


def _bad(message: str, field_name: str = "path") -> LogitsError:
    return LogitsError(ErrorCode.MALFORMED, message, field=field_name)


def _segments(path: str) -> list[str]:
    if len(path) > MAX_PATH or not _PATH.fullmatch(path):
        raise _bad("the path has characters that Kubernetes paths don't need, or is too long")
    segments = path[1:].split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise _bad("the path has empty or dot segments")
    return segments


def _discovery(path: str, segments: list[str]) -> dict[str, str] | None:
    """Empty parts for paths that describe the API instead of naming a resource."""
    if path in _DISCOVERY:
        return {}
    versioned = (segments[0] == "api" and len(segments) == 2) or (
        segments[0] == "apis" and len(segments) in (2, 3) and _GROUP.fullmatch(segments[1])
    )
    return {} if versioned and (len(segments) == 2 or _VERSION.fullmatch(segments[-1])) else None


def _resource_parts(segments: list[str]) -> dict[str, str]:
    group, version, rest = _group_version(segments)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        raise _bad("the path goes on behind the subresource")
    resource, name, subresource = (*rest, "", "")[:3]
    if resource in ("watch", "proxy") or not _RESOURCE.fullmatch(resource):
        raise _bad("the path has no resource in its usual form; legacy prefixes are not offered")
    for part, pattern in ((namespace, _NAME), (name, _NAME), (subresource, _RESOURCE)):
        if part and (not pattern.fullmatch(part) or len(part) > 253):
            raise _bad("the path has a name that is no Kubernetes name")
    return {
        "group": group,
        "version": version,
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace,
        "name": name,
    }


def _group_version(segments: list[str]) -> tuple[str, str, list[str]]:
    head, *rest = segments
    if head not in ("api", "apis"):
        raise LogitsError(ErrorCode.NOT_FOUND, "no such path; Kubernetes paths begin with /api or /apis", field="path")
    group = rest.pop(0) if head == "apis" and rest else ""
    if len(rest) < 2 or not _VERSION.fullmatch(rest[0]) or (head == "apis") != bool(_GROUP.fullmatch(group)):
        raise _bad("the path has no group, version and resource in their usual form")
    return group, rest[0], rest[1:]


def _rebuild(path: str, parts: dict[str, str]) -> str:
    if not parts:
        return path  # one of a closed set of forms, matched as a whole
    root = f"/apis/{parts['group']}" if parts["group"] else "/api"
    scope = f"/namespaces/{parts['namespace']}" if parts["namespace"] else ""
    tail = "".join(f"/{parts[key]}" for key in ("resource", "name", "subresource") if parts[key])
    return f"{root}/{parts['version']}{scope}{tail}"


def _verb(method: str, parts: dict[str, str], query: dict[str, str]) -> str:
    name = parts.get("name", "")
    if method == "GET":
        if not parts or name:
            return "get"
        return "watch" if query.get("watch") in ("true", "1") else "list"
    if not parts:
        raise LogitsError(ErrorCode.METHOD_NOT_ALLOWED, "this path can only be read")
    verb = _VERBS[method]
    if verb == "delete" and not name:
        return "deletecollection"
    if (verb == "create") == bool(name) and not parts["subresource"]:
        raise LogitsError(
            ErrorCode.METHOD_NOT_ALLOWED,
            "create with POST on the collection; update, patch and delete with the name in the path",
        )
    return verb


def _parse_query(query: str) -> dict[str, str]:
    if len(query) > MAX_QUERY:
        raise _bad(f"the query has more than {MAX_QUERY} characters", "query")
    if not query:
        return {}
    try:
        return querystring.decode(query)
    except ValueError as error:
        raise _bad(f"the query can't be read: {error}"[:200], "query") from None


def _check_query(verb: str, query: dict[str, str]) -> None:
    allowed = _QUERIES.get(verb, {})
    for key, value in query.items():
        pattern = allowed.get(key)
        if pattern is None:
            raise _bad(f"the query parameter {key[:40]!r} is not offered for {verb}", key[:40])
        if not re.fullmatch(pattern, value):
            raise _bad(f"the query parameter {key!r} must match {pattern}", key)
