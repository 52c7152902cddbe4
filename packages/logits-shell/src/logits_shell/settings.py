"""Settings: the frozen model that every app reads from its environment, once, at start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from logits_core.errors import ErrorCode, LogitsError

PREFIX = "LOGITS_"


class AppSettings(BaseModel):
    """What every app has in common; each app's own settings extend this."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen_address: str = Field("0.0.0.0", description="Address that both listeners bind to; loopback is added.")
    http_port: int = Field(8080, ge=0, le=65535, description="Port of the app's own API; 0 picks a free one.")
    metrics_port: int = Field(
        9090, ge=0, le=65535, description="Port of /metrics, /healthz, /readyz and /logs; 0 picks a free one."
    )
    pod_name: str = Field("", description="Name of the pod this runs in; empty outside Kubernetes.")
    pod_uid: str = Field("", description="UID of the pod this runs in; empty outside Kubernetes.")
    namespace: str = Field("", description="Namespace of the release; empty outside Kubernetes.")
    version: str = Field("0.1.0", description="Version of the release this process belongs to.")
    drain_seconds: float = Field(
        10.0, ge=0, description="Seconds that requests in flight may take to finish after SIGTERM."
    )
    lame_duck_seconds: float = Field(
        0.0, ge=0, le=60, description="Seconds after SIGTERM in which connections are still taken, before that."
    )


SettingsT = TypeVar("SettingsT", bound=AppSettings)


def from_env(model: type[SettingsT], environment: Mapping[str, str]) -> SettingsT:
    """Build settings from ``LOGITS_*`` variables.

    Args:
        model: the app's settings class; field ``drain_seconds`` is read from ``LOGITS_DRAIN_SECONDS``.
        environment: the process environment; keys without the prefix are ignored.

    Raises:
        LogitsError: INVALID, naming every variable that is unknown, missing or out of range.
    """
    values: dict[str, str] = {}
    unknown: list[str] = []
    for key, value in environment.items():
        if not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX).lower()
        if name in model.model_fields:
            values[name] = value
        else:
            unknown.append(key)
    if unknown:
        known = ", ".join(PREFIX + name.upper() for name in model.model_fields)
        raise LogitsError(
            ErrorCode.INVALID,
            f"unknown settings {', '.join(sorted(unknown))}: remove them or mend the spelling; known are {known}",
            field=sorted(unknown)[0],
        )
    try:
        return model.model_validate(values, strict=False)
    except ValidationError as error:
        raise LogitsError(ErrorCode.INVALID, _explain(error), field=_first_field(error)) from None


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + str(location[0]).upper() if location else PREFIX + "*"


def _first_field(error: ValidationError) -> str:
    return _variable(error.errors()[0]["loc"])


def _explain(error: ValidationError) -> str:
    # The offending value is left out: it may be a secret.
    return "; ".join(f"{_variable(detail['loc'])}: {detail['msg']}" for detail in error.errors())
