"""Transport policy without I/O: headers, deadlines, and which failures are tried again, when."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import httpx

from logits_client.calls import Call
from logits_client.errors import APIError, ConnectionFailedError, LogitsClientError, TimedOutError, error_of

DEFAULT_BASE_URL = "http://127.0.0.1:8080"
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
LONGEST_ASKED = 120.0


@dataclass(frozen=True)
class Options:
    """How a client behaves.

    Attributes:
        base_url: where the platform's ingress answers; LOGITS_BASE_URL, else this machine.
        api_key: sent as a bearer token if given; LOGITS_API_KEY.
        timeout: seconds without a byte after which a request is given up.
        connect_timeout: seconds for making a connection.
        retries: further attempts after a failure that may pass.
        jitter: numbers in [0, 1).
    """

    base_url: str = field(default_factory=lambda: os.environ.get("LOGITS_BASE_URL") or DEFAULT_BASE_URL)
    api_key: str | None = field(default_factory=lambda: os.environ.get("LOGITS_API_KEY"), repr=False)
    timeout: float = 600.0
    connect_timeout: float = 5.0
    retries: int = 2
    jitter: Callable[[], float] = random.SystemRandom().random

    def at(self, base_url: str | None) -> Options:
        """The same behaviour at another address; None keeps this one."""
        return self if base_url is None else replace(self, base_url=base_url)

    def url(self, path: str) -> str:
        """The whole address of a path."""
        return self.base_url.rstrip("/") + path

    def headers(self, extra: Mapping[str, str]) -> dict[str, str]:
        """The fields of a request."""
        fields = {"content-type": "application/json", "accept": "application/json", **extra}
        if self.api_key:
            fields["authorization"] = f"Bearer {self.api_key}"
        return fields

    def timeouts(self) -> httpx.Timeout:
        """The deadlines as the HTTP client takes them."""
        return httpx.Timeout(self.timeout, connect=self.connect_timeout)

    def pause(self, failure: LogitsClientError, attempt: int, call: Call[object]) -> float | None:
        """Seconds before the next attempt, None when there shall be none.

        Args:
            failure: what just happened.
            attempt: how many attempts there have been, from 1.
            call: generation is only repeated when the platform says that it did not begin.
        """
        if attempt > self.retries or not _may_pass(failure, call):
            return None
        asked = failure.retry_after if isinstance(failure, APIError) else None
        if asked is not None and asked > LONGEST_ASKED:
            return None
        grown = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
        return asked if asked is not None else grown * (1 - self.jitter() / 4)


def _may_pass(failure: LogitsClientError, call: Call[object]) -> bool:
    if isinstance(failure, APIError):
        return failure.status in (429, 503) or (call.repeatable and failure.status in (408, 500, 502, 504))
    if isinstance(failure, ConnectionFailedError):
        return call.repeatable or not failure.sent
    return call.repeatable


def failure_of(error: Exception, base_url: str) -> LogitsClientError:
    """The SDK's error for one of the HTTP client's; told apart by name, so that httpx2's are known too."""
    name = type(error).__name__
    if name == "ConnectTimeout" or name.startswith("Connect"):
        return ConnectionFailedError(
            f"nothing answers at {base_url}: is Logits up? (`logits status`), is the address right?",
            sent=False,
        )
    if name.endswith("Timeout"):
        return TimedOutError(f"no answer from {base_url} in time")
    return ConnectionFailedError(f"the connection to {base_url} broke: {error}", sent=True)


def is_transport_failure(error: Exception) -> bool:
    """Whether an exception is the HTTP client's way to say that the transport failed."""
    return any(kind.__name__ == "TransportError" for kind in type(error).__mro__)


def checked(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """The body of a good answer.

    Raises:
        APIError: the answer is an error.
    """
    if status >= 300:
        raise error_of(status, headers, body)
    return body
