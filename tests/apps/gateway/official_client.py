"""What a customer's script does with the official Kubernetes client, as a program: KUBECONFIG NAMESPACE."""

from __future__ import annotations

import json
import sys
from typing import Any

from kubernetes import client, config, watch

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "logits-stock"}, "data": {"a": "1"}}


def main(kubeconfig: str, namespace: str) -> dict[str, Any]:
    """List, create, watch, replace, delete, and be refused.

    Returns:
        The names of the pods, the data that the watch saw, and the body and status of the refusal.
    """
    configs: Any = config
    core: Any = client.CoreV1Api(configs.new_client_from_config(kubeconfig))
    pods = [pod.metadata.name for pod in core.list_namespaced_pod(namespace).items]
    core.create_namespaced_config_map(namespace, CONFIG)
    version = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.replace_namespaced_config_map("logits-stock", namespace, CONFIG | {"data": {"a": "2"}})
    watcher: Any = watch.Watch()
    stream: Any = watcher.stream(
        core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=2
    )
    seen = [event["object"].data["a"] for event in stream if event["object"].metadata.name == "logits-stock"]
    core.delete_namespaced_config_map("logits-stock", namespace)
    try:
        core.list_namespaced_secret(namespace)
    except client.ApiException as error:
        refusal: Any = error
        return {"pods": pods, "seen": seen, "status": refusal.status, "refusal": json.loads(refusal.body)}
    raise AssertionError("Secrets were listed")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
