"""A Gateway's side of an update, with a vendor to attack it by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Accepted, Offer, Pins, Site, TrustedPair, agree
from logits_core.rollout.agreement import take_metadata, take_roots
from simulators.vendor_desk import ENVIRONMENT, NOW, VendorDesk

VENDOR = VendorDesk.begin()
VENDOR.release("0.1.0")
OFFER = VENDOR.offer("0.1.0")
SITE = Site(ENVIRONMENT, "0.1.0", "v1.36.0")


def take(offer: Offer, pins: Pins, trusted: TrustedPair | None = None, now: datetime = NOW) -> TrustedPair:
    found, refusal = take_roots(trusted or TrustedPair(), offer, pins)
    if refusal is not None:
        raise refusal
    return take_metadata(found, offer, now)


def run(offer: Offer, pins: Pins, trusted: TrustedPair | None = None, now: datetime = NOW) -> Accepted | None:
    return agree(take(offer, pins, trusted, now), offer.release.encode(), SITE)


def refused(attempt: Callable[[], Any], code: ErrorCode, field: str) -> None:
    with pytest.raises(LogitsError) as caught:
        attempt()
    assert (caught.value.code, caught.value.field) == (code, field), caught.value
