"""Attacks on the audit log and around it: each is found by the customer's own verifier, and named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

import logits_client.verify as verifier
from attacks.catalogue import CORE, JSON
from attacks.conftest import Attacker
from logits_client.kube_audit import GatewaySide, Joined, join, read_events
from logits_client.witness import WitnessKey
from logits_core.audit import LogKey
from logits_gateway.adapters.audit_epochs import read_key
from logits_shell.kubernetes import CONFIG_MAPS
from simulators.audit_records import signed, write_log
from simulators.gateway_site import NAMESPACE

pytestmark = pytest.mark.anyio
WITNESS = WitnessKey("customer.example", b"w" * 32)
Entries = list[bytes]


@dataclass(frozen=True)
class Recorded:
    """What the customer has of a log: its entries, the signed checkpoint, its key, and a witness's cosignature."""

    entries: Entries
    note: str
    key: LogKey
    cosigned: str

    def check(self, directory: Path, entries: Entries, note: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Run the one-file verifier over a log, in a Python that sees nothing else of ours."""
        log = write_log(directory / "log", entries, note)
        (directory / "cosigned").write_text(self.cosigned)
        command = [sys.executable, "-I", "-S", verifier.__file__, str(log), "--key", self.key.verifier(), *more]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def witnessed(self, directory: Path) -> tuple[str, ...]:
        return ("--witness", WITNESS.verifier(), "--witnessed", str(directory / "cosigned"))


@pytest.fixture(scope="module")
async def recorded(attacker: Attacker) -> Recorded:
    """The attacker's site, after some acts; the log's key too, as somebody who took the volume has it."""
    for number in range(4):
        body = json.dumps(_config(f"logits-kept-{number}")).encode()
        assert (await attacker.send("POST", f"{CORE}/configmaps", body, content_type=JSON)).status == 201
    site = attacker.site
    place = site.data / "audit/0001"
    # The log's newest checkpoint may be some seconds old, as the customer's copy of it is.
    checkpoint = await _signed_beyond(place, (await attacker.send("GET", f"{CORE}/pods")).receipt)
    entries = list(verifier.read_entries(place, checkpoint.size))
    key = read_key(site.data / "audit", 1)
    assert key is not None
    assert key.verifier() == site.log_key()
    return Recorded(entries, checkpoint.note, key, WITNESS.cosign(checkpoint, int(time.time())))


def _config(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}}


async def _signed_beyond(place: Path, index: int) -> verifier.Checkpoint:
    with anyio.fail_after(60):
        while True:
            checkpoint = verifier.read_checkpoint((place / "checkpoint").read_text())
            if checkpoint.size > index:
                return checkpoint
            await anyio.sleep(0.1)


def _altered(entries: Entries, at: int) -> Entries:
    changed = entries[at].replace(b'"verb":"', b'"verb":"x', 1)
    return [*entries[:at], changed, *entries[at + 1 :]]


CHANGES: list[tuple[str, Callable[[Entries, int], Entries], str]] = [
    ("alter a record", _altered, "one was changed"),
    ("drop a record", lambda e, at: e[:at] + e[at + 1 :], "is missing"),
    ("drop one and fill its place", lambda e, at: e[:at] + e[at + 1 :] + e[-1:], "one was changed, left out"),
    ("insert a record", lambda e, at: [*e[:at], *e[at:at + 1], *e[at:-1]], "added or moved"),
    ("reorder two records", lambda e, at: [*e[:at], e[at + 1], e[at], *e[at + 2 :]], "added or moved"),
    ("truncate the tail", lambda e, at: e[:at], "is missing"),
]  # fmt: skip


each_change = pytest.mark.parametrize(
    ("change", "words"), [(c, w) for _, c, w in CHANGES], ids=[f"attack 11: {name}" for name, _, _ in CHANGES]
)


async def test_the_untouched_log_is_proved(recorded: Recorded, tmp_path: Path) -> None:
    done = recorded.check(tmp_path, recorded.entries, recorded.note, *recorded.witnessed(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(recorded.entries)} entries hold" in done.stdout
    assert f"witness customer.example saw the first {len(recorded.entries)} entries" in done.stdout


@each_change
async def test_tampering_is_found(
    recorded: Recorded, tmp_path: Path, change: Callable[[Entries, int], Entries], words: str
) -> None:
    changed = change(recorded.entries, len(recorded.entries) // 2)
    assert changed != recorded.entries
    done = recorded.check(tmp_path, changed, recorded.note)
    assert (done.returncode, words in done.stdout) == (1, True), done.stdout
    assert done.stdout.startswith("BROKEN: ")


@each_change
async def test_tampering_with_the_stolen_key_is_found_by_the_witness(
    recorded: Recorded, tmp_path: Path, change: Callable[[Entries, int], Entries], words: str
) -> None:
    changed = change(recorded.entries, len(recorded.entries) // 2)
    forged = signed(changed, recorded.key)
    alone = recorded.check(tmp_path, changed, forged)
    assert alone.returncode == 0, "whoever has the key can rewrite the log: only somebody else's memory tells"
    assert "not proved: that the log shows everybody the same" in alone.stdout
    done = recorded.check(tmp_path, changed, forged, *recorded.witnessed(tmp_path))
    cut = len(changed) < len(recorded.entries)
    assert done.returncode == 1
    assert ("were cut off" if cut else "the log was forked") in done.stdout


async def test_attack_11_a_witness_that_is_offline_is_missed_when_required(recorded: Recorded, tmp_path: Path) -> None:
    done = recorded.check(tmp_path, recorded.entries, recorded.note, "--witness", WITNESS.verifier())
    assert (done.returncode, "one is required" in done.stdout) == (1, True)


async def test_attack_11_a_receipt_proves_that_a_record_was_hidden(recorded: Recorded, tmp_path: Path) -> None:
    at = len(recorded.entries) // 2
    receipt = recorded.key.receipt(at, verifier.leaf_hash(recorded.entries[at]))
    hidden = recorded.entries[:at] + recorded.entries[at + 1 :]
    done = recorded.check(tmp_path, hidden, signed(hidden, recorded.key), "--receipt", receipt)
    assert (done.returncode, f"entry {at} is not the one" in done.stdout) == (1, True)


async def test_attack_11_a_record_that_is_too_long_is_refused_before_the_act(attacker: Attacker) -> None:
    name = "logits-long"
    body = json.dumps(_config(name) | {"data": {f"{n:0250}": "b" for n in range(255)}}).encode()
    answer = await attacker.send("POST", f"{CORE}/configmaps", body, content_type=JSON)
    found = await attacker.site.admin.list(CONFIG_MAPS, namespace=NAMESPACE, field_selector=f"metadata.name={name}")
    # Either it fits the log and is done, or it doesn't and nothing is done: never an act without its record.
    assert (answer.status == 201) == bool(found.items)
    assert answer.status in (201, 413), answer.body
    assert attacker.site.verified().problem == ""


@pytest.fixture
async def bare(attacker: Attacker) -> AsyncGenerator[httpx.AsyncClient]:
    """The API server itself, for somebody who stole the Gateway's own token."""
    cluster = attacker.site.cluster
    token = (attacker.site.data.parent / "credentials/token").read_text()
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=cluster.url, verify=cluster.verify, headers=headers, trust_env=False) as http:
        yield http


