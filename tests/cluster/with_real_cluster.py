"""Runs a command with a real Kubernetes cluster: a given one, or one started for it and removed after.

    python tests/cluster/with_real_cluster.py COMMAND [ARGUMENT ...]

Exit code 3 and a reason when no cluster can be had here.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cluster import real_cluster


def main(command: list[str]) -> int:
    """Start, run, stop."""
    if obstacle := real_cluster.obstacle():
        sys.stderr.write(f"no real Kubernetes cluster: {obstacle}\n")
        return 3
    cluster = real_cluster.start()
    try:
        environment = {
            **cluster.environment,
            "LOGITS_TEST_KUBECONFIG": str(cluster.kubeconfig),
            "LOGITS_TEST_LOAD": shlex.join(cluster.load),
            "LOGITS_TEST_KUBE_AUDIT": str(cluster.audit_log or ""),
        }
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        real_cluster.stop(cluster)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
