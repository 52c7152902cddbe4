"""The LLM Servers of one model deployment: their Deployment and its name."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from logits_core.entities.model import JsonObject
from logits_core.reconcile.components import ENTITY_DB_URL
from logits_core.reconcile.manifests import LANGUAGE_MODEL, MODEL_DEPLOYMENT, Site, Workload, deployment

LLM_SERVER: Final = "llm-server"
_LONGEST: Final = 40  # leaves room for the prefix and for what ReplicaSets and Pods append


def llm_deployment_name(model_deployment: str) -> str:
    """A valid and unique Kubernetes name for any entity name.

    Entity names may contain dots and underscores and be long; those get a digest of the whole.
    """
    plain = re.sub(r"[._]", "-", model_deployment)
    if plain == model_deployment and len(plain) <= _LONGEST:
        return f"logits-llm-{plain}"
    digest = hashlib.sha256(model_deployment.encode()).hexdigest()[:8]
    return f"logits-llm-{plain[:_LONGEST].rstrip('-')}-{digest}"


def llm_deployment(
    model_deployment: JsonObject, language_model: JsonObject, *, image: str, replicas: int, site: Site
) -> JsonObject:
    """The Deployment that runs a model.

    Args:
        model_deployment: the ModelDeployment entity.
        language_model: the LanguageModel entity that it names.
        image: of the LLM Server.
        replicas: how many.
        site: what all manifests share.
    """
    name: str = model_deployment["metadata"]["name"]
    spec = language_model["spec"]
    model_name: str = language_model["metadata"]["name"]
    workload = Workload(
        name=llm_deployment_name(name),
        component=LLM_SERVER,
        image=image,
        replicas=replicas,
        env={
            "LOGITS_ENTITY_DB_URL": ENTITY_DB_URL,
            "LOGITS_DEPLOYMENT": name,
            "LOGITS_MODEL": msgspec.json.encode({"name": model_name, **spec}, order="sorted").decode(),
        },
        labels={MODEL_DEPLOYMENT: name},
        marks={LANGUAGE_MODEL: model_name},
        gpus=spec.get("gpus", 1),
        memory=_memory(spec),
        grace_seconds=60,
        start_seconds=3600,  # reading hundreds of gigabytes of weights isn't being stuck
    )
    return deployment(workload, site)


def _memory(spec: JsonObject) -> str:
    # A vLLM budget is memory of the GPU; llama.cpp's is the node's.
    return f"{spec.get('memoryMiB', 1024)}Mi" if spec.get("engine") == "llamacpp" else "512Mi"
