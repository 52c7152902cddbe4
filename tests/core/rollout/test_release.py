"""Releases: what the file must say, and for which Gateways and clusters it is made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Release
from logits_core.rollout.release import content_digest

IMAGE = "localhost/logits/controller@sha256:" + "a" * 64
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def release(**changes: Any) -> Release:
    values: dict[str, Any] = {"version": "0.1.0", "counter": 1, "issued_at": WHEN, "images": {"controller": IMAGE}}
    return Release.make(**(values | changes))


def test_a_release_is_read_back() -> None:
    assert Release.parse(release(gateway=">=0.1,<1").encode()) == release(gateway=">=0.1,<1")
    assert release().path() == "releases/0.1.0.json"
    assert content_digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"images": {}}, "images"),
        ({"images": {"controller": IMAGE, "gateway": IMAGE}}, "images"),
        ({"images": {"controller": "localhost/logits/controller:latest"}}, "images"),
        ({"counter": 0}, "counter"),
        ({"counter": "1"}, "counter"),
        ({"counter": 2**70}, "counter"),
        ({"version": "latest"}, "version"),
        ({"version": "../../etc/passwd"}, "version"),
        ({"gateway": "newest"}, "gateway"),
        ({"issued_at": datetime(2026, 1, 1)}, "issuedAt"),  # noqa: DTZ001 - the point of the case
    ],
)
def test_a_release_says_what_it_must(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(LogitsError) as caught:
        release(**changes)
    assert (caught.value.code, caught.value.field) == (ErrorCode.INVALID, field)


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[]", b"{}", b" " * 70_000, b'{"schema":"logits.release/v2"}'])
def test_what_is_no_release_is_refused(content: bytes) -> None:
    with pytest.raises(LogitsError):
        Release.parse(content)


@pytest.mark.parametrize(
    ("gateway", "kubernetes", "fits"),
    [
        ("0.1.0", "v1.36.0", True),
        ("0.1.0", "v1.36.2+k3s1", True),
        ("0.0.9", "v1.36.0", False),
        ("1.0.0", "v1.36.0", False),
        ("0.1.0", "v1.23.17-eks-0a21954", False),
        ("0.1.0", "", False),
        ("dev", "v1.36.0", False),
    ],
)
def test_ranges_are_kept(gateway: str, kubernetes: str, fits: bool) -> None:
    made = release(gateway=">=0.1,<1", kubernetes=">=1.24")
    assert made.works_with(gateway=gateway, kubernetes=kubernetes) is fits
    assert release().works_with(gateway=gateway, kubernetes=kubernetes)
