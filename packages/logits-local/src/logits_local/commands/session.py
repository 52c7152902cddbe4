"""What the commands share: the data directory option, the cluster's client, one-line errors."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from logits_core.errors import ErrorCode, LogitsError
from logits_local.platform.cluster_settings import ClusterSettings
from logits_local.platform.data_directory import DataDirectory, default_location
from logits_shell.kubernetes.client import KubernetesClient
from logits_shell.kubernetes.credentials import StaticToken, trust

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def data_directory_option(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Add ``--data-dir`` to a command."""
    return click.option(
        "--data-dir",
        "data_dir",
        type=click.Path(path_type=Path),
        default=lambda: default_location(os.environ),
        help="Where everything is kept [default: $XDG_DATA_HOME/logits or ~/.local/share/logits].",
    )(command)


def in_one_line(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Turn a refusal into one line on standard error and exit code 1."""

    @functools.wraps(command)
    def wrapped(*positional: Arguments.args, **named: Arguments.kwargs) -> Result:
        try:
            return command(*positional, **named)
        except LogitsError as error:
            click.echo(f"logits: {error.message}", err=True)
        except BaseExceptionGroup as group:
            click.echo(f"logits: {_refusal(group).message}", err=True)
        sys.exit(1)

    return wrapped


def _refusal(group: BaseExceptionGroup[BaseException]) -> LogitsError:
    """The refusal inside a task group's failure; anything else is raised as it is."""
    refusals, others = group.split(LogitsError)
    if refusals is None or others is not None:
        raise group
    found = refusals.exceptions[0]
    return _refusal(found) if isinstance(found, BaseExceptionGroup) else found


def require_linux() -> None:
    """The cluster needs Linux: every address of 127/8 is local there, and processes have pidfds.

    Raises:
        LogitsError: this is another system.
    """
    if sys.platform != "linux":
        raise LogitsError(
            ErrorCode.INVALID,
            f"'logits up' needs Linux, this is {sys.platform}; use a Linux machine or virtual machine",
        )


def running_cluster(data: DataDirectory) -> ClusterSettings:
    """The settings of the cluster that runs on a data directory.

    Raises:
        LogitsError: none runs.
    """
    settings = ClusterSettings.load(data.cluster)
    if settings is None or data.running_pid() is None:
        raise LogitsError(ErrorCode.UNAVAILABLE, f"Logits doesn't run on {data.root}; start it with 'logits up'")
    return settings


def connect(data: DataDirectory, settings: ClusterSettings) -> KubernetesClient:
    """A client of the cluster's API with the administrator's rights."""
    return KubernetesClient(
        f"https://127.0.0.1:{settings.api_port}",
        StaticToken(data.admin_token()),
        verify=trust(data.certificate_authority),
        user_agent="logits",
    )
