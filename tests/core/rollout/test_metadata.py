"""Attacks on update metadata, by the names that TUF, Uptane and python-tuf's own history give them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rollout.updating import OFFER, VENDOR, refused, run, take
from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Offer, RepositoryFiles, Trusted
from logits_core.rollout.agreement import MAX_OFFER_BYTES, take_roots
from logits_core.rollout.metadata import MAX_BYTES, MAX_ROOTS, advance, follow_roots
from logits_core.rollout.signing import make_snapshot, make_targets, make_timestamp, signed
from logits_core.rollout.tuf import Metadata, Root
from logits_release.desk import Change
from logits_release.directory import DIRECTOR, IMAGES
from simulators.vendor_desk import NOW, VendorDesk, copied, images_roots


@pytest.fixture
def vendor() -> VendorDesk:
    return copied(VENDOR)


def changed(text: str, **fields: Any) -> str:
    document = json.loads(text)
    document["signed"].update(fields)
    return json.dumps(document)


def test_a_stolen_director_may_not_sign_the_images(vendor: VendorDesk) -> None:
    signer = vendor.desk.ring.signer("director")
    files = {"releases/0.1.0.json": b"evil"}
    targets = signed(make_targets(9, files, NOW + timedelta(days=1), {}), [signer])
    snapshot = signed(make_snapshot(9, targets, 9, NOW + timedelta(days=1)), [signer])
    timestamp = signed(make_timestamp(9, snapshot, 9, NOW + timedelta(days=1)), [signer])
    forged = RepositoryFiles(vendor.images().roots, timestamp.decode(), snapshot.decode(), targets.decode())
    offer = Offer(forged, vendor.director("0.1.0", content=b"evil"), "evil")
    refused(lambda: run(offer, vendor.pins), ErrorCode.SIGNATURE_REFUSED, "signatures")


def test_rollback_of_every_role(vendor: VendorDesk) -> None:
    old = vendor.offer("0.1.0")
    vendor.release("0.2.0")
    new = vendor.offer("0.2.0")
    trusted = take(new, vendor.pins)
    refused(lambda: take(old, vendor.pins, trusted), ErrorCode.CONFLICT, "version")
    mixed = msgspec.structs.replace(new, director=old.director)
    refused(lambda: take(mixed, vendor.pins, trusted), ErrorCode.CONFLICT, "version")
    assert take(new, vendor.pins, trusted) == trusted


def test_a_snapshot_that_goes_back_behind_a_newer_timestamp(vendor: VendorDesk) -> None:
    old = vendor.images()
    vendor.release("0.2.0")
    trusted = take(vendor.offer("0.2.0"), vendor.pins).images
    ring = vendor.desk.ring
    older = signed(make_snapshot(9, old.targets.encode(), 1, NOW + timedelta(days=1)), [ring.signer("snapshot")])
    stamp = signed(make_timestamp(99, older, 9, NOW + timedelta(days=1)), [ring.signer("timestamp")])
    offer = RepositoryFiles(old.roots, stamp.decode(), older.decode(), old.targets)
    refused(lambda: advance(trusted, offer, NOW), ErrorCode.CONFLICT, "version")


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_mix_and_match(vendor: VendorDesk, role: str) -> None:
    old = vendor.images()
    vendor.release("0.2.0")
    mixed = msgspec.structs.replace(vendor.images(), **{role: getattr(old, role)})
    offer = Offer(mixed, vendor.director("0.1.0"), "")
    refused(lambda: take(offer, vendor.pins), ErrorCode.CONFLICT, "mix")


def test_two_faces_under_one_version(vendor: VendorDesk) -> None:
    trusted = take(vendor.offer("0.1.0"), vendor.pins)
    vendor.release("0.2.0")
    vendor.word -= 1
    offer = vendor.offer("0.2.0")
    refused(lambda: take(offer, vendor.pins, trusted), ErrorCode.CONFLICT, "version")


@pytest.mark.parametrize("days", [8, 365, 3650])
def test_an_indefinite_freeze_is_seen(vendor: VendorDesk, days: int) -> None:
    """Also of what hasn't changed (python-tuf 322): metadata that is trusted already runs out all the same."""
    offer = vendor.offer("0.1.0")
    trusted = take(offer, vendor.pins)
    later = NOW + timedelta(days=days)
    refused(lambda: take(offer, vendor.pins, trusted, later), ErrorCode.EXPIRED, "expiry")
    assert trusted.expires() == NOW + timedelta(hours=6)


