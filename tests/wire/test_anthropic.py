"""The stock Anthropic SDK through Ingress Proxy, API Server and LLM Server to a real engine."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import anthropic
import pytest

from wire.chain import DEADLINE, MODEL, Chain

MESSAGES: Any = [{"role": "user", "content": "What is the Gateway?"}]


@pytest.fixture
def sdk(running: Chain) -> Generator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=f"{running.url}/api", api_key="unused", timeout=DEADLINE) as client:
        yield client


def test_a_message_answers_and_counts(sdk: anthropic.Anthropic) -> None:
    answer = sdk.messages.create(model=MODEL, messages=MESSAGES, max_tokens=20)
    assert answer.content[0].type == "text"
    assert "Gateway" in answer.content[0].text
    assert answer.usage.output_tokens > 3
    assert sdk.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens == 13


def test_a_message_streams(sdk: anthropic.Anthropic) -> None:
    with sdk.messages.stream(model=MODEL, messages=MESSAGES, max_tokens=20) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "Gateway" in text
    assert final.stop_reason in {"end_turn", "max_tokens"}


@pytest.mark.anyio
async def test_the_async_client_streams(running: Chain) -> None:
    async with anthropic.AsyncAnthropic(base_url=running.url, auth_token="unused", timeout=DEADLINE) as sdk:
        async with sdk.messages.stream(model=MODEL, messages=MESSAGES, max_tokens=5) as stream:
            assert [text async for text in stream.text_stream]


def test_models_are_listed_for_this_sdk_too(sdk: anthropic.Anthropic) -> None:
    assert [model.id for model in sdk.models.list()] == [MODEL]
    assert sdk.models.retrieve(MODEL).display_name == MODEL


def test_errors_are_typed(running: Chain) -> None:
    with anthropic.Anthropic(base_url=running.url, api_key="unused", max_retries=0, timeout=DEADLINE) as sdk:
        with pytest.raises(anthropic.NotFoundError, match="The models are: demo") as absent:
            sdk.messages.create(model="nope", messages=MESSAGES, max_tokens=5)
        assert absent.value.body == {
            "type": "error",
            "error": {"type": "not_found_error", "message": "The model 'nope' doesn't exist. The models are: demo."},
            "request_id": absent.value.request_id,
        }
        with pytest.raises(anthropic.APIStatusError) as bad:
            sdk.messages.create(model=MODEL, messages=[{"role": "user", "content": "word " * 4000}], max_tokens=5)
        assert 400 <= bad.value.status_code < 500
        with pytest.raises(anthropic.NotFoundError):
            sdk.messages.batches.list()
