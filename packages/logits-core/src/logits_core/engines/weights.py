"""Weights on disk: whether they can be served at all, judged before an engine is started."""

import math
from dataclasses import dataclass
from typing import Final

from logits_core.engines.served_model import ServedModel
from logits_core.errors import ErrorCode, LogitsError

MEBIBYTE: Final = 1_048_576
_BYTES_PER_THREAD: Final = 128 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class WeightsOnDisk:
    """What the file system says of a model's source.

    Attributes:
        path: absolute.
        kind: what is there.
        size_bytes: of the file, or of all files of the folder.
        beginning: first four bytes of a file.
        names: file names in a folder.
    """

    path: str
    kind: str
    size_bytes: int = 0
    beginning: bytes = b""
    names: frozenset[str] = frozenset()


def check_weights(model: ServedModel, found: WeightsOnDisk) -> None:
    """Refuse weights that the model's engine cannot serve within the model's budget.

    Args:
        model: what shall be served.
        found: what is on disk; ``kind`` is ``file``, ``folder``, ``missing`` or ``unreadable``.

    Raises:
        LogitsError: ``INVALID``; the message says what to change.
    """
    if found.kind == "missing":
        raise _refusal(f"There are no weights at {found.path}. Put them there, or correct spec.source")
    if found.kind == "unreadable":
        raise _refusal(f"{found.path} cannot be read by this process. Correct its permissions")
    if model.engine == "llamacpp":
        _check_gguf(found)
    else:
        _check_folder(found)
    size = math.ceil(found.size_bytes / MEBIBYTE)
    if size > model.memory_mib:
        raise _refusal(
            f"The weights at {found.path} take {size} MiB, and the model's budget is {model.memory_mib} MiB. "
            "Raise spec.memoryMiB of the LanguageModel"
        )


def threads_for(size_bytes: int, cpus: int) -> int:
    """Return how many threads a CPU engine should use.

    Small models are limited by the hand-over between threads, which is ruinous when CPUs are contended; only
    large ones gain from more threads.
    """
    return max(1, min(cpus, math.ceil(size_bytes / _BYTES_PER_THREAD)))


def _check_gguf(found: WeightsOnDisk) -> None:
    if found.kind == "folder":
        raise _refusal(f"{found.path} is a folder, and llama.cpp needs one GGUF file. Name the file in spec.source")
    if found.size_bytes == 0:
        raise _refusal(f"{found.path} is empty. Copy the model there again")
    if found.beginning != b"GGUF":
        raise _refusal(
            f"{found.path} is not a GGUF model: it doesn't begin with the letters GGUF. "
            "Convert the model, or set spec.engine to vllm for a Hugging Face folder"
        )


def _check_folder(found: WeightsOnDisk) -> None:
    if found.kind == "file" or "config.json" not in found.names:
        raise _refusal(
            f"{found.path} is not a Hugging Face model folder (one with a config.json). "
            "Correct spec.source, or set spec.engine to llamacpp for a GGUF file"
        )


def _refusal(problem: str) -> LogitsError:
    return LogitsError(ErrorCode.INVALID, f"{problem}.", field="spec.source")
