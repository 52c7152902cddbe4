"""Forms: the model is found, and what makes a form ambiguous or unreadable is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.errors import ErrorCode, LogitsError
from logits_core.wire import decode_form

TYPE = "multipart/form-data; boundary=XYZ"


def form(*parts: tuple[str, bytes]) -> bytes:
    body = b"".join(b"--XYZ\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (n.encode(), v) for n, v in parts)
    return body + b"--XYZ--\r\n"


@given(st.binary(max_size=5000).filter(lambda data: b"--XYZ" not in data))
def test_the_model_is_found_beside_any_file(data: bytes) -> None:
    body = form(('name="file"; filename="a.wav"', data), ('name="model"', b"whisper"), ('name="stream"', b"true"))
    request = decode_form(TYPE, body)
    assert (request.model, request.stream) == ("whisper", True)


@pytest.mark.parametrize(
    ("kind", "body", "code", "field"),
    [
        ("application/json", form(('name="model"', b"m")), ErrorCode.UNSUPPORTED_MEDIA_TYPE, "content-type"),
        ("multipart/form-data", form(('name="model"', b"m")), ErrorCode.UNSUPPORTED_MEDIA_TYPE, "content-type"),
        (TYPE, form(('name="file"; filename="a"', b"x")), ErrorCode.INVALID, "model"),
        (TYPE, form(('name="model"; filename="a"', b"m")), ErrorCode.INVALID, "model"),
        (TYPE, form(('name="model"', b"")), ErrorCode.INVALID, "model"),
        (TYPE, form(('name="model"', b"a"), ('name="model"', b"b")), ErrorCode.INVALID, "model"),
        (TYPE, form(('name="model"', b"\xff")), ErrorCode.MALFORMED, None),
        (TYPE, b"no form", ErrorCode.MALFORMED, None),
        (TYPE, form(('name="model"', b"m"))[:-10], ErrorCode.MALFORMED, None),
        (TYPE, form(*[(f'name="p{n}"', b"x") for n in range(100)]), ErrorCode.MALFORMED, None),
    ],
)
def test_what_cannot_be_read_is_refused(kind: str, body: bytes, code: ErrorCode, field: str | None) -> None:
    with pytest.raises(LogitsError) as refused:
        decode_form(kind, body)
    assert (refused.value.code, refused.value.field) == (code, field)
