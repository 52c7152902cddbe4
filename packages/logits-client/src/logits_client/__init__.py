"""The published SDK of Logits: chat, models and their deployments, typed, sync and async.

    from logits_client import Logits

    with Logits("http://127.0.0.1:8080") as logits:
        print(logits.chat("logits-demo", "What is the Gateway?").text)

Importing this package is cheap: the HTTP stack is loaded with the first client.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logits_client.aio import AsyncLogits
    from logits_client.errors import (
        APIError,
        AuthenticationError,
        BadRequestError,
        ConflictError,
        ConnectionFailedError,
        LogitsClientError,
        NotFoundError,
        OverloadedError,
        PermissionDeniedError,
        RateLimitError,
        ServerError,
        StreamBrokenError,
        TimedOutError,
    )
    from logits_client.sync import Logits
    from logits_client.types import (
        ChatChunk,
        ChatCompletion,
        Message,
        Model,
        ModelDeployment,
        Usage,
    )

_WHERE = {
    "Logits": "sync",
    "AsyncLogits": "aio",
    "ChatChunk": "types",
    "ChatCompletion": "types",
    "Message": "types",
    "Model": "types",
    "ModelDeployment": "types",
    "Usage": "types",
    "APIError": "errors",
    "AuthenticationError": "errors",
    "BadRequestError": "errors",
    "ConflictError": "errors",
    "ConnectionFailedError": "errors",
    "LogitsClientError": "errors",
    "NotFoundError": "errors",
    "OverloadedError": "errors",
    "PermissionDeniedError": "errors",
    "RateLimitError": "errors",
    "ServerError": "errors",
    "StreamBrokenError": "errors",
    "TimedOutError": "errors",
}

__all__ = [
    "APIError",
    "AsyncLogits",
    "AuthenticationError",
    "BadRequestError",
    "ChatChunk",
    "ChatCompletion",
    "ConflictError",
    "ConnectionFailedError",
    "Logits",
    "LogitsClientError",
    "Message",
    "Model",
    "ModelDeployment",
    "NotFoundError",
    "OverloadedError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "StreamBrokenError",
    "TimedOutError",
    "Usage",
]


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module 'logits_client' has no attribute {name!r}")
    return getattr(importlib.import_module(f"logits_client.{module}"), name)
