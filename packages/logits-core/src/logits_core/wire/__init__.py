"""The wire room: the OpenAI dialect as bytes, requests, errors and event streams, without any I/O."""

from logits_core.wire.errors import ENVELOPES, Envelope, envelope, envelope_of, normalised, plain_error
from logits_core.wire.requests import InferenceRequest, decode_request
from logits_core.wire.sse import DONE, EventBoundary, EventReader, data_event

__all__ = [
    "DONE",
    "ENVELOPES",
    "Envelope",
    "EventBoundary",
    "EventReader",
    "InferenceRequest",
    "data_event",
    "decode_request",
    "envelope",
    "envelope_of",
    "normalised",
    "plain_error",
]
