"""The routing bench's quick subset: the published order of routers comes out, and ours is beside the best."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from statistics import mean

BENCH = Path(__file__).resolve().parents[2] / "bench"
LINE = re.compile(
    r"73-capacity, short\s+(?P<router>.+?)\s+routers.* out\s+(?P<rate>\d+) tok/s, first mean\s+(?P<mean>\S+)"
)


def test_the_published_order_of_routers_comes_out_and_ours_is_first() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "routing.run", "--quick", "--workers", "1"],
        cwd=BENCH, capture_output=True, text=True, check=True, timeout=500,
    )  # fmt: skip
    found = [LINE.search(line) for line in ran.stdout.splitlines()]
    runs = [(each["router"], float(each["mean"]), float(each["rate"])) for each in found if each]
    means = {router: mean(one for name, one, _ in runs if name == router) for router, _, _ in runs}
    rates = {router: mean(one for name, _, one in runs if name == router) for router, _, _ in runs}
    assert means["llm-d precise"] < means["llm-d estimated"] < min(means["random"], means["llm-d load only"])
    assert rates["llm-d precise"] > rates["llm-d estimated"] > max(rates["random"], rates["llm-d load only"])
    assert means["Logits"] <= means["llm-d precise"]
    assert rates["Logits"] >= rates["llm-d precise"]
