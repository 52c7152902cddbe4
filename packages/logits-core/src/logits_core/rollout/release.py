"""Releases: which images may run, signed with keys that the vendor keeps offline.

An envelope carries the payload's exact bytes, so that what was signed is what is read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from logits_core.errors import ErrorCode, LogitsError

ModelT = TypeVar("ModelT", bound=BaseModel)
SCHEMA = "logits.release/v1"
MAX_ENVELOPE_BYTES = 64 * 1024
IMAGE_PATTERN = r"[a-z0-9][a-z0-9./:_-]{0,255}@sha256:[0-9a-f]{64}"
COMPONENTS = frozenset({"controller", "collector", "console", "api-server", "llm-server", "entity-db", "ingress-proxy"})
"""What a release may hold: never the Gateway, which only the customer upgrades."""


class Release(BaseModel):
    """The payload of a release: which image each component runs.

    ``counter`` only ever goes up; ``images`` maps component names to references by digest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_name: Literal["logits.release/v1"] = Field(SCHEMA, alias="schema")
    version: Annotated[str, Field(pattern=r"^\d{1,5}\.\d{1,5}\.\d{1,5}([-+][a-z0-9.]{1,24})?$")]
    counter: Annotated[int, Field(ge=1, le=2**53, strict=True)]
    issued_at: Annotated[AwareDatetime, Field(alias="issuedAt")]
    images: Mapping[str, str]

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

    @classmethod
    def make(cls, *, version: str, counter: int, issued_at: datetime, images: Mapping[str, str]) -> Self:
        """A payload to sign.

        Raises:
            LogitsError: INVALID, naming the field.
        """
        return _validated(cls, {"version": version, "counter": counter, "issuedAt": issued_at, "images": dict(images)})

    def encode(self) -> bytes:
        """The payload's bytes, as they are signed."""
        return msgspec.json.encode(self.model_dump(mode="json", by_alias=True), order="sorted")


class Signature(BaseModel):
    """One signature of an envelope: the key's id and Ed25519 over the payload bytes, in base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keyid: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    sig: Annotated[str, Field(max_length=128)]


class SignedRelease(BaseModel):
    """The envelope: the payload in base64 and its signatures; nothing in it is trusted yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    payload: Annotated[str, Field(max_length=MAX_ENVELOPE_BYTES)]
    signatures: Annotated[tuple[Signature, ...], Field(max_length=16)]

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Read an envelope from decoded JSON.

        Raises:
            LogitsError: INVALID, naming the field.
        """
        return _validated(cls, document)

    def payload_bytes(self) -> bytes:
        """The bytes that were signed.

        Raises:
            LogitsError: INVALID when they aren't base64.
        """
        return _decode64(self.payload, "payload")

    def digest(self) -> str:
        """SHA-256 of the payload in hex: two envelopes of one release may differ in signatures only."""
        return hashlib.sha256(self.payload_bytes()).hexdigest()

    def document(self) -> dict[str, Any]:
        """The envelope as JSON values."""
        return self.model_dump(mode="json")


def key_id(public_key: bytes) -> str:
    """The id of a raw public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def parse_public_key(text: str) -> bytes:
    """Read a public key from the chart's spelling, base64 of 32 raw bytes.

    Raises:
        LogitsError: INVALID.
    """
    raw = _decode64(text.strip(), "release.publicKeys")
    if len(raw) != 32:
        raise LogitsError(
            ErrorCode.INVALID,
            "a release key is 32 raw Ed25519 bytes in base64, 44 characters",
            field="release.publicKeys",
        )
    return raw


def sign(release: Release, *private_keys: Ed25519PrivateKey) -> SignedRelease:
    """Sign a release with one or more keys."""
    payload = release.encode()
    return SignedRelease(
        payload=base64.b64encode(payload).decode(),
        signatures=tuple(
            Signature(
                keyid=key_id(key.public_key().public_bytes_raw()),
                sig=base64.b64encode(key.sign(payload)).decode(),
            )
            for key in private_keys
        ),
    )


def verify(envelope: SignedRelease, public_keys: Iterable[bytes]) -> Release:
    """Check the signatures and read the payload.

    Args:
        envelope: from the Ops API.
        public_keys: raw keys that the customer installed; one good signature is enough.

    Raises:
        LogitsError: SIGNATURE_REFUSED when no key signed it, INVALID when the payload isn't a release.
    """
    payload = envelope.payload_bytes()
    trusted = {key_id(key): key for key in public_keys}
    if not any(_holds(signature, trusted, payload) for signature in envelope.signatures):
        raise LogitsError(
            ErrorCode.SIGNATURE_REFUSED,
            "no key that this Gateway was installed with signed the release",
            field="signatures",
        )
    try:
        document = msgspec.json.decode(payload)
    except msgspec.MsgspecError:
        raise LogitsError(ErrorCode.INVALID, "the payload of the release is not JSON", field="payload") from None
    return _validated(Release, document)


def _holds(signature: Signature, trusted: Mapping[str, bytes], payload: bytes) -> bool:
    key = trusted.get(signature.keyid)
    if key is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(_decode64(signature.sig, "sig"), payload)
    except (InvalidSignature, LogitsError):
        return False
    return True


def _decode64(text: str, field: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise LogitsError(ErrorCode.INVALID, f"{field} is not base64", field=field) from None


def _validated(model: type[ModelT], document: Any) -> ModelT:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in detail["loc"])
        raise LogitsError(ErrorCode.INVALID, f"{field}: {detail['msg']}", field=field) from None
