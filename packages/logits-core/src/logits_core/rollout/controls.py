"""Controls: the customer's word on releases, which beats the vendor's, and what it makes of an offer."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout.windows import Window, next_opening, open_at

APPROVAL = "logits.ai/release-approval"
"""Annotation on the ConfigMap ``logits-customizations``: signatures in base64, separated by blanks."""
MAX_SIGNATURES = 16


class Hold(StrEnum):
    """Why a change waits. Literals of ours, the stronger ones first; they may leave the cluster."""

    STOPPED = "the customer's mode lets nothing change"
    UNREADABLE = "the customer's release controls can't be read, so nothing changes; see the values under release"
    FROZEN = "the customer froze releases"
    PINNED = "the customer pinned another version"
    UNAPPROVED = "the customer's approval is missing"
    STALE = "the vendor's metadata is expired, so nothing changes until there is fresh one"
    CLOSED = "it waits for the customer's next maintenance window"


class ApprovalRule(BaseModel):
    """Whose approval a release needs: Ed25519 public keys in base64, and how many of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    keys: Annotated[tuple[str, ...], Field(max_length=16)] = ()
    threshold: Annotated[int, Field(ge=1, le=16)] = 1

    @field_validator("keys")
    @classmethod
    def _raw_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(_decoded(key)) != 32 for key in keys) or len({_decoded(key) for key in keys}) != len(keys):
            raise ValueError("must be distinct Ed25519 public keys, base64 of 32 bytes each")
        return keys


class Controls(BaseModel):
    """What the customer decided about releases, in the chart's values under ``release``.

    Attributes:
        pin: a version, or its first parts (``0.2`` lets 0.2.7 in, not 0.20.0); empty for any.
        freeze: true, or a time with offset until which nothing changes.
        windows: when changes may begin; none for always. They don't hold up the first release.
        approval: whose signatures a release needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    pin: Annotated[str, Field(pattern=r"^(\d{1,5}(\.\d{1,5}){0,2}([-+][a-z0-9.]{1,24})?)?$")] = ""
    freeze: bool | AwareDatetime = False
    windows: Annotated[tuple[Window, ...], Field(max_length=32)] = ()
    approval: ApprovalRule = Field(default_factory=ApprovalRule)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read them from JSON.

        Raises:
            LogitsError: INVALID, naming the field.
        """
        try:
            document: Any = msgspec.json.decode(text or "{}")
            return cls.model_validate(document)
        except msgspec.MsgspecError:
            raise LogitsError(ErrorCode.INVALID, "the release controls are not JSON", field="release") from None
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(("release", *(str(part) for part in detail["loc"])))
            raise LogitsError(ErrorCode.INVALID, f"{field}: {detail['msg']}", field=field) from None

    def admits(self, version: str) -> bool:
        """Whether the pin lets a version in."""
        return version == self.pin or not self.pin or version.startswith((self.pin + ".", self.pin + "-"))

    def frozen(self, now: datetime) -> bool:
        """Whether nothing may change at ``now``."""
        return self.freeze if isinstance(self.freeze, bool) else now < self.freeze


@dataclass(frozen=True, slots=True)
class Pending:
    """An agreed release on its way, and all that decides whether it may begin.

    Attributes:
        version: of the release.
        digest: SHA-256 of its file in hex.
        first: whether nothing runs yet.
        expires: when the vendor's word runs out.
        approvals: signatures in base64.
        environment: this one.
        free: whether the customer's mode lets anything change.
    """

    version: str
    digest: str
    first: bool
    expires: datetime | None
    approvals: tuple[str, ...]
    environment: str
    free: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a release may begin now, or why not and until when.

    Attributes:
        hold: None to begin.
        until: when to ask again; None if time alone changes nothing.
    """

    hold: Hold | None = None
    until: datetime | None = None


def decide(controls: Controls | None, pending: Pending, now: datetime) -> Verdict:
    """Whether the customer lets a release begin: the strongest objection counts.

    Args:
        controls: None when they can't be read.
        pending: the release.
        now: with time zone.
    """
    if not pending.free:
        return Verdict(Hold.STOPPED)
    if controls is None:
        return Verdict(Hold.UNREADABLE)
    if controls.frozen(now):
        return Verdict(Hold.FROZEN, None if isinstance(controls.freeze, bool) else controls.freeze)
    if not controls.admits(pending.version):
        return Verdict(Hold.PINNED)
    if not approved(controls.approval, pending):
        return Verdict(Hold.UNAPPROVED)
    return _timely(controls, pending, now)


def _timely(controls: Controls, pending: Pending, now: datetime) -> Verdict:
    if pending.expires is None or now >= pending.expires:
        return Verdict(Hold.STALE)
    if controls.windows and not pending.first and not open_at(controls.windows, now):
        return Verdict(Hold.CLOSED, next_opening(controls.windows, now))
    return Verdict()


def approval_statement(environment: str, accepted_digest: str) -> bytes:
    """The bytes that an approver signs: one release file in one environment.

    Args:
        environment: its id.
        accepted_digest: SHA-256 of the release file in hex, which covers version, counter and images.
    """
    return f"logits release approval v1\n{environment}\n{accepted_digest}\n".encode()


def approve(key: Ed25519PrivateKey, environment: str, accepted_digest: str) -> str:
    """An approver's signature, in base64."""
    return base64.b64encode(key.sign(approval_statement(environment, accepted_digest))).decode()


def approved(rule: ApprovalRule, pending: Pending) -> bool:
    """Whether enough different approvers signed."""
    if not rule.keys:
        return True
    statement = approval_statement(pending.environment, pending.digest)
    given = [_decoded(text) for text in pending.approvals[:MAX_SIGNATURES]]
    signers = [key for key in rule.keys if any(_signed(_decoded(key), signature, statement) for signature in given)]
    return len(signers) >= rule.threshold


def approvals_of(annotations: Mapping[str, str] | None) -> tuple[str, ...]:
    """The signatures in an object's annotations."""
    return tuple((annotations or {}).get(APPROVAL, "").split()[:MAX_SIGNATURES])


def _signed(key: bytes, signature: bytes, statement: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
