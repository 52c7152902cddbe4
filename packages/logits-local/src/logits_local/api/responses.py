"""Answers of the API server: whole bodies and streams, in the form that the client accepts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from logits_local.api.errors import StatusError, bad_request
from logits_local.api.resources import Object
from logits_local.api.tables import partial, table

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer.

    Attributes:
        status: HTTP status.
        body: the whole body, or its chunks as they come.
        content_type: media type.
        warnings: texts of ``Warning`` headers.
    """

    status: int
    body: bytes | AsyncIterator[bytes]
    content_type: str = JSON
    warnings: list[str] = field(default_factory=list[str])

    def head(self) -> list[tuple[bytes, bytes]]:
        """The response headers."""
        headers = [(b"content-type", self.content_type.encode()), (b"cache-control", b"no-cache, private")]
        if isinstance(self.body, bytes):
            headers.append((b"content-length", str(len(self.body)).encode()))
        for warning in self.warnings:
            quoted = warning.replace("\\", "\\\\").replace('"', '\\"')
            headers.append((b"warning", f'299 - "{quoted}"'.encode()))
        return headers


def answer(value: Any, status: int = 200, warnings: list[str] | None = None) -> Response:
    """A JSON answer."""
    return Response(status, msgspec.json.encode(value) + b"\n", JSON, warnings or [])


def refusal(error: StatusError) -> Response:
    """A Status answer."""
    return answer(error.encode(), error.http_status)


@dataclass(frozen=True, slots=True)
class Form:
    """The form in which a client wants objects.

    Attributes:
        shape: empty for the objects themselves, or ``Table``, ``PartialObjectMetadata``.
        include: what a table's rows carry.
        now: for ages in tables.
    """

    shape: str
    include: str
    now: datetime

    @classmethod
    def negotiate(cls, accept: str, include: str, now: datetime) -> Form:
        """The first form of an ``Accept`` header that we speak.

        Raises:
            StatusError: BadRequest when there is none, or when ``includeObject`` is unknown.
        """
        if include not in ("", "None", "Metadata", "Object"):
            raise bad_request(f'includeObject: "{include}" is none of None, Metadata, Object')
        for choice in (accept or JSON).split(","):
            media, *rest = (part.strip() for part in choice.split(";"))
            shape = next((part[3:] for part in rest if part.startswith("as=")), "")
            known = shape in ("", "Table", "PartialObjectMetadata", "PartialObjectMetadataList")
            if media in (JSON, "*/*", "application/*") and known:
                return cls(shape.removesuffix("List"), include or "Metadata", now)
        raise bad_request("only the following media types are accepted: application/json")

    def one(self, kind: str, value: Object) -> Object:
        """One object in this form."""
        if self.shape == "Table":
            metadata = {"resourceVersion": value["metadata"].get("resourceVersion", "")}
            return table(kind, [value], metadata, self.include, self.now)
        return partial(value) if self.shape else value

    def many(self, kind: str, api_version: str, items: list[Object], metadata: Object) -> Object:
        """A list of objects in this form."""
        if self.shape == "Table":
            return table(kind, items, metadata, self.include, self.now)
        if self.shape:
            head: Object = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            return {**head, "metadata": metadata, "items": [partial(value) for value in items]}
        bare = [{name: part for name, part in value.items() if name not in ("kind", "apiVersion")} for value in items]
        return {"kind": f"{kind}List", "apiVersion": api_version, "metadata": metadata, "items": bare}

    def event(self, kind: str, event: str, value: Object) -> bytes:
        """A line of a watch in this form."""
        shown = value if event in ("BOOKMARK", "ERROR") else self.one(kind, value)
        return msgspec.json.encode({"type": event, "object": shown}) + b"\n"
