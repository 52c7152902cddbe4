"""`logits gateway`: prints the table that is hashed, and explains with the Gateway's own words."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from logits_core.policy import policy_digest
from logits_core.policy.rules import BODY_RULES, PROTECTED, ROUTES, RULES
from logits_gateway.command import gateway


def test_the_policy_is_printed_whole() -> None:
    shown = CliRunner().invoke(gateway, ["policy"]).output
    for row in (*RULES, *PROTECTED, *ROUTES):
        assert row.id in shown
    assert all(name in shown for name in BODY_RULES)
    assert f"sha256 {policy_digest()}" in shown


def test_the_json_is_what_is_hashed() -> None:
    table = json.loads(CliRunner().invoke(gateway, ["policy", "--json"]).output)
    assert hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest() == policy_digest()


def test_a_refusal_is_explained_and_sets_the_exit_code(tmp_path: Path) -> None:
    refused = CliRunner().invoke(gateway, ["explain", "PATCH /kubernetes/api/v1/namespaces/here/pods/logits-gateway-0"])
    assert refused.exit_code == 1
    assert "default-deny" in refused.output
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "logits-a"}}))
    request = "PATCH /api/v1/namespaces/here/configmaps/logits-a?fieldManager=me"
    allowed = CliRunner().invoke(gateway, ["explain", request, "--namespace", "here", "--body", str(body)])
    assert allowed.exit_code == 0, allowed.output
    assert "controller-objects-write" in allowed.output


def test_what_is_no_request_is_said_so() -> None:
    wrong = CliRunner().invoke(gateway, ["explain", "GET"])
    assert wrong.exit_code == 2
    assert "GET /api/v1/nodes" in wrong.output


STATUS: dict[str, Any] = {
    "environment": "123e4567-e89b-42d3-a456-426614174000",
    "mode": "normal",
    "vendorWordExpires": "2026-11-24T18:00:00+00:00",
    "release": {"desired": {"version": "0.1.0", "counter": 1}},
    "releasePlan": {
        "version": "0.2.0",
        "counter": 2,
        "sha256": "5" * 64,
        "reason": "mends a leak",
        "waitsFor": "",
        "until": None,
    },
}


def planned(tmp_path: Path, controls: dict[str, Any] | None = None, *arguments: str) -> tuple[int, str]:
    (tmp_path / "status.json").write_text(json.dumps(STATUS))
    (tmp_path / "controls.json").write_text(json.dumps(controls))
    more = ["--controls", str(tmp_path / "controls.json")] if controls is not None else []
    done = CliRunner().invoke(gateway, ["plan", "--status", str(tmp_path / "status.json"), *more, *arguments])
    return done.exit_code, done.output


def test_the_plan_is_shown_with_its_reason(tmp_path: Path) -> None:
    code, output = planned(tmp_path)
    assert code == 0
    for words in ("release 0.2.0, counter 2", "5" * 64, "mends a leak", "begins"):
        assert words in output


def test_controls_are_tried_before_they_are_installed(tmp_path: Path) -> None:
    nightly = {"windows": [{"start": "02:00", "hours": 2, "timeZone": "Europe/Berlin"}]}
    code, output = planned(tmp_path, nightly, "--at", "2026-11-24T12:00:00+01:00")
    assert (code, "waits: it waits for the customer's next maintenance window" in output) == (1, True)
    assert "until 2026-11-25T01:00:00+00:00" in output
    assert planned(tmp_path, nightly, "--at", "2026-11-24T03:00:00+01:00")[0] == 0
    assert "offset" in planned(tmp_path, nightly, "--at", "2026-11-24T03:00:00")[1]
    assert "release.pin" in planned(tmp_path, {"pin": "latest"})[1]


def test_an_approval_made_on_the_command_line_is_one(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = tmp_path / "approver.pem"
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    rule, moment = {"approval": {"keys": [public]}}, ("--at", "2026-11-24T12:00:00+01:00")
    assert planned(tmp_path, rule, *moment)[0] == 1
    arguments = ["--key", str(pem), "--environment", STATUS["environment"], "--sha256", "5" * 64]
    done = CliRunner().invoke(gateway, ["approve", *arguments])
    assert done.exit_code == 0, done.output
    assert "logits.ai/release-approval=" in done.stderr
    assert planned(tmp_path, rule, *moment, "--approval", done.stdout.strip())[0] == 0
    for wrong in (["--sha256", "5"], ["--key", str(tmp_path / "status.json")]):
        assert CliRunner().invoke(gateway, ["approve", *arguments, *wrong]).exit_code == 2
