"""Decoding: reads JSON bodies strictly and says in plain words which field is at fault."""

from __future__ import annotations

import re
from typing import Any, TypeVar, cast

import msgspec
from litestar.exceptions import ValidationException

from logits_core.errors import ErrorCode, LogitsError

T = TypeVar("T")


def read(model: type[T], body: bytes) -> T:
    """Decode a JSON body strictly.

    Raises:
        LogitsError: MALFORMED for what is not JSON, INVALID naming the field otherwise.
    """
    try:
        return msgspec.json.decode(body, type=model)
    except msgspec.ValidationError as error:
        message, field = explained(str(error))
        raise LogitsError(ErrorCode.INVALID, message, field=field) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LogitsError(ErrorCode.MALFORMED, f"the body must be one JSON document: {error}") from error


def explained(text: str) -> tuple[str, str]:
    """Return what a validation error of msgspec says, as a sentence with a remedy, and the field."""
    path = re.search(r" - at `\$\.?(.*)`$", text)
    unknown = re.search(r"unknown field `(.*?)`", text)
    missing = re.search(r"missing required field `(.*?)`", text)
    parent = path[1] if path else ""
    if unknown:
        field = ".".join(part for part in (parent, unknown[1]) if part)
        return f"{field} is not a field here: remove it or mend its spelling", field
    if missing:
        field = ".".join(part for part in (parent, missing[1]) if part)
        return f"{field} is missing: add it", field
    bare = text[: path.start()] if path else text
    return f"{parent or 'the body'}: {bare[:1].lower()}{bare[1:]}", parent or "body"


def invalid_parameters(error: ValidationException) -> tuple[str, str | None]:
    """Return what Litestar refused in path, query or headers, in words, and the first field."""
    extra: Any = error.extra
    found = cast("list[Any]", extra) if isinstance(extra, list) else []
    details = [cast("dict[str, str]", d) for d in found if isinstance(d, dict)]
    message = "; ".join(f"{d.get('key', '')}: {d.get('message', '')}".strip(": ") for d in details)
    return message or error.detail, details[0].get("key") if details else None
