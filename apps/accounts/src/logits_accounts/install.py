"""The install command that an environment's page shows."""

from __future__ import annotations

HIDDEN_KEY = "<envKey>"


def install_command(chart: str, environment: str, key: str, options: str) -> str:
    """The exact Helm command; ``key`` is the placeholder when the key is no longer known.

    Args:
        chart: the chart's reference.
        environment: the envID.
        key: the envKey or ``HIDDEN_KEY``.
        options: further options of this vendor's installation, empty for none.
    """
    quoted = f"'{key}'" if key == HIDDEN_KEY else key
    lines = [
        f"helm install logits {chart}",
        "--namespace logits --create-namespace",
        f"--set envID={environment}",
        f"--set envKey={quoted}",
    ]
    if options.strip():
        lines.append(options.strip())
    return " \\\n  ".join(lines)