def test_a_clock_that_is_a_year_slow_still_never_goes_back(vendor: VendorDesk) -> None:
    old = vendor.offer("0.1.0")
    vendor.release("0.2.0")
    trusted = take(vendor.offer("0.2.0"), vendor.pins)
    refused(lambda: take(old, vendor.pins, trusted, NOW - timedelta(days=365)), ErrorCode.CONFLICT, "version")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_endless_data(vendor: VendorDesk, role: str) -> None:
    images = vendor.images()
    padded = msgspec.structs.replace(images, **{role: getattr(images, role) + " " * MAX_BYTES[role]})
    offer = Offer(padded, vendor.director("0.1.0"), "")
    with pytest.raises(LogitsError) as caught:
        take(offer, vendor.pins)
    assert caught.value.field in ("length", "mix")
    with pytest.raises(LogitsError) as caught:
        Offer.parse(b" " * (MAX_OFFER_BYTES + 1))
    assert caught.value.code is ErrorCode.TOO_LARGE


def test_endless_roots(vendor: VendorDesk) -> None:
    images = vendor.images()
    many = msgspec.structs.replace(images, roots=images.roots * (MAX_ROOTS + 1))
    refused(lambda: take(Offer(many, vendor.director(), ""), vendor.pins), ErrorCode.TOO_LARGE, "length")


def test_a_pin_of_another_vendor(vendor: VendorDesk) -> None:
    pins = replace(vendor.pins, images="0" * 64)
    refused(lambda: take(vendor.offer("0.1.0"), pins), ErrorCode.SIGNATURE_REFUSED, "root")


def test_a_whole_repository_of_a_stranger(vendor: VendorDesk, tmp_path: Path) -> None:
    stranger = VendorDesk.begin(tmp_path / "stranger")
    stranger.release("0.1.0")
    offer = stranger.offer("0.1.0")
    refused(lambda: take(offer, vendor.pins), ErrorCode.SIGNATURE_REFUSED, "root")
    trusted = take(vendor.offer("0.1.0"), vendor.pins)
    refused(lambda: take(offer, vendor.pins, trusted), ErrorCode.SIGNATURE_REFUSED, "signatures")


def test_fewer_signatures_than_the_threshold(vendor: VendorDesk) -> None:
    images = vendor.images()
    document = json.loads(images.targets)
    document["signatures"] = document["signatures"][:1]
    offer = Offer(_resigned(vendor, json.dumps(document)), vendor.director("0.1.0"), "")
    refused(lambda: take(offer, vendor.pins), ErrorCode.SIGNATURE_REFUSED, "signatures")


def test_one_signature_twice_is_no_threshold(vendor: VendorDesk) -> None:
    """python-tuf 974: a key id that comes twice must not count twice."""
    document = json.loads(vendor.images().targets)
    document["signatures"] = document["signatures"][:1] * 2
    offer = Offer(_resigned(vendor, json.dumps(document)), vendor.director("0.1.0"), "")
    refused(lambda: take(offer, vendor.pins), ErrorCode.INVALID, "metadata")


def test_one_key_under_two_ids_is_no_threshold(vendor: VendorDesk) -> None:
    """python-tuf 1218: also a root that its holders signed may not count one key twice."""
    document = json.loads(images_roots(vendor)[0])["signed"]
    first = document["roles"]["targets"]["keyids"][0]
    document["keys"]["f" * 64] = json.loads(json.dumps(document["keys"][first]))
    document["roles"]["targets"]["keyids"] = [first, "f" * 64]
    root: Metadata[Root] = Metadata(Root.from_dict(document | {"version": 2}))
    content = signed(root, [vendor.desk.ring.signer(name) for name in ("root-1", "root-2")])
    trusted = take(vendor.offer("0.1.0"), vendor.pins).images
    found, refusal = follow_roots(trusted, RepositoryFiles((content.decode(),)), vendor.pins.images)
    assert found == trusted
    assert refusal is not None
    assert "distinct" in refusal.message


def _resigned(vendor: VendorDesk, targets: str) -> RepositoryFiles:
    """Snapshot and timestamp of an attacker who has their keys, but not those of the targets."""
    ring, end = vendor.desk.ring, NOW + timedelta(days=1)
    version = json.loads(targets)["signed"]["version"]
    snapshot = signed(make_snapshot(50, targets.encode(), version, end), [ring.signer("snapshot")])
    timestamp = signed(make_timestamp(50, snapshot, 50, end), [ring.signer("timestamp")])
    return RepositoryFiles(vendor.images().roots, timestamp.decode(), snapshot.decode(), targets)


