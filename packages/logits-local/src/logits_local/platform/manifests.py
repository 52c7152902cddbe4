"""Rendered charts: placeholders filled in, documents applied to the cluster."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path

import yaml

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.kubernetes.client import KubernetesClient
from logits_shell.kubernetes.resources import NAMESPACES, KubernetesObject, resource_of

FIELD_MANAGER = "helm"
"""Who owns the applied fields: the same manager as when a person installs the chart."""


def rendered(chart: Path, values: Mapping[str, str]) -> list[KubernetesObject]:
    """The documents of a rendered chart.

    Args:
        chart: the chart's ``static.yaml``.
        values: one text for each ``${NAME}`` in it.

    Raises:
        LogitsError: the file is missing, or a placeholder has no value.
    """
    try:
        text = string.Template(chart.read_text()).substitute(values)
    except OSError as failure:
        raise LogitsError(ErrorCode.NOT_FOUND, f"{chart} is missing; run this from a complete checkout") from failure
    except (KeyError, ValueError) as failure:
        raise LogitsError(ErrorCode.INVALID, f"{chart} has a placeholder without a value: {failure}") from failure
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [document for document in yaml.load_all(text, loader) if document]


async def apply_all(client: KubernetesClient, namespace: str, documents: list[KubernetesObject]) -> None:
    """Make the namespace and apply every document.

    Raises:
        LogitsError: what the API server refused.
    """
    own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await client.apply(NAMESPACES, own, field_manager=FIELD_MANAGER, force=True)
    for document in documents:
        resource = resource_of(document)
        await client.apply(
            resource,
            document,
            field_manager=FIELD_MANAGER,
            force=True,
            namespace=namespace if resource.namespaced else None,
        )
