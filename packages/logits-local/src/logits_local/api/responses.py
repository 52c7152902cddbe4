"""Answers of the API server: whole bodies and streams, in the form that the client accepts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from litestar.response.base import ASGIResponse

from logits_local.api.errors import bad_request
from logits_local.api.resources import Object
from logits_local.api.tables import partial, table
from logits_shell.streaming import Chunks, ClosingStream

JSON = "application/json"
UNCACHED = {"cache-control": "no-cache, private"}


def answer(value: Any, status: int = 200, warnings: Iterable[str] = ()) -> ASGIResponse:
    """A JSON answer, with a ``Warning`` header for each of the texts."""
    quoted = (warning.replace("\\", "\\\\").replace('"', '\\"') for warning in warnings)
    headers = [*UNCACHED.items(), *(("warning", f'299 - "{warning}"') for warning in quoted)]
    return ASGIResponse(body=msgspec.json.encode(value) + b"\n", status_code=status, media_type=JSON, headers=headers)


def text(content: str, status: int = 200) -> ASGIResponse:
    """An answer in plain text."""
    return ASGIResponse(body=content, status_code=status, media_type="text/plain", headers=UNCACHED)


def streamed(chunks: Chunks, media_type: str = JSON) -> ASGIResponse:
    """An answer whose parts are sent as they come."""
    return ClosingStream(chunks, media_type=media_type, headers=UNCACHED)


@dataclass(frozen=True, slots=True)
class Form:
    """The form in which a client wants objects.

    Attributes:
        shape: empty for the objects themselves, or ``Table``, ``PartialObjectMetadata``.
        now: for ages in tables.
    """

    shape: str
    now: datetime

    @classmethod
    def negotiate(cls, accept: str, now: datetime) -> Form:
        """The first form of an ``Accept`` header that we speak.

        Raises:
            StatusError: BadRequest when there is none.
        """
        for choice in (accept or JSON).split(","):
            media, *rest = (part.strip() for part in choice.split(";"))
            shape = next((part[3:].removesuffix("List") for part in rest if part.startswith("as=")), "")
            if media in (JSON, "*/*", "application/*") and shape in ("", "Table", "PartialObjectMetadata"):
                return cls(shape, now)
        raise bad_request("only the following media types are accepted: application/json")

    def one(self, kind: str, value: Object) -> Object:
        """One object in this form."""
        if self.shape == "Table":
            metadata = {"resourceVersion": value["metadata"].get("resourceVersion", "")}
            return table(kind, [value], metadata, self.now)
        return partial(value) if self.shape else value

    def many(self, kind: str, api_version: str, items: list[Object], metadata: Object) -> Object:
        """A list of objects in this form."""
        if self.shape == "Table":
            return table(kind, items, metadata, self.now)
        if self.shape:
            head: Object = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            return {**head, "metadata": metadata, "items": [partial(value) for value in items]}
        bare = [{name: part for name, part in value.items() if name not in ("kind", "apiVersion")} for value in items]
        return {"kind": f"{kind}List", "apiVersion": api_version, "metadata": metadata, "items": bare}

    def event(self, kind: str, event: str, value: Object) -> bytes:
        """A line of a watch in this form."""
        shown = value if event in ("BOOKMARK", "ERROR") else self.one(kind, value)
        return msgspec.json.encode({"type": event, "object": shown}) + b"\n"
