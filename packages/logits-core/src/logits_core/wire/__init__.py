"""The wire room: what callers and engines say, as bytes, requests, errors and streams, without any I/O."""

from logits_core.wire.errors import ENVELOPES, Envelope, envelope, envelope_of, error_members, normalised, plain_error
from logits_core.wire.multipart import decode_form
from logits_core.wire.requests import InferenceRequest, asking_for_usage, decode_request
from logits_core.wire.speech import closing_in, engine_error_in, failure_in, refusal_in, sign_of_life_in
from logits_core.wire.sse import DONE, EventBoundary, EventReader, data_event
from logits_core.wire.surface import (
    OPERATIONS,
    BodyForm,
    Dialect,
    Operation,
    dialect_at,
    engine_operation,
    methods_at,
    operation_at,
    public_path,
    response_id,
)
from logits_core.wire.usage import UsageReader, UsageStripper, usages_in

__all__ = [
    "DONE",
    "ENVELOPES",
    "OPERATIONS",
    "BodyForm",
    "Dialect",
    "Envelope",
    "EventBoundary",
    "EventReader",
    "InferenceRequest",
    "Operation",
    "UsageReader",
    "UsageStripper",
    "asking_for_usage",
    "closing_in",
    "data_event",
    "decode_form",
    "decode_request",
    "dialect_at",
    "engine_error_in",
    "engine_operation",
    "envelope",
    "envelope_of",
    "error_members",
    "failure_in",
    "methods_at",
    "normalised",
    "operation_at",
    "plain_error",
    "public_path",
    "refusal_in",
    "response_id",
    "sign_of_life_in",
    "usages_in",
]
