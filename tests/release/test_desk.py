"""The release desk: ceremony, drafts that enough holders sign, and a repository that any TUF client reads."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import root_pin
from logits_core.rollout.signing import pem_signer
from logits_core.rollout.tuf import SIGNER_FOR_URI_SCHEME, CryptoSigner, Key, Signer
from logits_release.command import release
from logits_release.desk import Ceremony, Change, NewRelease, ReleaseDesk
from logits_release.directory import IMAGES, ReleaseDirectory
from logits_release.key_ring import KeyRing
from simulators.vendor_desk import CONTROLLER, PLAN, VendorDesk, copied

VENDOR = VendorDesk.begin(clock=lambda: datetime.now(UTC))
IMAGE = CONTROLLER["controller"]


@pytest.fixture
def vendor() -> VendorDesk:
    return copied(VENDOR)


def test_keys_are_for_their_owner_only(vendor: VendorDesk) -> None:
    for path in vendor.desk.ring.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    KeyRing(tmp_path).make("root-1", "correct horse")
    assert b"ENCRYPTED" in (tmp_path / "root-1.pem").read_bytes()
    asked: list[str] = []

    def ask(secret: str) -> str:
        asked.append(secret)
        return "correct horse"

    assert KeyRing(tmp_path, ask).signer("root-1").sign(b"x")
    assert asked == ["passphrase of root-1"]
    for wrong in (KeyRing(tmp_path), KeyRing(tmp_path, lambda _: "wrong")):
        with pytest.raises(LogitsError) as caught:
            wrong.signer("root-1")
        assert "passphrase" in caught.value.message
        assert "horse" not in caught.value.message


def test_a_release_waits_until_enough_holders_have_signed(vendor: VendorDesk) -> None:
    desk = vendor.desk
    made = desk.draft_release(NewRelease("0.1.0", CONTROLLER))
    (waiting,) = desk.sign(("targets-1", "snapshot", "timestamp", "root-1"))
    assert (waiting.role, waiting.missing, waiting.signed) == ("targets", 1, ("targets-1",))
    found = desk.directory.targets()
    assert found is not None
    assert not found[1].targets, "nothing counts before the threshold"
    assert desk.sign(("targets-2",)) == []
    assert not desk.directory.current
    with pytest.raises(LogitsError):
        desk.directory.publication()
    assert desk.refresh()
    assert desk.directory.publication().releases == {made.path(): made.encode().decode()}


def test_counters_go_up_even_past_recalled_releases(vendor: VendorDesk) -> None:
    assert [vendor.release(version).counter for version in ("0.1.0", "0.2.0")] == [1, 2]
    vendor.recall("0.2.0")
    assert vendor.release("0.3.0").counter == 3
    with pytest.raises(LogitsError) as caught:
        vendor.release("0.3.0")
    assert caught.value.code is ErrorCode.ALREADY_EXISTS
    vendor.recall("0.1.0", floor=3)
    with pytest.raises(LogitsError) as caught:
        vendor.recall("0.3.0", floor=2)
    assert caught.value.field == "floor"


def test_a_second_draft_joins_the_first_and_needs_new_signatures(vendor: VendorDesk) -> None:
    desk = vendor.desk
    desk.draft_release(NewRelease("0.1.0", CONTROLLER))
    desk.sign(("targets-1",))
    desk.draft_release(NewRelease("0.2.0", CONTROLLER))
    (waiting,) = desk.sign(("targets-2",))
    assert waiting.signed == ("targets-2",)
    vendor.sign()
    assert len(desk.directory.publication().releases) == 2


def test_the_ceremony_is_held_once_and_with_enough_keys(vendor: VendorDesk, tmp_path: Path) -> None:
    with pytest.raises(LogitsError) as caught:
        vendor.desk.begin(PLAN)
    assert caught.value.code is ErrorCode.ALREADY_EXISTS
    fresh = ReleaseDesk(ReleaseDirectory(tmp_path), vendor.desk.ring)
    for plan in (
        Ceremony(root=("root-1", "root-1"), targets=("targets-1", "targets-2")),
        Ceremony(root=("root-1",), targets=("targets-1", "targets-2")),
    ):
        with pytest.raises(LogitsError) as caught:
            fresh.begin(plan)
        assert "distinct keys" in caught.value.message


def test_new_targets_holders_sign_the_list_anew(vendor: VendorDesk) -> None:
    vendor.release("0.1.0")
    desk = vendor.desk
    desk.ring.make("targets-3")
    desk.draft_root(Change(IMAGES, "targets", add=("targets-3",), remove=("targets-1",)))
    waiting = desk.sign(("root-1", "root-2", "targets-1", "targets-2"))
    assert [(found.role, found.missing) for found in waiting] == [("targets", 1)]
    assert desk.sign(("targets-3", "snapshot", "timestamp")) == []
    assert desk.directory.current
    assert desk.directory.root(IMAGES).version == 2


class _Files(FetcherInterface):
    """Fetches from a directory what python-tuf's own client asks for."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _fetch(self, url: str):
        path = self._root / url.removeprefix("https://vendor.example/")
        if not path.exists():
            raise DownloadHTTPError("not found", 404)
        return iter([path.read_bytes()])