def _joined(attacker: Attacker, log: Path) -> Joined:
    gateway = GatewaySide()
    for index, line in enumerate(attacker.site.audit):
        gateway.keep(index, json.loads(line)["event"])
    began = json.loads(attacker.site.audit[0])["event"]["requestReceivedTimestamp"]
    with log.open(encoding="utf-8", errors="replace") as lines:
        # Earlier Gateways of this cluster had logs of their own.
        events = [found for found in read_events(lines) if found["requestReceivedTimestamp"] >= began]
    return join(gateway, events, namespace=NAMESPACE)


@pytest.mark.kubernetes
async def test_acts_behind_the_gateways_back_are_named_by_the_api_servers_own_log(
    attacker: Attacker, bare: httpx.AsyncClient
) -> None:
    log = os.environ.get("LOGITS_TEST_KUBE_AUDIT")
    if not log or attacker.site.cluster.url.startswith("https://127.0.0.1"):
        pytest.skip("only a real API server writes an audit log")
    done = await attacker.send(
        "POST", f"{CORE}/configmaps", json.dumps(_config("logits-joined")).encode(), content_type=JSON
    )
    audit_id = str(attacker.record(done)["auditID"])
    honest = _joined(attacker, Path(log))
    assert (honest.behind, honest.different) == ([], [])
    assert honest.both >= 4
    place = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    assert (await bare.get(f"{place}/logits-joined")).status_code == 200
    replayed = await bare.delete(f"{place}/logits-joined", headers={"audit-id": audit_id})
    assert replayed.status_code == 200
    found = _joined(attacker, Path(log))
    assert any("logits-gateway did 'get logits configmaps logits-joined'" in told for told in found.behind)
    assert any(
        f"act {audit_id} is told in two ways: verb create here, delete there" in text for text in found.different
    )
    assert not found.holds
