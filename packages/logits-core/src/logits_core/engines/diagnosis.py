"""Why an engine ended, in words that say what to do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LAST_WORDS: Final = 20
"""Lines of an ended engine that are shown in the log."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why an engine ended by itself.

    Attributes:
        reason: a sentence for people.
        hopeless: starting it again won't help until somebody changes something.
        last_words: the end of what it wrote, oldest first; for the pod's own log.
    """

    reason: str
    hopeless: bool = False
    last_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Symptom:
    pattern: re.Pattern[str]
    reason: str
    hopeless: bool = True


_SYMPTOMS: Final = (
    _Symptom(
        re.compile(r"not within the file bounds|corrupted or incomplete|unexpected end of file|failed to read", re.I),
        "The model file is incomplete or damaged. Copy it again and compare its checksum.",
    ),
    _Symptom(
        re.compile(r"unknown (?:model )?architecture:? ?'?(?P<detail>[\w.-]{1,40})", re.I),
        "The engine does not know this model's architecture ({detail}). Use another engine or a newer Logits.",
    ),
    _Symptom(
        re.compile(r"invalid magic characters|bad magic", re.I),
        "The model file is not a GGUF model. Convert the model to GGUF, or correct spec.source.",
    ),
    _Symptom(
        re.compile(r"CUDA out of memory|OutOfMemoryError|failed to allocate|cannot allocate memory|bad_alloc", re.I),
        "The engine ran out of memory while loading. Lower contextLength or parallel, or raise memoryMiB.",
        hopeless=False,
    ),
    _Symptom(
        re.compile(r"max(?:imum)? seq(?:uence)? len|larger than the maximum number of tokens|max_model_len", re.I),
        "The context length does not fit the model or its memory. Lower spec.contextLength.",
    ),
    _Symptom(
        re.compile(r"unrecognized arguments?: (?P<detail>[\w= .-]{1,80})|no such option", re.I),
        "The engine does not know an option ({detail}). Correct spec.engineArguments.",
    ),
    _Symptom(
        re.compile(r"address already in use", re.I),
        "The engine's port was taken by another process.",
        hopeless=False,
    ),
)  # fmt: skip

_SIGNALS: Final = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}


def explain_ending(exit_code: int, last_lines: Sequence[str]) -> Ending:
    """Return why an engine's process ended.

    Args:
        exit_code: negative for a signal, as Python's subprocesses report it.
        last_lines: the end of what the engine wrote, oldest first.
    """
    words = tuple(last_lines[-LAST_WORDS:])
    for line in reversed(last_lines):
        for symptom in _SYMPTOMS:
            if (found := symptom.pattern.search(line)) is not None:
                detail = found.groupdict().get("detail") or "see the pod's log"
                return Ending(symptom.reason.replace("{detail}", detail.strip()), symptom.hopeless, words)
    return Ending(_of_exit_code(exit_code), last_words=words)


def _of_exit_code(exit_code: int) -> str:
    if exit_code == -9:
        return "The engine was killed (SIGKILL), perhaps because the node or pod ran out of memory."
    if exit_code < 0:
        return f"The engine crashed ({_SIGNALS.get(-exit_code, f'signal {-exit_code}')})."
    return f"The engine ended with exit code {exit_code}; the pod's log has its last words."
