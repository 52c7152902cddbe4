"""What engines say, understood: load, endings, errors, and when a report is due."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from logits_core.engines.diagnosis import explain_ending
from logits_core.engines.load import EngineLoad, llamacpp_load, vllm_load
from logits_core.engines.reporting import Report, Written, combined_load, seconds_until_due
from logits_core.engines.supervision import Phase
from logits_core.wire import normalised

LLAMACPP = "# HELP x y\nllamacpp:requests_processing 2\nllamacpp:requests_deferred 1\n"
SLOTS = [
    {"id": 0, "n_ctx": 1000, "is_processing": True, "n_prompt_tokens": 500},
    {"id": 1, "n_ctx": 1000, "is_processing": False, "n_prompt_tokens": 900},
]
VLLM = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a b"} 3.0
vllm:num_requests_running{engine="1",model_name="a b"} 1.0
vllm:num_requests_waiting{engine="0",model_name="a b"} 7.0
vllm:kv_cache_usage_perc{engine="0",model_name="a b"} 0.12345
"""


def test_load_is_read_from_both_engines() -> None:
    assert llamacpp_load(LLAMACPP, json.dumps(SLOTS).encode()) == EngineLoad(2, 1, 0.25)
    assert vllm_load(VLLM) == EngineLoad(4, 7, 0.123)


@pytest.mark.parametrize("text", ["", "vllm:num_requests_running x", "<html>"])
def test_figures_that_are_not_there_are_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"publishes|float"):
        vllm_load(text)
    with pytest.raises(ValueError, match=r"publishes|float|JSON"):
        llamacpp_load(text, b"[]")


@pytest.mark.parametrize(
    ("code", "line", "words", "hopeless"),
    [
        (1, "E tensor 'blk.1' data is not within the file bounds, model is corrupted", "incomplete or damaged", True),
        (1, "E error loading model: unknown model architecture: 'newmodel'", "(newmodel)", True),
        (1, "E gguf_init: invalid magic characters: 'garb', expected 'GGUF'", "not a GGUF", True),
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried", "ran out of memory", False),
        (2, "vllm: error: unrecognized arguments: --foo 1", "--foo 1", True),
        (-9, "nothing special", "SIGKILL", False),
        (-11, "nothing special", "SIGSEGV", False),
        (3, "nothing special", "exit code 3", False),
    ],
)
def test_endings_are_explained(code: int, line: str, words: str, hopeless: bool) -> None:
    ending = explain_ending(code, ["first", line, "last words"])
    assert words in ending.reason
    assert ending.hopeless is hopeless


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (
            400,
            b'{"error":{"code":400,"message":"m","type":"invalid_request_error"}}',
            {"message": "m", "type": "invalid_request_error", "param": None, "code": None},
        ),
        (
            400,
            b'{"error":{"code":400,"message":"m","type":"exceed_context_size_error","n_ctx":9}}',
            {
                "message": "m",
                "type": "invalid_request_error",
                "param": None,
                "code": "context_length_exceeded",
                "n_ctx": 9,
            },
        ),
        (
            404,
            b'{"error":{"message":"m","type":"NotFoundError","param":"model","code":404}}',
            {"message": "m", "type": "invalid_request_error", "param": "model", "code": None},
        ),
        (500, b"boom", {"message": "boom", "type": "server_error", "param": None, "code": None}),
        (500, b'{"error":"boom"}', {"message": "boom", "type": "server_error", "param": None, "code": None}),
        (400, b'{"object":"error","message":"m","code":"x"}', None),
    ],
)
def test_errors_get_openais_shape(status: int, body: bytes, error: dict[str, object] | None) -> None:
    found = json.loads(normalised(status, body))["error"]
    assert {"message", "type", "param", "code"} <= found.keys()
    if error is not None:
        assert found == error


REPORT = Report(phase=Phase.READY, message="m", engine="llamacpp", slots=4)


@pytest.mark.parametrize(
    ("report", "now", "due"),
    [
        (REPORT, 5.0, math.inf),
        (replace(REPORT, message="other"), 5.25, 0.75),
        (replace(REPORT, message="other"), 7.0, 0.0),
        (replace(REPORT, phase=Phase.DRAINING), 5.0, 0.0),
    ],
)
def test_reports_are_due_on_change(report: Report, now: float, due: float) -> None:
    assert seconds_until_due(Written(REPORT, 5.0), report, now) == due
    assert seconds_until_due(None, report, now) == 0.0


def test_a_busy_report_is_repeated_every_ten_seconds() -> None:
    busy = replace(REPORT, load=EngineLoad(running=1))
    assert seconds_until_due(Written(busy, 5.0), busy, 6.0) == 9.0


@pytest.mark.parametrize(
    ("engine", "in_flight", "combined"),
    [
        (EngineLoad(), 0, EngineLoad()),
        (EngineLoad(), 3, EngineLoad(3, 0)),
        (EngineLoad(1, 0, 0.5), 9, EngineLoad(4, 5, 0.5)),
        (EngineLoad(4, 7), 5, EngineLoad(4, 7)),
        (EngineLoad(2, 0), 0, EngineLoad(2, 0)),
    ],
)
def test_the_relays_count_completes_the_engines(engine: EngineLoad, in_flight: int, combined: EngineLoad) -> None:
    assert combined_load(engine, in_flight, slots=4) == combined
