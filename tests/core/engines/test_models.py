"""What is decided of a model before its engine starts: weights, budget, options, threads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from logits_core.engines.launch import VllmPlace, llamacpp_launch, vllm_arguments
from logits_core.engines.served_model import ServedModel, parse_served_model
from logits_core.engines.weights import MEBIBYTE, WeightsOnDisk, check_weights, threads_for
from logits_core.errors import ErrorCode, LogitsError

SPEC: dict[str, Any] = {"name": "m", "displayName": "M", "engine": "llamacpp", "source": "m.gguf", "memoryMiB": 100}


def served(**changes: Any) -> ServedModel:
    return parse_served_model(json.dumps({**SPEC, **changes}))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "the document"),
        ("{}", "name"),
        (json.dumps({**SPEC, "colour": 1}), "colour"),
        (json.dumps({**SPEC, "gpus": "1"}), "gpus"),
        (json.dumps({**SPEC, "engine": "own"}), "engine"),
    ],
)
def test_a_model_that_is_not_understood_is_refused(text: str, problem: str) -> None:
    with pytest.raises(LogitsError) as error:
        parse_served_model(text)
    assert error.value.field == "LOGITS_MODEL"
    assert problem in error.value.message


GOOD_FILE = WeightsOnDisk("/m/m.gguf", "file", 50 * MEBIBYTE, b"GGUF")
GOOD_FOLDER = WeightsOnDisk("/m/m", "folder", 50 * MEBIBYTE, names=frozenset({"config.json", "model.safetensors"}))


def test_good_weights_pass() -> None:
    check_weights(served(), GOOD_FILE)
    check_weights(served(engine="vllm"), GOOD_FOLDER)


@pytest.mark.parametrize(
    ("engine", "found", "words"),
    [
        ("llamacpp", WeightsOnDisk("/m/x", "missing"), "no weights at /m/x"),
        ("llamacpp", WeightsOnDisk("/m/x", "unreadable"), "permissions"),
        ("llamacpp", WeightsOnDisk("/m/x", "file", 0), "empty"),
        ("llamacpp", WeightsOnDisk("/m/x", "file", 9, b"PK\x03\x04"), "not a GGUF model"),
        ("llamacpp", GOOD_FOLDER, "needs one GGUF file"),
        ("llamacpp", WeightsOnDisk("/m/x", "file", 101 * MEBIBYTE, b"GGUF"), "take 101 MiB"),
        ("vllm", GOOD_FILE, "Hugging Face model folder"),
        ("vllm", WeightsOnDisk("/m/x", "folder", names=frozenset({"a.txt"})), "config.json"),
        ("vllm", WeightsOnDisk("/m/x", "folder", 200 * MEBIBYTE, names=frozenset({"config.json"})), "200 MiB"),
    ],
)
def test_weights_that_cannot_be_served_are_refused_in_words(engine: str, found: WeightsOnDisk, words: str) -> None:
    with pytest.raises(LogitsError) as error:
        check_weights(served(engine=engine), found)
    assert error.value.code is ErrorCode.INVALID
    assert words in error.value.message


def test_llamacpp_gets_the_context_of_all_slots() -> None:
    model = served(contextLength=2048, parallel=3, engineArguments={"embedding": "true", "n_gpu_layers": "-1"})
    options = llamacpp_launch(model, path="/m/m.gguf", alias="demo", threads=2)
    assert (options.context, options.slots, options.threads) == (6144, 3, 2)
    assert (options.flags, options.integers) == ({"embedding": True}, {"n_gpu_layers": -1})
    assert llamacpp_launch(served(engineArguments={"threads": "5"}), path="", alias="", threads=2).threads == 5


def launch(model: ServedModel) -> object:
    if model.engine == "llamacpp":
        return llamacpp_launch(model, path="", alias="", threads=1)
    return vllm_arguments(model, path="", aliases=("m",), place=VllmPlace(1))


@pytest.mark.parametrize(
    ("engine", "arguments", "words"),
    [
        ("llamacpp", {"api_keys": "x"}, "not offered"),
        ("llamacpp", {"embedding": "yes"}, "true or false"),
        ("llamacpp", {"threads": "many"}, "whole number"),
        ("vllm", {"port": "1"}, "follows from"),
        ("vllm", {"gpu_memory_utilization": "1"}, "follows from"),
        ("vllm", {"--enforce-eager": "true"}, "without dashes"),
        ("vllm", {"x y": "1"}, "no option"),
    ],
)
def test_arguments_that_cannot_be_set_are_refused(engine: str, arguments: dict[str, str], words: str) -> None:
    model = served(engine=engine, engineArguments=arguments)
    with pytest.raises(LogitsError) as error:
        launch(model)
    assert words in error.value.message
    assert (error.value.field or "").startswith("spec.engineArguments.")


def test_vllm_gets_its_share_of_the_gpus() -> None:
    model = served(engine="vllm", gpus=2, memoryMiB=40_000, engineArguments={"enforce_eager": "true", "dtype": "half"})
    arguments = vllm_arguments(model, path="/m/m", aliases=("demo", "m"), place=VllmPlace(9, 80_000))
    text = " ".join(arguments)
    assert text.startswith("serve /m/m --host 127.0.0.1 --port 9 --served-model-name demo m ")
    assert "--tensor-parallel-size 2 --gpu-memory-utilization 0.250 --enforce-eager --dtype half" in text


@pytest.mark.parametrize(("mebibytes", "cpus", "threads"), [(4, 64, 1), (128, 64, 1), (129, 64, 2), (9000, 8, 8)])
def test_small_models_use_few_threads(mebibytes: int, cpus: int, threads: int) -> None:
    assert threads_for(mebibytes * MEBIBYTE, cpus) == threads