def test_a_fast_forward_is_healed_by_new_keys(vendor: VendorDesk) -> None:
    """Whoever stole the timestamp's key raises its version beyond reach; a root with another key ends that."""
    ring, images = vendor.desk.ring, vendor.images()
    stamp = signed(
        make_timestamp(2**31, images.snapshot.encode(), _version(images.snapshot), NOW + timedelta(days=1)),
        [ring.signer("timestamp")],
    )
    ahead = Offer(msgspec.structs.replace(images, timestamp=stamp.decode()), vendor.director("0.1.0"), "")
    trusted = take(ahead, vendor.pins)
    refused(lambda: take(vendor.offer("0.1.0"), vendor.pins, trusted), ErrorCode.CONFLICT, "version")
    ring.make("timestamp-2")
    vendor.desk.draft_root(Change(IMAGES, "timestamp", add=("timestamp-2",), remove=("timestamp",)))
    vendor.sign()
    healed = take(vendor.offer("0.1.0"), vendor.pins, trusted)
    assert healed.images.root_version == 2


def _version(text: str) -> int:
    return int(json.loads(text)["signed"]["version"])


def test_a_stolen_director_key_is_replaced_by_the_offline_root(vendor: VendorDesk) -> None:
    trusted = take(vendor.offer("0.1.0"), vendor.pins)
    vendor.desk.ring.make("director-2")
    for role in ("targets", "snapshot", "timestamp"):
        vendor.desk.draft_root(Change(DIRECTOR, role, add=("director-2",), remove=("director",)))
        vendor.sign()
    stolen = Offer(vendor.images(), vendor.director("0.1.0", key="director"), "")
    refused(lambda: take(stolen, vendor.pins, trusted), ErrorCode.SIGNATURE_REFUSED, "signatures")
    content = vendor.contents["releases/0.1.0.json"].decode()
    vendor.word = 0  # the new key begins anew, and what the old one signed is no measure any more
    good = Offer(vendor.images(), vendor.director("0.1.0", key="director-2"), content)
    assert run(good, vendor.pins, trusted) is not None


def test_root_rotation_leaves_nobody_out(vendor: VendorDesk) -> None:
    pins, trusted = vendor.pins, take(vendor.offer("0.1.0"), vendor.pins)
    for number in (4, 5, 6):
        vendor.desk.ring.make(f"root-{number}")
        change = Change(IMAGES, "root", add=(f"root-{number}",), remove=(f"root-{number - 3}",))
        vendor.desk.draft_root(change)
        vendor.sign()
    offer = vendor.offer("0.1.0")
    assert take(offer, pins, trusted).images.root_version == 4
    assert take(offer, pins).images.root_version == 4
    gap = msgspec.structs.replace(offer, images=msgspec.structs.replace(offer.images, roots=offer.images.roots[2:]))
    refused(lambda: take(gap, pins, trusted), ErrorCode.CONFLICT, "root")


def test_a_root_that_only_the_new_keys_signed(vendor: VendorDesk, tmp_path: Path) -> None:
    stranger = VendorDesk.begin(tmp_path / "stranger")
    root = json.loads(images_roots(stranger)[0])["signed"] | {"version": 2}
    content = signed(Metadata(Root.from_dict(root)), [stranger.desk.ring.signer(name) for name in ("root-1", "root-2")])
    trusted = take(vendor.offer("0.1.0"), vendor.pins).images
    found, refusal = follow_roots(trusted, RepositoryFiles((content.decode(),)), vendor.pins.images)
    assert (found, refusal is None) == (trusted, False)


def test_a_root_that_too_few_of_the_old_holders_signed(vendor: VendorDesk) -> None:
    vendor.desk.ring.make("root-4")
    vendor.desk.draft_root(Change(IMAGES, "root", add=("root-4",), remove=("root-1",)))
    waiting = vendor.desk.sign(("root-1", "root-4"))
    assert [(found.role, found.missing) for found in waiting] == [("root", 1)]
    draft = vendor.desk.directory.draft(IMAGES, "root")
    assert draft is not None
    trusted = take(vendor.offer("0.1.0"), vendor.pins).images
    found, refusal = follow_roots(trusted, RepositoryFiles((draft.decode(),)), vendor.pins.images)
    assert (found, refusal is None) == (trusted, False)


def test_good_roots_are_kept_though_all_else_is_refused(vendor: VendorDesk) -> None:
    trusted = take(vendor.offer("0.1.0"), vendor.pins)
    vendor.desk.ring.make("timestamp-2")
    vendor.desk.draft_root(Change(IMAGES, "timestamp", add=("timestamp-2",), remove=("timestamp",)))
    vendor.sign()
    images = vendor.images()
    broken = msgspec.structs.replace(images, roots=(*images.roots, "{}"), targets="{}")
    found, refusal = take_roots(trusted, Offer(broken, vendor.director(), ""), vendor.pins)
    assert found.images.root_version == 2
    assert refusal is not None


