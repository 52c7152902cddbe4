"""Attacks on agreement: what only one of the two sides wants, or wants elsewhere, never runs."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest

from core.rollout.updating import SITE, VENDOR, refused, run, take
from logits_core.errors import ErrorCode
from logits_core.rollout import Offer, RepositoryFiles, Trusted, agree
from logits_core.rollout.agreement import proven, still_allowed, take_roots
from logits_core.rollout.signing import make_snapshot, make_targets, make_timestamp, signed
from logits_core.rollout.tuf import Metadata, Targets
from logits_release.desk import Change
from logits_release.directory import IMAGES
from simulators.vendor_desk import CONTROLLER, ENVIRONMENT, NOW, VendorDesk, copied


@pytest.fixture
def vendor() -> VendorDesk:
    return copied(VENDOR)


def test_what_both_sides_want_runs(vendor: VendorDesk) -> None:
    offer = vendor.offer("0.1.0", reason="fixes a leak")
    again = Offer.parse(msgspec.json.encode(offer))
    accepted = run(again, vendor.pins)
    assert accepted is not None
    assert (accepted.release.version, accepted.release.counter, accepted.reason) == ("0.1.0", 1, "fixes a leak")


def test_a_director_that_wants_nothing_says_so_for_this_environment(vendor: VendorDesk) -> None:
    assert run(vendor.offer(), vendor.pins) is None
    other = vendor.offer(environment="6f6f2b1e-9a39-4a36-9d0a-5d2f4a3a7b11")
    refused(lambda: run(other, vendor.pins), ErrorCode.FORBIDDEN, "environment")


def test_arbitrary_software_that_the_offline_keys_never_saw(vendor: VendorDesk) -> None:
    """A stolen Ops database with its online keys: it wants an image of its own."""
    content = json.loads(vendor.contents["releases/0.1.0.json"])
    content |= {"version": "0.2.0", "counter": 2, "images": {"controller": "localhost/evil@sha256:" + "e" * 64}}
    evil = json.dumps(content).encode()
    offer = Offer(vendor.images(), vendor.director("0.2.0", content=evil), evil.decode())
    refused(lambda: run(offer, vendor.pins), ErrorCode.FORBIDDEN, "agreement")
    offer = Offer(vendor.images(), vendor.director("0.1.0", content=evil), evil.decode())
    refused(lambda: run(offer, vendor.pins), ErrorCode.FORBIDDEN, "agreement")


def test_another_file_than_the_signed_one(vendor: VendorDesk) -> None:
    offer = vendor.offer("0.1.0")
    other = msgspec.structs.replace(offer, release=offer.release.replace("a" * 64, "b" * 64))
    refused(lambda: run(other, vendor.pins), ErrorCode.FORBIDDEN, "agreement")


@pytest.mark.parametrize("name", ["../../../etc/passwd", "releases/../x", "/etc/passwd", "a" * 5000])
def test_a_path_that_leads_elsewhere_is_only_a_name(vendor: VendorDesk, name: str) -> None:
    """GHSA-wjw6-2cqr-j4qr: nothing from the metadata becomes a file name in the cluster."""
    made = make_targets(9, {name: b"x"}, NOW + timedelta(days=1), {"logits-environment": ENVIRONMENT})
    word = _directed(vendor, made)
    refused(lambda: run(Offer(vendor.images(), word, "x"), vendor.pins), ErrorCode.FORBIDDEN, "agreement")


def test_a_director_may_not_delegate(vendor: VendorDesk) -> None:
    """GHSA-77hh-43cm-v8j6 and Uptane: delegated roles have no say here."""
    made = make_targets(9, {}, NOW + timedelta(days=1), {"logits-environment": ENVIRONMENT})
    made.signed = Targets.from_dict(made.signed.to_dict() | {"delegations": {"keys": {}, "roles": []}})
    word = _directed(vendor, made)
    refused(lambda: run(Offer(vendor.images(), word, ""), vendor.pins), ErrorCode.FORBIDDEN, "environment")


def _directed(vendor: VendorDesk, made: Metadata[Targets]) -> RepositoryFiles:
    """Targets of version 9 under the director's own key."""
    signer, end = vendor.desk.ring.signer("director"), NOW + timedelta(days=1)
    targets = signed(made, [signer])
    snapshot = signed(make_snapshot(9, targets, 9, end), [signer])
    timestamp = signed(make_timestamp(9, snapshot, 9, end), [signer])
    return RepositoryFiles(vendor.director().roots, timestamp.decode(), snapshot.decode(), targets.decode())


