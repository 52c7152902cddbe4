"""Releases: which images may run and where, the one kind of file that the offline keys vouch for.

A release travels as a TUF target: the metadata names its path, length and hashes, and the file holds this.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from logits_core.errors import ErrorCode, LogitsError

SCHEMA = "logits.release/v1"
MAX_RELEASE_BYTES = 64 * 1024
VERSION_PATTERN = r"\d{1,5}\.\d{1,5}\.\d{1,5}(?:[-+][a-z0-9.]{1,24})?"
IMAGE_PATTERN = r"[a-z0-9][a-z0-9./:_-]{0,255}@sha256:[0-9a-f]{64}"
COMPONENTS = frozenset({"controller", "collector", "console", "api-server", "llm-server", "entity-db", "ingress-proxy"})
"""What a release may hold: never the Gateway, which only the customer upgrades."""


class Release(BaseModel):
    """Which image each component runs.

    Attributes:
        version: for people; unique.
        counter: only ever goes up from one release to the next.
        issued_at: when it was made.
        images: component to reference by digest.
        gateway: versions of the Gateway that it works with, such as ``>=0.1,<1``; empty for all.
        kubernetes: versions of Kubernetes that it works with; empty for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_name: Literal["logits.release/v1"] = Field(SCHEMA, alias="schema")
    version: Annotated[str, Field(pattern=rf"^{VERSION_PATTERN}$")]
    counter: Annotated[int, Field(ge=1, le=2**53, strict=True)]
    issued_at: Annotated[AwareDatetime, Field(alias="issuedAt")]
    images: Mapping[str, str]
    gateway: Annotated[str, Field(max_length=100)] = ""
    kubernetes: Annotated[str, Field(max_length=100)] = ""

    @field_validator("images")
    @classmethod
    def _known_images(cls, images: Mapping[str, str]) -> Mapping[str, str]:
        unknown = sorted(set(images) - COMPONENTS)
        if unknown or "controller" not in images:
            raise ValueError(f"must name the controller and no other components than {sorted(COMPONENTS)}")
        for component, reference in images.items():
            if not re.fullmatch(IMAGE_PATTERN, reference):
                raise ValueError(f"the image of {component} must be named by digest (repository@sha256:...)")
        return images

    @field_validator("gateway", "kubernetes")
    @classmethod
    def _range(cls, text: str) -> str:
        try:
            SpecifierSet(text)
        except InvalidSpecifier:
            raise ValueError("must be a version range such as >=0.1,<1") from None
        return text

    @classmethod
    def make(
        cls,
        *,
        version: str,
        counter: int,
        issued_at: datetime,
        images: Mapping[str, str],
        gateway: str = "",
        kubernetes: str = "",
    ) -> Self:
        """A release to be signed.

        Raises:
            LogitsError: INVALID, naming the field.
        """
        fields = {"version": version, "counter": counter, "issuedAt": issued_at, "images": dict(images)}
        return cls._validated(fields | {"gateway": gateway, "kubernetes": kubernetes})

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a release file.

        Raises:
            LogitsError: INVALID, naming the field; TOO_LARGE.
        """
        if len(content) > MAX_RELEASE_BYTES:
            raise LogitsError(ErrorCode.TOO_LARGE, "a release is at most 64 KiB", field="release")
        try:
            document = msgspec.json.decode(content)
        except msgspec.MsgspecError:
            raise LogitsError(ErrorCode.INVALID, "the release is not JSON", field="release") from None
        return cls._validated(document)

    @classmethod
    def _validated(cls, document: object) -> Self:
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in detail["loc"])
            raise LogitsError(ErrorCode.INVALID, f"{field}: {detail['msg']}", field=field) from None

    def encode(self) -> bytes:
        """The release file's bytes."""
        return msgspec.json.encode(self.model_dump(mode="json", by_alias=True), order="sorted")

    def path(self) -> str:
        """Its name among the TUF targets."""
        return release_path(self.version)

    def works_with(self, *, gateway: str, kubernetes: str) -> bool:
        """Whether this Gateway and this Kubernetes are in its ranges.

        Args:
            gateway: version of the Gateway.
            kubernetes: version as Kubernetes tells it, such as ``v1.36.0``; empty while it isn't known.
        """
        return _within(self.gateway, gateway) and _within(self.kubernetes, kubernetes)


def release_path(version: str) -> str:
    """The target path of a release."""
    return f"releases/{version}.json"


def content_digest(content: bytes) -> str:
    """SHA-256 of a release file in hex: what approvals and the audit log name."""
    return hashlib.sha256(content).hexdigest()


def _within(wanted: str, version: str) -> bool:
    if not wanted:
        return True
    plain = re.match(r"v?(\d+(?:\.\d+){0,2})", version)
    try:
        return plain is not None and Version(plain.group(1)) in SpecifierSet(wanted)
    except InvalidVersion:
        return False
