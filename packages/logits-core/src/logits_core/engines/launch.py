"""How engines are started: a model's spec turned into the options of its engine."""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from logits_core.engines.served_model import ServedModel
from logits_core.errors import ErrorCode, LogitsError

OptionType = Literal["flag", "integer", "text"]

LLAMACPP_ARGUMENTS: Final[dict[str, OptionType]] = {
    "cache_type_k": "text",
    "cache_type_v": "text",
    "chat_template": "text",
    "embedding": "flag",
    "n_batch": "integer",
    "n_gpu_layers": "integer",
    "n_ubatch": "integer",
    "threads": "integer",
}
"""What ``spec.engineArguments`` may set for llama.cpp, by llama.cpp's own names."""

VLLM_RESERVED: Final = frozenset(
    {
        "api-key", "config", "enable-prompt-tokens-details", "gpu-memory-utilization", "headless", "host",
        "max-model-len", "max-num-seqs", "middleware", "model", "port", "root-path", "served-model-name",
        "ssl-certfile", "ssl-keyfile", "uds",
    }
)  # fmt: skip
"""Options of ``vllm serve`` that follow from the spec or from where it runs, so no argument may set them."""


class LlamacppLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """What the llama.cpp child process is told.

    ``context`` counts the tokens of all slots together; ``embedding`` also opens the embeddings endpoint.
    """

    model: str
    alias: str
    context: int
    slots: int
    threads: int
    flags: dict[str, bool] = {}
    integers: dict[str, int] = {}
    texts: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class VllmPlace:
    """Where and on what a vLLM runs.

    Attributes:
        port: loopback port to listen on.
        gpu_memory_mib: memory of one GPU, MiB; 0 when unknown or there is none.
    """

    port: int
    gpu_memory_mib: int = 0


def llamacpp_launch(model: ServedModel, *, path: str, alias: str, threads: int) -> LlamacppLaunch:
    """Turn a spec into the options of llama.cpp's server.

    Args:
        model: what shall be served.
        path: of the GGUF file.
        alias: name that answers carry as their ``model``.
        threads: threads for generation, unless the spec's arguments say otherwise.

    Raises:
        LogitsError: ``INVALID`` for an argument that isn't offered or has another type.
    """
    flags: dict[str, bool] = {}
    integers: dict[str, int] = {}
    texts: dict[str, str] = {}
    for name, value in model.engine_arguments.items():
        match LLAMACPP_ARGUMENTS.get(name):
            case "flag" if value in {"true", "false"}:
                flags[name] = value == "true"
            case "integer" if value.lstrip("-").isdecimal():
                integers[name] = int(value)
            case "text":
                texts[name] = value
            case None:
                offered = ", ".join(LLAMACPP_ARGUMENTS)
                raise _refusal(name, f"is not offered for llamacpp. Remove it; offered are {offered}")
            case "flag":
                raise _refusal(name, "must be true or false. Change it")
            case _:
                raise _refusal(name, "must be a whole number. Change it")
    return LlamacppLaunch(
        model=path,
        alias=alias,
        context=model.context_length * model.parallel,
        slots=model.parallel,
        threads=integers.pop("threads", threads),
        flags=flags,
        integers=integers,
        texts=texts,
    )


def vllm_arguments(model: ServedModel, *, path: str, aliases: tuple[str, ...], place: VllmPlace) -> list[str]:
    """Turn a spec into the arguments of ``vllm serve``.

    Args:
        model: what shall be served.
        path: of the Hugging Face folder.
        aliases: names under which the model answers.
        place: where it runs.

    Raises:
        LogitsError: ``INVALID`` for an argument that is reserved or no option name.
    """
    arguments = ["serve", path, "--host", "127.0.0.1", "--port", str(place.port)]
    arguments += ["--served-model-name", *aliases]
    # Without it answers don't tell how much of the prompt came from the cache.
    arguments += ["--enable-prompt-tokens-details"]
    arguments += ["--max-model-len", str(model.context_length), "--max-num-seqs", str(model.parallel)]
    if model.gpus > 1:
        arguments += ["--tensor-parallel-size", str(model.gpus)]
    if place.gpu_memory_mib:
        share = min(0.95, model.memory_mib / (place.gpu_memory_mib * max(1, model.gpus)))
        arguments += ["--gpu-memory-utilization", f"{share:.3f}"]
    for name, value in model.engine_arguments.items():
        option = name.replace("_", "-")
        if option in VLLM_RESERVED:
            raise _refusal(name, "follows from the other fields of the spec. Remove it")
        if not option.replace("-", "").isalnum() or option.startswith("-"):
            raise _refusal(name, "is no option of vllm serve. Write it without dashes in front")
        arguments += [f"--{option}"] if value == "true" else [f"--{option}", value]
    return arguments


def vllm_variables(model: ServedModel) -> dict[str, str]:
    """Return the environment variables of a vLLM: nothing leaves the cluster, and memory is kept to.

    On a CPU vLLM would otherwise claim nearly all memory of the machine, and not start when others use some.
    """
    quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    return quiet if model.gpus else {**quiet, "VLLM_CPU_KVCACHE_SPACE": str(max(1, model.memory_mib // 1024))}


def _refusal(name: str, problem: str) -> LogitsError:
    field = f"spec.engineArguments.{name[:80]}"
    return LogitsError(ErrorCode.INVALID, f"{field} {problem}.", field=field)
