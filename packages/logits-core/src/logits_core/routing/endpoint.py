"""The words of routing: endpoints, reservations, and what an answer says about the tokens it took."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place that serves a model.

    Attributes:
        id: Unique name, such as the pod's.
        host: Address.
        port: TCP port.
        capacity: Requests that may be in flight there at once.
        cache_tokens: Tokens that the engine's key-value cache holds, 0 when it doesn't say.
        slots: Requests that the engine works on at once, 0 when it doesn't say; more wait inside it.
        adapters: LoRA adapters that are loaded there; None when it serves whatever is asked.
    """

    id: str
    host: str
    port: int
    capacity: int = 64
    cache_tokens: int = 0
    slots: int = 0
    adapters: frozenset[str] | None = None

    def serves(self, adapter: str) -> bool:
        """Say whether a LoRA adapter can be used there."""
        return self.adapters is None or adapter in self.adapters


class Unavailable(enum.Enum):
    """Why nothing could be reserved."""

    NO_ENDPOINT = "no-endpoint"
    ALL_BUSY = "all-busy"


class Reason(enum.Enum):
    """Why an endpoint was chosen; the value is the sentence for people."""

    ONLY = "it was the only one to choose from"
    PREFIX = "it is believed to hold the longest part of this prompt"
    HOME = "nothing of this prompt is known, and this is where every router looks for it first"
    COST = "the request is expected to cost least time there, for itself and for the others"


class Usage(msgspec.Struct, frozen=True):
    """What an engine says that a request took, in tokens.

    Attributes:
        prompt_tokens: The whole prompt.
        cached_tokens: The part of it that the engine had cached; None when it doesn't say.
        completion_tokens: What it generated.
    """

    prompt_tokens: int
    cached_tokens: int | None = None
    completion_tokens: int = 0


class Reservation(msgspec.Struct, frozen=True):
    """One request's place at an endpoint, until it's released.

    Attributes:
        model: Whose endpoint it is.
        endpoint: Where the request goes.
        number: Unique in this router.
        cached_tokens: How much of the prompt the endpoint is believed to hold.
        reason: Why this endpoint.
    """

    model: str
    endpoint: Endpoint
    number: int
    cached_tokens: int = 0
    reason: Reason = Reason.COST
