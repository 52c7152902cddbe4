"""The options that every command of the SDK has: which platform, which key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from logits_client.sync import Logits
from logits_client.transport import DEFAULT_BASE_URL, Options

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def connection(command: CommandT) -> CommandT:
    """Adds ``--url`` and ``--key`` to a command."""
    url = click.option(
        "--url",
        envvar="LOGITS_BASE_URL",
        default=DEFAULT_BASE_URL,
        show_default=True,
        help="The platform's ingress.",
    )
    key = click.option("--key", envvar="LOGITS_API_KEY", default=None, help="API key, if the platform asks for one.")
    return url(key(command))


def connect(url: str, key: str | None) -> Logits:
    """The client for these options."""
    return Logits(options=Options(base_url=url, api_key=key))
