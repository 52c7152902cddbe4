"""Release envelopes as published: read for their version and counter, kept word for word.

The Ops API holds no keys and proves no signature: a Gateway trusts the offline keys that its customer
configured, never this server.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from pydantic import ValidationError

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout.release import Release, SignedRelease
from logits_ops_api.schemas import read


class PublishedRelease(msgspec.Struct, frozen=True):
    """An envelope and what is read from it; ``digest`` names its exact bytes."""

    version: str
    counter: int
    envelope: bytes
    digest: str


def read_release(body: bytes) -> PublishedRelease:
    """Read an envelope that an operator publishes.

    Raises:
        LogitsError: MALFORMED or INVALID, naming the field.
    """
    document: dict[str, Any] = read(dict[str, Any], body)
    envelope = SignedRelease.parse(document)
    payload = _payload(envelope.payload_bytes())
    canonical = msgspec.json.encode(envelope.document())
    return PublishedRelease(
        version=payload.version,
        counter=payload.counter,
        envelope=canonical,
        digest=hashlib.sha256(canonical).hexdigest(),
    )


def _payload(plain: bytes) -> Release:
    try:
        return Release.model_validate_json(plain)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(["payload", *(str(part) for part in detail["loc"])])
        raise LogitsError(ErrorCode.INVALID, f"{field}: {detail['msg']}", field=field) from error
