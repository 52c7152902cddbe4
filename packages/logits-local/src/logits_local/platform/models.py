"""Models that `logits up` enables: the demo and the user's own GGUF file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from logits_core.errors import ErrorCode, LogitsError
from logits_local.platform.answers import checked

_MAGIC = b"GGUF"
_NAME_LIMIT = 40
_CONFLICT = 409
_DEMO_DESCRIPTION = "A tiny model that answers questions about Logits."


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A GGUF file to serve.

    Attributes:
        name: what API callers put in ``model``.
        source: the file; a relative path is below the LLM Server's models directory.
        description: shown in the Console.
        asked_for: whether the user named it now, so that it is enabled even if it was disabled.
    """

    name: str
    source: str
    description: str
    asked_for: bool = False


def demo_model() -> ModelFile:
    """The model that comes with the checkout."""
    return ModelFile("logits-demo", "logits-demo/logits-demo.gguf", _DEMO_DESCRIPTION)


def own_model(path: Path) -> ModelFile:
    """A model file of the user's own.

    Raises:
        LogitsError: it isn't there, or it isn't GGUF.
    """
    try:
        with path.open("rb") as reader:
            magic = reader.read(len(_MAGIC))
    except OSError as failure:
        raise LogitsError(ErrorCode.NOT_FOUND, f"cannot read {path}: {failure.strerror}") from failure
    if magic != _MAGIC:
        raise LogitsError(ErrorCode.INVALID, f"{path} isn't a GGUF model; --model takes files that llama.cpp can load")
    return ModelFile(model_name(path.stem), str(path.resolve()), f"From {path.name}.", asked_for=True)


def model_name(stem: str) -> str:
    """A valid model name that resembles a file's name."""
    cleaned = re.sub(r"[^a-z0-9._-]+", "-", stem.lower())[:_NAME_LIMIT].strip("._-")
    return cleaned or "model"


async def enable(http: httpx.AsyncClient, model: ModelFile) -> bool:
    """Create the model and its deployment; what is there already stays as a person left it.

    Returns:
        Whether it is enabled now; False when a person had disabled it and nobody asked for it.

    Raises:
        httpx.TransportError: nobody listens yet.
        LogitsError: UNAVAILABLE while the Entity DB isn't reached, INVALID when it refused.
    """
    described = {
        "displayName": model.name,
        "description": model.description,
        "engine": "llamacpp",
        "source": model.source,
    }
    await _create(http, "languagemodels", "LanguageModel", model.name, described)
    deployed = {"model": model.name, "enabled": True}
    if await _create(http, "modeldeployments", "ModelDeployment", model.name, deployed):
        return True
    path = f"/entities/modeldeployments/{model.name}"
    if model.asked_for:
        headers = {"content-type": "application/merge-patch+json"}
        checked(await http.patch(path, json={"spec": {"enabled": True}}, headers=headers))
    return bool(checked(await http.get(path)).json()["spec"]["enabled"])


async def _create(http: httpx.AsyncClient, plural: str, kind: str, name: str, spec: dict[str, Any]) -> bool:
    """Create an entity; False when there is one of that name."""
    entity = {"kind": kind, "metadata": {"name": name}, "spec": spec}
    answer = await http.post(f"/entities/{plural}", json=entity)
    if answer.status_code == _CONFLICT:
        return False
    checked(answer)
    return True
