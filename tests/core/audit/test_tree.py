"""The tree, tiles and notes: as the RFC and C2SP have them, by published vectors and by a second reading."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import logits_client.verify as verifier
from logits_core.audit import (
    EMPTY_ROOT,
    Checkpoint,
    Frontier,
    LogKey,
    decode_bundle,
    encode_entry,
    frontier_of,
    leaf_hash,
    node_hash,
    parse_tile_path,
    read_checkpoint,
    tile_path,
)
from logits_core.audit.tiles import MAX_ENTRY_BYTES
from logits_core.errors import LogitsError

LEAVES = [bytes.fromhex(x) for x in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# RFC 8032, section 7.1: secret key, public key, message, signature.
RFC8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


def naive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


def test_published_roots() -> None:
    assert Frontier().root == EMPTY_ROOT
    for count, root in enumerate(ROOTS, 1):
        assert frontier_of(leaf_hash(leaf) for leaf in LEAVES[:count]).root.hex() == root


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_both_readings_agree_with_the_definition(entries: list[bytes]) -> None:
    leaves = [leaf_hash(entry) for entry in entries]
    tree = verifier.Tree()
    for leaf in leaves:
        tree.add(leaf)
    assert frontier_of(leaves).root == tree.root() == naive_root(leaves)


@given(st.integers(0, 40), st.integers(0, 3), st.binary(min_size=32, max_size=32))
def test_whole_subtrees_are_appended_as_their_leaves_would(before: int, height: int, seed: bytes) -> None:
    before <<= height
    leaves = [hashlib.sha256(seed + bytes([index & 255])).digest() for index in range(before + (1 << height))]
    subtree = frontier_of(leaves[before:]).root
    assert frontier_of(leaves[:before]).append_subtree(subtree, height) == frontier_of(leaves)


@given(st.integers(0, 10**12), st.integers(1, 256), st.none() | st.integers(0, 63))
def test_paths_have_one_spelling(index: int, width: int, level: int | None) -> None:
    path = tile_path(level, index, width)
    assert parse_tile_path(path) == (level, index, width)
    if level is None:
        assert verifier.tile_path(index, width) == path


def test_paths_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(None, 5, 112) == "tile/entries/005.p/112"
    for path in ("tile/0/67", "tile/00/067", "tile/entries/../067", "tile/0/067.p/0", "tile/0/067.p/256", "tile/64/0"):
        with pytest.raises(LogitsError):
            parse_tile_path(path)


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=20), st.integers(0, 60))
def test_a_bundle_cut_anywhere_yields_its_whole_entries(entries: list[bytes], cut: int) -> None:
    data = b"".join(encode_entry(entry) for entry in entries)
    kept = data[: max(0, len(data) - cut)]
    found = decode_bundle(kept)
    assert found == entries[: len(found)]
    assert len(kept) - sum(len(encode_entry(entry)) for entry in found) < 32


def test_an_entry_has_a_bound() -> None:
    encode_entry(b"x" * MAX_ENTRY_BYTES)
    with pytest.raises(LogitsError):
        encode_entry(b"x" * (MAX_ENTRY_BYTES + 1))


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC8032)
def test_published_signatures(secret: str, public: str, message: str, signature: str) -> None:
    raw = bytes.fromhex(signature)
    assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).sign(bytes.fromhex(message)) == raw
    assert verifier.signed_by(bytes.fromhex(public), bytes.fromhex(message), raw)
    assert not verifier.signed_by(bytes.fromhex(public), bytes.fromhex(message) + b"x", raw)


@given(st.binary(max_size=100), st.integers(0, 511), st.binary(min_size=32, max_size=32))
def test_a_flipped_bit_breaks_a_signature(message: bytes, bit: int, seed: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes_raw()
    signature = key.sign(message)
    assert verifier.signed_by(public, message, signature)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << (bit % 8)
    assert not verifier.signed_by(public, message, bytes(flipped))


def test_a_scalar_beyond_the_order_is_refused() -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    signature = key.sign(b"m")
    order = 2**252 + 27742317777372353535851937790883648493
    doubled = int.from_bytes(signature[32:], "little") + order
    malleable = signature[:32] + doubled.to_bytes(32, "little")
    assert not verifier.signed_by(key.public_key().public_bytes_raw(), b"m", malleable)


def test_the_published_note_verifies() -> None:
    key = verifier.read_key(NEUMANN)
    assert (key.name, key.kind, key.key_id.hex()) == ("PeterNeumann", 1, "c74f20a3")
    assert verifier.signature_time(verifier.Checkpoint("", 0, b"", NOTE), key) == 0
    with pytest.raises(verifier.VerifyError):
        verifier.signature_time(verifier.Checkpoint("", 0, b"", NOTE.replace("problem", "puzzle", 1)), key)


@given(st.integers(0, 2**40), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_checkpoints_are_read_back_by_both(size: int, root: bytes, seed: bytes) -> None:
    key = LogKey("logits.ai/audit/e/1.0", Ed25519PrivateKey.from_private_bytes(seed))
    note = key.sign_note(Checkpoint(key.name, size, root).text())
    assert read_checkpoint(note, key.name, key.public) == Checkpoint(key.name, size, root)
    found = verifier.read_checkpoint(note)
    assert (found.origin, found.size, found.root) == (key.name, size, root)
    assert verifier.signature_time(found, verifier.read_key(key.verifier())) == 0


@pytest.mark.parametrize("part", ["origin", "size", "root", "signature", "none"])
def test_a_changed_checkpoint_is_refused(part: str) -> None:
    key = LogKey("logits.ai/audit/e/1.0", Ed25519PrivateKey.from_private_bytes(b"k" * 32))
    note = key.sign_note(Checkpoint(key.name, 7, b"r" * 32).text())
    changed = {
        "origin": note.replace("/e/", "/f/"),
        "size": note.replace("\n7\n", "\n8\n"),
        "root": note.replace(base64.b64encode(b"r" * 32).decode(), base64.b64encode(b"s" * 32).decode()),
        "signature": note[:-9] + "AAAAAAA=\n",
        "none": note.partition("\n\n")[0] + "\n\n",
    }
    with pytest.raises(LogitsError):
        read_checkpoint(changed[part], key.name, key.public)
