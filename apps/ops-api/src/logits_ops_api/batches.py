"""Batches of logs and metrics: unpacked within bounds and checked line by line before anything is stored."""

from __future__ import annotations

import hashlib
import hmac
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction import ExportedRecord, ExportedSample, decode_exported, decode_sample

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

T = TypeVar("T")

WINDOW_LOG = 23
"""Largest zstd window accepted, as a power of two: 8 MiB of memory per batch being unpacked."""


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one batch, in bytes and records."""

    compressed: int
    plain: int
    records: int


def unpack(body: bytes, encoding: str, key: str, limits: Limits) -> bytes:
    """Decompress a batch and check that its idempotency key is its digest.

    Args:
        body: the request body.
        encoding: the Content-Encoding header.
        key: the Idempotency-Key header.
        limits: bounds of the batch.

    Raises:
        LogitsError: UNSUPPORTED_MEDIA_TYPE, TOO_LARGE, MALFORMED or INVALID.
    """
    if encoding.lower() != "zstd":
        raise LogitsError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE, "send the batch with Content-Encoding: zstd", field="Content-Encoding"
        )
    if len(body) > limits.compressed:
        raise LogitsError(ErrorCode.TOO_LARGE, f"a batch has at most {limits.compressed} bytes; cut it in smaller ones")
    plain = _decompress(body, limits.plain)
    if not hmac.compare_digest(hashlib.sha256(plain).hexdigest(), key.lower()):
        raise LogitsError(
            ErrorCode.INVALID,
            "Idempotency-Key must be the SHA-256 of the batch before compression, in hex",
            field="Idempotency-Key",
        )
    return plain


def _decompress(body: bytes, limit: int) -> bytes:
    options: dict[Any, int] = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
    decompressor = zstd.ZstdDecompressor(options=options)
    try:
        plain = decompressor.decompress(body, max_length=limit + 1)
    except zstd.ZstdError as error:
        raise LogitsError(ErrorCode.MALFORMED, f"the batch is not a zstd frame: {error}") from error
    if len(plain) > limit:
        raise LogitsError(
            ErrorCode.TOO_LARGE, f"a batch has at most {limit} bytes before compression; cut it in smaller ones"
        )
    if not decompressor.eof or decompressor.unused_data:
        raise LogitsError(ErrorCode.MALFORMED, "the batch must be exactly one complete zstd frame")
    return plain


def read_records(plain: bytes, limits: Limits) -> list[ExportedRecord]:
    """Every log record of a batch, or a refusal of all of it that names the line."""
    return _read(plain, decode_exported, limits)


def read_samples(plain: bytes, limits: Limits) -> list[ExportedSample]:
    """Every metric sample of a batch, or a refusal of all of it that names the line."""
    return _read(plain, decode_sample, limits)


def _read(plain: bytes, decode: Callable[[bytes], T], limits: Limits) -> list[T]:
    lines = [(number, line) for number, line in enumerate(plain.split(b"\n"), 1) if line.strip()]
    if len(lines) > limits.records:
        raise LogitsError(ErrorCode.TOO_LARGE, f"a batch has at most {limits.records} records; cut it in smaller ones")
    found: list[T] = []
    for number, line in lines:
        try:
            found.append(decode(line))
        except LogitsError as error:
            place = f"lines[{number}]" + (f".{error.field}" if error.field and error.field != "line" else "")
            raise LogitsError(error.code, f"{place}: {error.message}", field=place) from error
    return found
