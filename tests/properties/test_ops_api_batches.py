"""Whatever batches arrive, however often and however cut, the Ops API holds every record exactly once."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

from backports import zstd
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from litestar.testing import TestClient

from logits_ops_api.app import create_app
from logits_shell.telemetry import Telemetry
from vendor.ops_api import KEY, OPERATOR, SERVICE, lines, record, settings, sha256

RECORDS = st.tuples(st.sampled_from(["a" * 16, "b" * 16]), st.integers(1, 12))
BATCHES = st.lists(st.lists(RECORDS, min_size=1, max_size=8), max_size=8)


def test_every_record_is_stored_exactly_once(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    app = create_app(chosen, Telemetry.create("ops-api", chosen))

    with TestClient(app.asgi) as client:

        @given(BATCHES)
        @effort(max_examples=30, deadline=None)
        def check(batches: list[list[tuple[str, int]]]) -> None:
            environment = str(uuid.uuid4())
            announced = {"name": "Any", "keyId": KEY[:8], "keySha256": sha256(KEY)}
            service = {"authorization": f"Bearer {SERVICE}"}
            client.put(f"/internal/v1/environments/{environment}", json=announced, headers=service)
            accepted = 0
            for batch in batches:
                plain = lines(*(record(number, stream=stream) for stream, number in batch))
                headers = {
                    "authorization": f"Bearer {KEY}",
                    "content-encoding": "zstd",
                    "idempotency-key": hashlib.sha256(plain).hexdigest(),
                }
                path = f"/v1/environments/{environment}/logs"
                answer = client.post(path, content=zstd.compress(plain), headers=headers)
                assert answer.status_code == 200
                accepted += answer.json()["accepted"]
            operator = {"authorization": f"Bearer {OPERATOR}"}
            stored = client.get(f"/operator/v1/environments/{environment}/logs", headers=operator).json()
            found = [(item["record"]["stream"], item["record"]["sequence"]) for item in stored["items"]]
            assert len(found) == len(set(found)) == accepted
            assert set(found) == {entry for batch in batches for entry in batch}

        check()
    app.close()