def test_several_releases_at_once_are_refused(vendor: VendorDesk) -> None:
    files = {"releases/0.1.0.json": b"a", "releases/0.2.0.json": b"b"}
    made = make_targets(9, files, NOW + timedelta(days=1), {"logits-environment": ENVIRONMENT})
    offer = Offer(vendor.images(), _directed(vendor, made), "a")
    refused(lambda: run(offer, vendor.pins), ErrorCode.FORBIDDEN, "agreement")


def test_a_recalled_release_never_starts_again(vendor: VendorDesk) -> None:
    accepted = run(vendor.offer("0.1.0"), vendor.pins)
    assert accepted is not None
    vendor.release("0.2.0")
    before = take(vendor.offer("0.1.0"), vendor.pins)
    assert still_allowed(before.images, accepted)
    vendor.recall("0.1.0")
    offer = vendor.offer("0.1.0")
    refused(lambda: run(offer, vendor.pins, before), ErrorCode.FORBIDDEN, "agreement")
    after = take(offer, vendor.pins, before)
    assert not still_allowed(after.images, accepted)
    assert proven(after.images, accepted.content, accepted.proof) == accepted, "what ran was once allowed"


def test_the_floor_bars_what_is_below_it(vendor: VendorDesk) -> None:
    accepted = run(vendor.offer("0.1.0"), vendor.pins)
    vendor.release("0.2.0")
    vendor.release("0.3.0")
    vendor.recall("0.2.0", floor=3)
    offer = vendor.offer("0.1.0")
    refused(lambda: run(offer, vendor.pins), ErrorCode.FORBIDDEN, "floor")
    assert accepted is not None
    assert not still_allowed(take(offer, vendor.pins).images, accepted)


def test_wrong_hardware_is_a_range(vendor: VendorDesk) -> None:
    vendor.release("0.2.0", CONTROLLER, gateway=">=7")
    offer = vendor.offer("0.2.0")
    refused(lambda: run(offer, vendor.pins), ErrorCode.FORBIDDEN, "range")


def test_a_stored_release_without_its_proof_is_nothing(vendor: VendorDesk) -> None:
    accepted = run(vendor.offer("0.1.0"), vendor.pins)
    trusted = take(vendor.offer("0.1.0"), vendor.pins).images
    assert accepted is not None
    assert proven(trusted, accepted.content, accepted.proof) == accepted
    assert proven(trusted, accepted.content + b" ", accepted.proof) is None
    assert proven(trusted, accepted.content, accepted.proof.replace(b"1", b"2")) is None
    assert proven(Trusted(), accepted.content, accepted.proof) is None


def test_what_replaced_keys_signed_neither_begins_nor_counts_as_fresh(vendor: VendorDesk) -> None:
    """A newer root reaches a Gateway alone: what it disowns may wait there for a window, and must not begin."""
    offer = vendor.offer("0.1.0")
    trusted = take(offer, vendor.pins)
    accepted = agree(trusted, offer.release.encode(), SITE)
    assert accepted is not None
    vendor.desk.ring.make("targets-3")
    vendor.desk.draft_root(Change(IMAGES, "targets", add=("targets-3",), remove=("targets-1",)))
    vendor.sign()
    roots = Offer(RepositoryFiles(vendor.images().roots), RepositoryFiles(offer.director.roots))
    found, refusal = take_roots(trusted, roots, vendor.pins)
    assert (refusal, found.images.root_version, trusted.expires() is None) == (None, 2, False)
    assert agree(found, offer.release.encode(), SITE) is None
    assert found.expires() is None
    assert still_allowed(found.images, accepted), "a roll-back is no new release"