def test_a_client_that_we_did_not_write_reads_the_repository(vendor: VendorDesk, tmp_path: Path) -> None:
    made = vendor.release("0.1.0")
    vendor.desk.ring.make("root-4")
    vendor.desk.draft_root(Change(IMAGES, "root", add=("root-4",), remove=("root-1",)))
    vendor.sign()
    roots = vendor.desk.directory.roots(IMAGES)
    assert root_pin(roots[0]) == vendor.pins.images
    (tmp_path / "targets").mkdir()
    updater = Updater(
        str(tmp_path),
        "https://vendor.example/metadata",
        str(tmp_path / "targets"),
        "https://vendor.example/targets",
        fetcher=_Files(vendor.desk.directory.path / "images"),
        bootstrap=roots[0],
    )
    updater.refresh()
    info = updater.get_targetinfo(made.path())
    assert info is not None
    assert Path(updater.download_target(info)).read_bytes() == made.encode()


class _SimulatedModule(Signer):
    """What stands for an HSM or KMS: the key never leaves, and only a URI names it."""

    SCHEME = "simulated"
    pem = b""

    def __init__(self, inner: CryptoSigner) -> None:
        self._inner = inner

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri: str, public_key: Key, secrets_handler: object = None) -> Signer:
        assert priv_key_uri == "simulated:slot-1"
        return cls(pem_signer(cls.pem))

    @property
    def public_key(self) -> Key:
        return self._inner.public_key

    def sign(self, payload: bytes):
        return self._inner.sign(payload)


def test_a_key_in_hardware_signs_by_the_same_code(
    vendor: VendorDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeyRing(tmp_path / "hardware").make("inside")
    _SimulatedModule.pem = (tmp_path / "hardware/inside.pem").read_bytes()
    monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "simulated", _SimulatedModule)
    private = pem_signer(_SimulatedModule.pem)
    public = private._private_key.public_key()  # pyright: ignore[reportPrivateUsage]
    ring = vendor.desk.ring
    ring.adopt("targets-9", "simulated:slot-1", public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert not (ring.directory / "targets-9.pem").exists()
    vendor.desk.draft_root(Change(IMAGES, "targets", add=("targets-9",), remove=("targets-1",)))
    vendor.desk.sign(("root-1", "root-2", "targets-2", "snapshot", "timestamp", "targets-9"))
    assert vendor.desk.directory.root(IMAGES).version == 2
    assert vendor.desk.directory.current


def run(*arguments: object) -> Result:
    return CliRunner().invoke(release, [str(argument) for argument in arguments])


def test_the_commands_from_ceremony_to_recall(tmp_path: Path) -> None:
    shelf, keys = tmp_path / "releases", tmp_path / "keys"
    held = run("ceremony", shelf, "--keys", keys)
    assert held.exit_code == 0, held.output
    pins = ReleaseDirectory(shelf).pins()
    assert f"release.roots.images   sha256:{pins.images}" in held.output
    assert "counter 1" in run("draft", shelf, "0.1.0", "--image", f"controller={IMAGE}", "--gateway", ">=0.1").output
    first = run("sign", shelf, "--keys", keys, "--key", "targets-1")
    assert "waits for 1 more; signed by targets-1" in first.output
    assert "logits release refresh" in run("sign", shelf, "--keys", keys, "--key", "targets-2").output
    assert run("refresh", shelf, "--keys", keys).exit_code == 0
    shown = run("show", shelf, "--keys", keys).output
    assert "0.1.0 counter 1" in shown
    assert "targets: 2 of targets-1, targets-2" in shown
    assert run("recall", shelf, "0.1.0", "--floor", "1").exit_code == 0
    assert "a draft of images targets waits" in run("show", shelf).output
    assert "logits release publish" in run("sign", shelf, "--keys", keys).output
    assert "0.1.0" not in run("show", shelf).output
    found = ReleaseDirectory(shelf).targets()
    assert found is not None
    assert found[1].expires > datetime.now(UTC) + timedelta(days=80)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("draft", "{}", "0.1.0", "--image", "controller=x:latest"), "digest"),
        (("draft", "{}", "latest", "--image", f"controller={IMAGE}"), "version"),
        (("draft", "{}", "0.1.0", "--image", f"gateway={IMAGE}"), "images"),
        (("recall", "{}", "9.9.9"), "9.9.9"),
        (("ceremony", "{}", "--keys", "{}/keys"), "already"),
        (("sign", "{}", "--keys", "{}/../keys", "--key", "nobody"), "nobody"),
        (("show", "/nonexistent"), "ceremony"),
    ],
)
def test_mistakes_are_named_in_one_line(vendor: VendorDesk, arguments: tuple[str, ...], words: str) -> None:
    done = run(*(argument.replace("{}", str(vendor.desk.directory.path)) for argument in arguments))
    assert done.exit_code != 0
    assert words in done.output
    assert "Traceback" not in done.output


def test_a_damaged_key_table_says_so(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{half")
    with pytest.raises(LogitsError) as caught:
        KeyRing(tmp_path).names()
    assert caught.value.code is ErrorCode.CORRUPT
