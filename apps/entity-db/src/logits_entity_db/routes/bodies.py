"""Bodies: decoding what clients send, and encoding entities."""

from typing import Any, Final, cast

import msgspec
from litestar import Response
from litestar.response.base import ASGIResponse

from logits_core.entities.model import Entity, JsonObject
from logits_core.errors import ErrorCode, LogitsError

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"


def decode(body: bytes, content_type: str, expected: str) -> JsonObject:
    """Return the JSON object in a request body.

    Raises:
        LogitsError: ``UNSUPPORTED_MEDIA_TYPE`` for another content type, ``MALFORMED`` for anything but one
            JSON object.
    """
    if content_type.partition(";")[0].strip().lower() != expected:
        raise LogitsError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            f"The Content-Type must be {expected} here. Change the header.",
            field="Content-Type",
        )
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise LogitsError(
            ErrorCode.MALFORMED, f"The body is not JSON: {str(error)[:200]}. Mend it and send it again."
        ) from error
    if not isinstance(value, dict):
        raise LogitsError(ErrorCode.MALFORMED, "The body must be one JSON object. Mend it and send it again.")
    return cast("JsonObject", value)


def entity_response(entity: Entity, status_code: int = 200) -> Response[bytes]:
    """Return the answer that holds one entity."""
    return Response(msgspec.json.encode(entity.to_json()), status_code=status_code, media_type=JSON)


def json_answer(document: JsonObject) -> ASGIResponse:
    """Return a document as a finished ASGI answer, for routes that may also stream."""
    return ASGIResponse(body=msgspec.json.encode(document), media_type=JSON, status_code=200)
