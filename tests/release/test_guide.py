"""The guide to releases: every command on the page runs, in its order, and its values are the Gateway's words."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from logits_core.rollout import Controls
from vendor.ops_api import ENVIRONMENT, OPERATOR, running

pytestmark = pytest.mark.anyio
GUIDE = (Path(__file__).parents[2] / "docs/releases.md").read_text()
BLOCKS: list[str] = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
PLAN: dict[str, Any] = {
    "environment": ENVIRONMENT,
    "mode": "normal",
    "vendorWordExpires": "2026-12-26T06:00:00+00:00",
    "release": {"desired": {"version": "0.1.0", "counter": 1}},
    "releasePlan": {
        "version": "0.2.0",
        "counter": 2,
        "sha256": "5" * 64,
        "reason": "",
        "waitsFor": "",
        "until": None,
    },
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def run(block: str, place: Path, **variables: str) -> str:
    path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=place,
        env={"PATH": path, "HOME": str(place), "SHA256": "5" * 64, "ENVIRONMENT": ENVIRONMENT} | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
    return done.stdout


async def test_every_command_of_the_guide_runs(tmp_path: Path) -> None:
    place = tmp_path / "desk"
    place.mkdir()
    (place / "operator.token").write_text(OPERATOR)
    (place / "status.json").write_text(json.dumps(PLAN))
    (place / "controls.json").write_text('{"freeze": true}')
    approver = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (place / "approver.pem").write_bytes(approver)
    assert len(BLOCKS) == 10
    assert "sha256:" in run(BLOCKS[0], place)
    director = (place / "keys/director.pem").read_text()
    async with running(tmp_path, director_key=director) as ops:
        ops.clock.now = datetime.now(UTC).timestamp()
        outputs = [await anyio.to_thread.run_sync(lambda b=b: run(b, place, OPS_API=ops.url)) for b in BLOCKS[1:]]
        listed = (await ops.operator.get("/operator/v1/releases")).json()["items"]
    assert [(item["version"], item["recalled"]) for item in listed] == [("0.1.0", True)]
    assert "waits: the customer froze releases" in "".join(outputs)


def test_the_values_of_the_guide_are_the_gateways_words() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    found = Controls.parse(json.dumps(yaml.safe_load(block)["release"]))
    assert (found.pin, len(found.windows), found.approval.threshold) == ("0.2", 1, 1)
