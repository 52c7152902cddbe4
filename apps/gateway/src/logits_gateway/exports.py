"""Exports: what may leave for the vendor, read again line by line with the strictest eyes.

The Collector exports only what is known to be safe; the Gateway doesn't take its word for it.
"""

from __future__ import annotations

import hashlib
import hmac
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction import decode_exported
from logits_core.redaction.samples import decode_sample

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_BATCH_BYTES = 4 << 20
MAX_PLAIN_BYTES = 32 << 20
MAX_RECORDS = 100_000
_WINDOW_LOG = 23  # 8 MiB of memory for one batch

SCHEMAS: Mapping[str, Callable[[bytes], object]] = {"logs": decode_exported, "metrics": decode_sample}


class Batch(msgspec.Struct, frozen=True):
    """A batch that passed: the bytes that leave, compressed again from what was checked.

    ``digest`` is the SHA-256 of the plain bytes in hex, ``plain_bytes`` their number.
    """

    kind: str
    content: bytes
    digest: str
    plain_bytes: int
    records: int


def check_batch(kind: str, body: bytes, *, encoding: str, key: str) -> Batch:
    """Check a batch of logs or metrics.

    Args:
        kind: ``logs`` or ``metrics``.
        body: as sent.
        encoding: the Content-Encoding header; must be zstd.
        key: the Idempotency-Key header; must be the plain bytes' SHA-256 in hex.

    Raises:
        LogitsError: naming the header or the line that isn't right; nothing has left then.
    """
    if encoding.lower() != "zstd":
        raise LogitsError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            "send the batch with Content-Encoding: zstd",
            field="content-encoding",
        )
    plain = _decompress(body)
    digest = hashlib.sha256(plain).hexdigest()
    if not hmac.compare_digest(digest.encode(), key.lower().encode()):
        raise LogitsError(
            ErrorCode.INVALID,
            "Idempotency-Key must be the SHA-256 of the batch before compression, in hex",
            field="idempotency-key",
        )
    records = _check_lines(kind, plain)
    return Batch(kind, zstd.compress(plain), digest, len(plain), records)


def plain_of(content: bytes) -> bytes:
    """The text of a batch that was sent.

    Raises:
        LogitsError: it isn't one whole zstd frame.
    """
    return _decompress(content)


def _decompress(body: bytes) -> bytes:
    if len(body) > MAX_BATCH_BYTES:
        raise LogitsError(ErrorCode.TOO_LARGE, f"a batch has at most {MAX_BATCH_BYTES} bytes; cut it")
    options: dict[Any, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    decompressor = zstd.ZstdDecompressor(options=options)
    try:
        plain = decompressor.decompress(body, max_length=MAX_PLAIN_BYTES + 1)
    except zstd.ZstdError:
        raise LogitsError(ErrorCode.MALFORMED, "the batch is not a zstd frame", field="body") from None
    if len(plain) > MAX_PLAIN_BYTES:
        raise LogitsError(ErrorCode.TOO_LARGE, f"a batch has at most {MAX_PLAIN_BYTES} plain bytes; cut it")
    if not decompressor.eof or decompressor.unused_data:
        raise LogitsError(ErrorCode.MALFORMED, "the batch must be exactly one whole zstd frame", field="body")
    return plain


def _check_lines(kind: str, plain: bytes) -> int:
    decode = SCHEMAS[kind]
    count = 0
    for number, line in enumerate(plain.split(b"\n"), 1):
        if not line:
            continue
        count += 1
        if count > MAX_RECORDS:
            raise LogitsError(ErrorCode.TOO_LARGE, f"a batch has at most {MAX_RECORDS} records; cut it")
        try:
            decode(line)
        except LogitsError as error:
            place = f"line {number}" + (f", {error.field}" if error.field else "")
            raise LogitsError(error.code, f"{place}: {error.message}", field=place) from None
    return count


_Count = Annotated[int, Meta(ge=0, le=1_000_000)]
_Version = Annotated[str, Meta(pattern=r"^(v?\d{1,5}(\.\d{1,5}){0,3}([-+][a-z0-9.]{1,24})?)?$")]


class ComponentReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How one component fares: versions, counts and reason codes, never words of the customer's."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z-]{0,31}$")]
    version: _Version = ""
    replicas: _Count = 0
    ready_replicas: _Count = 0
    reason: Annotated[str, Meta(pattern=r"^([A-Z][A-Za-z]{0,47})?$")] = ""


class ModelCounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many models are enabled and how many answer."""

    enabled: _Count
    ready: _Count


class ControllerReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the Controller reports; the Gateway adds the sequence and the release."""

    sequence: Annotated[int, Meta(ge=0)] | None = None
    components: Annotated[list[ComponentReport], Meta(max_length=32)] | None = None
    models: ModelCounts | None = None
    nodes: _Count | None = None
    gpus: _Count | None = None


def check_report(body: bytes) -> dict[str, Any]:
    """Check a report and give it back as JSON values without its sequence.

    Raises:
        LogitsError: MALFORMED or INVALID, naming the field.
    """
    try:
        report = msgspec.json.decode(body, type=ControllerReport)
    except msgspec.ValidationError as error:
        raise LogitsError(ErrorCode.INVALID, f"the report is refused: {error}", field="body") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise LogitsError(ErrorCode.MALFORMED, "the report is not JSON", field="body") from None
    values: dict[str, Any] = msgspec.to_builtins(report)
    values.pop("sequence", None)
    return values
