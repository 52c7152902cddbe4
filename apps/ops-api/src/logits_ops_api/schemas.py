"""Documents that callers send: closed schemas whose refusals name the field and the remedy."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

VersionText = Annotated[
    str, Meta(pattern=r"^v?[0-9]{1,6}(\.[0-9]{1,6}){0,3}([-+][A-Za-z0-9.+-]{1,40})?$", max_length=64)
]
# A component that doesn't run yet has no version to tell.
OptionalVersionText = Annotated[
    str, Meta(pattern=r"^(v?[0-9]{1,6}(\.[0-9]{1,6}){0,3}([-+][A-Za-z0-9.+-]{1,40})?)?$", max_length=64)
]
ReasonText = Annotated[str, Meta(pattern=r"^([A-Z][A-Za-z]{0,47})?$")]
ComponentText = Annotated[str, Meta(pattern=r"^[a-z][a-z-]{0,31}$")]
CountNumber = Annotated[int, Meta(ge=0, le=1_000_000)]
Sha256Text = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
# The Gateway's sentences about a rollout are literals of its own code: short, printable, one line.
MessageText = Annotated[str, Meta(pattern=r"^[ -~]{0,300}$")]


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What a Gateway says when it introduces its cluster."""

    gateway_version: VersionText
    kubernetes_version: VersionText
    nodes: CountNumber
    gpus: CountNumber


class ReleaseReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A release by name."""

    version: VersionText
    counter: Annotated[int, Meta(ge=0)]


class ReleaseReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """Where the rollout stands."""

    desired: ReleaseReference | VersionText | None = None
    running: ReleaseReference | VersionText | None = None
    state: Literal["Idle", "Verifying", "RollingOut", "Ready", "RolledBack", "Refused", "Held"] = "Idle"
    message: MessageText = ""


class ComponentReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How one component fares."""

    name: ComponentText
    version: OptionalVersionText = ""
    replicas: CountNumber = 0
    ready_replicas: CountNumber = 0
    reason: ReasonText = ""


class ModelCounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How many models are wanted and answer; never their names."""

    enabled: CountNumber
    ready: CountNumber


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """What an environment says about itself: versions, counts and reason codes only.

    A field that is left out keeps what an earlier report said.
    """

    sequence: Annotated[int, Meta(ge=0)]
    release: ReleaseReport | None = None
    components: Annotated[list[ComponentReport], Meta(max_length=32)] | None = None
    models: ModelCounts | None = None
    nodes: CountNumber | None = None
    gpus: CountNumber | None = None


class EnvironmentKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """An environment as Accounts announces it: the key itself never travels."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    key_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{8}$")]
    key_sha256: Sha256Text


class DesiredVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Which published release an environment should run, and why, for its customer to read."""

    version: VersionText
    reason: Annotated[str, Meta(pattern=r"^[ -~]{0,200}$")] = ""