def test_a_refused_offer_does_not_wedge_the_next_good_one(vendor: VendorDesk) -> None:
    """python-tuf 736: a new timestamp whose snapshot doesn't hold must not lock later updates out."""
    trusted = take(vendor.offer("0.1.0"), vendor.pins)
    vendor.release("0.2.0")
    good = vendor.offer("0.2.0")
    broken = msgspec.structs.replace(good, images=msgspec.structs.replace(good.images, snapshot="{}"))
    refused(lambda: take(broken, vendor.pins, trusted), ErrorCode.CONFLICT, "mix")
    assert run(good, vendor.pins, trusted) is not None


def test_an_expired_root_on_the_way_is_no_obstacle_but_the_last_one_is(vendor: VendorDesk) -> None:
    later = NOW + timedelta(days=400)
    moment = [NOW]
    vendor.clock = lambda: moment[0]
    offer = vendor.offer("0.1.0")
    refused(lambda: take(offer, vendor.pins, now=later), ErrorCode.EXPIRED, "expiry")
    roles = json.loads(images_roots(vendor)[0])["signed"]
    root: Metadata[Root] = Metadata(Root.from_dict(roles | {"version": 2, "expires": "2099-01-01T00:00:00Z"}))
    fresh = signed(root, [vendor.desk.ring.signer(name) for name in ("root-1", "root-2")])
    found, refusal = follow_roots(
        Trusted(), RepositoryFiles((offer.images.roots[0], fresh.decode())), vendor.pins.images
    )
    assert (refusal, found.root_version) == (None, 2)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"signed":1,"signatures":[]}', '{"signed":{"_type":"root"},"signatures":[]}', "[" * 5000,
     '{"signed":{"_type":"evil"},"signatures":[]}', "\ud83d"],
)  # fmt: skip
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_what_is_no_metadata_is_refused(vendor: VendorDesk, role: str, text: str) -> None:
    broken = msgspec.structs.replace(vendor.images(), **{role: text.encode("utf-8", "replace").decode()})
    with pytest.raises(LogitsError):
        take(Offer(broken, vendor.director(), ""), vendor.pins)


@pytest.mark.parametrize("field", ["_type", "version", "spec_version", "expires"])
@pytest.mark.parametrize("value", [None, True, -1, 0, 1.5, "", "2", [], {}, "9" * 4000])
def test_odd_fields_of_a_signed_timestamp_change_nothing(vendor: VendorDesk, field: str, value: Any) -> None:
    """What python-tuf reads leniently (a missing field gets its default) is signed in the form in which it is read."""
    good = vendor.offer("0.1.0")
    odd = msgspec.structs.replace(good.images, timestamp=changed(good.images.timestamp, **{field: value}))
    try:
        found = run(msgspec.structs.replace(good, images=odd), vendor.pins)
    except LogitsError:
        return
    assert (field, value, found) == ("spec_version", None, run(good, vendor.pins))


@given(st.sampled_from(["timestamp", "snapshot", "targets"]), st.integers(min_value=0), st.integers(1, 127))
def test_no_changed_byte_of_signed_metadata_changes_what_runs(role: str, place: int, flip: int) -> None:
    """Every flipped byte is refused, unless what is signed still reads the same (white space, say)."""
    data = bytearray(getattr(OFFER.images, role).encode())
    data[place % len(data)] ^= flip
    try:
        broken = msgspec.structs.replace(OFFER.images, **{role: data.decode()})
        found = run(msgspec.structs.replace(OFFER, images=broken), VENDOR.pins)
    except (LogitsError, UnicodeDecodeError):
        return
    assert found == run(OFFER, VENDOR.pins)


def test_a_root_needs_as_many_keys_as_its_threshold(vendor: VendorDesk) -> None:
    root = json.loads(images_roots(vendor)[0])["signed"]
    root["roles"]["targets"]["threshold"] = 3
    odd: Metadata[Root] = Metadata(Root.from_dict(root | {"version": 2}))
    content = signed(odd, [vendor.desk.ring.signer(name) for name in ("root-1", "root-2")])
    trusted = take(vendor.offer("0.1.0"), vendor.pins).images
    found, refusal = follow_roots(trusted, RepositoryFiles((content.decode(),)), vendor.pins.images)
    assert (found, refusal is None) == (trusted, False)
