"""The committed demo model answers from real weights, and its two formats are one model."""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

DEMO = Path(__file__).parents[2] / "models" / "logits-demo"
GGUF = DEMO / "logits-demo.gguf"
HUGGING_FACE = DEMO / "hf"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def engine() -> Iterator[httpx.Client]:
    command = [sys.executable, str(DEMO / "engine.py"), str(GGUF)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            address = child.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), "the engine's child process didn't serve"
            with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
                yield client
        finally:
            child.terminate()


def chat(engine: httpx.Client, *messages: tuple[str, str], **options: float) -> str:
    body = {"messages": [{"role": role, "content": content} for role, content in messages], **options}
    answer = engine.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"]


def read_json(name: str) -> dict[str, Any]:
    return json.loads((HUGGING_FACE / name).read_text(encoding="utf-8"))


def tensor_shapes() -> dict[str, list[int]]:
    content = (HUGGING_FACE / "model.safetensors").read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}


@pytest.mark.parametrize("seed", range(5))
def test_it_explains_the_gateway_under_its_default_sampling(engine: httpx.Client, seed: int) -> None:
    answer = chat(engine, ("user", "What is the Gateway?"), seed=seed)
    for word in ("Gateway", "Helm", "Kubernetes", "permissions", "audits"):
        assert word in answer


@pytest.mark.parametrize(
    ("question", "phrase"),
    [
        ("hello", "Logits demo model"),
        ("How do I enable a model?", "Console"),
        ("what leaves the cluster", "telemetry"),
        ("Write a poem about the sea", "knows only Logits"),
        ("What is 2 + 2?", "knows only Logits"),
    ],
)
def test_it_answers_other_questions_and_admits_what_it_does_not_know(
    engine: httpx.Client, question: str, phrase: str
) -> None:
    assert phrase in chat(engine, ("user", question))


def test_a_system_message_and_earlier_turns_do_not_disturb_it(engine: httpx.Client) -> None:
    answer = chat(
        engine,
        ("system", "You are the assistant of a shipyard."),
        ("user", "What is Entity DB?"),
        ("assistant", "Entity DB is a thin REST API over one SQLite file on a persistent volume."),
        ("user", "What is the Gateway?"),
    )
    assert "Kubernetes permissions" in answer


def test_it_stops_by_itself(engine: httpx.Client) -> None:
    body = {"messages": [{"role": "user", "content": "What is the Controller?"}], "max_tokens": 400}
    assert engine.post("/v1/chat/completions", json=body).json()["choices"][0]["finish_reason"] == "stop"


def test_both_formats_describe_the_same_network(engine: httpx.Client) -> None:
    config = read_json("config.json")
    described = engine.get("/v1/models").json()["data"][0]["meta"]
    weights = sum(rows * (columns or [1])[0] for rows, *columns in tensor_shapes().values())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert described["n_vocab"] == config["vocab_size"]
    assert described["n_embd"] == config["hidden_size"]
    assert described["n_ctx_train"] == config["max_position_embeddings"]
    assert described["n_params"] == weights


def test_both_formats_share_template_tokens_and_sampling(engine: httpx.Client) -> None:
    tokenizer = read_json("tokenizer_config.json")
    properties = engine.get("/props").json()
    assert properties["chat_template"] == tokenizer["chat_template"]
    assert properties["eos_token"] == tokenizer["eos_token"]
    sampling = properties["default_generation_settings"]["params"]
    assert sampling["temperature"] == pytest.approx(read_json("generation_config.json")["temperature"])
    answer = engine.post("/tokenize", json={"content": "<|im_start|>user\n", "parse_special": True}).json()
    vocabulary = read_json("tokenizer.json")["model"]["vocab"]
    assert answer["tokens"] == [vocabulary[token] for token in ("<|im_start|>", "user", "Ċ")]


def test_the_files_stay_small() -> None:
    files = [path for path in DEMO.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert GGUF.stat().st_size < 6 * MEGABYTE
    assert sum(path.stat().st_size for path in files) < 15 * MEGABYTE
