"""The stock OpenAI SDK through Ingress Proxy, API Server and LLM Server to a real engine."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import httpx
import openai
import pytest
from openai import Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from wire.chain import DEADLINE, MODEL, Chain, eventually

MESSAGES: Any = [{"role": "user", "content": "What is the Gateway?"}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look a word up",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    },
}
SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"good": {"type": "boolean"}, "size": {"enum": ["small", "large"]}},
            "required": ["good", "size"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture
def sdk(running: Chain) -> Generator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{running.url}/api/v1", api_key="unused", timeout=DEADLINE) as client:
        yield client


def test_a_chat_answers_with_words_and_usage(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=20, temperature=0)
    assert "Gateway" in (answer.choices[0].message.content or "")
    assert answer.model == MODEL
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 13
    assert answer.usage.completion_tokens > 3
    assert (answer._request_id or "").startswith("req_")  # pyright: ignore[reportPrivateUsage] - the SDK documents it


def test_a_stream_says_the_same_as_a_whole_answer(sdk: openai.OpenAI) -> None:
    whole = sdk.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=20, temperature=0)
    text, finish = "", None
    usages: list[object] = []
    for chunk in sdk.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=20, temperature=0, stream=True):
        usages.append(chunk.usage)
        text += chunk.choices[0].delta.content or ""
        finish = chunk.choices[0].finish_reason or finish
    assert text == whole.choices[0].message.content
    assert finish == whole.choices[0].finish_reason
    assert set(usages) == {None}, "nobody asked for the usage"


def test_a_stream_tells_its_usage_to_who_asks(sdk: openai.OpenAI) -> None:
    stream = sdk.chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=5, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 13


@pytest.mark.anyio
async def test_the_async_client_streams_and_leaves(running: Chain) -> None:
    async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="unused", timeout=DEADLINE) as sdk:
        answer = await sdk.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=5)
        assert answer.choices[0].message.content
        stream = await sdk.chat.completions.create(
            model=MODEL, messages=MESSAGES, max_tokens=1500, stream=True, extra_body={"ignore_eos": True}
        )
        async for _ in stream:
            break
        await stream.close()
    server = running.apps["llm-server"].url
    eventually(lambda: httpx.get(f"{server}/engine").json()["inFlight"] == 0, "the engine to be let go")


def test_completions_by_text(sdk: openai.OpenAI) -> None:
    answer = sdk.completions.create(model=MODEL, prompt="The Gateway is", max_tokens=5, temperature=0)
    streamed = sdk.completions.create(model=MODEL, prompt="The Gateway is", max_tokens=5, temperature=0, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed if chunk.choices) == answer.choices[0].text


def test_an_answer_keeps_to_a_json_schema(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model=MODEL, messages=MESSAGES, response_format=SCHEMA, max_tokens=60)
    document = json.loads(answer.choices[0].message.content or "")
    assert document.keys() == {"good", "size"}
    assert isinstance(document["good"], bool)


def test_a_tool_that_must_be_called_is_called(sdk: openai.OpenAI, engine: str) -> None:
    if engine == "llamacpp":
        pytest.skip("this build of llama.cpp's server ignores tools for the demo model")
    choice: Any = {"type": "function", "function": {"name": "look_up"}}
    options: dict[str, Any] = {"model": MODEL, "messages": MESSAGES, "tools": [TOOL], "tool_choice": choice}
    create: Any = sdk.chat.completions.create
    answer: ChatCompletion = create(**options, max_tokens=100)
    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ["look_up"]
    stream: Stream[ChatCompletionChunk] = create(**options, max_tokens=100, stream=True)
    name = "".join(
        call.function.name or ""
        for chunk in stream
        for choice in chunk.choices
        for call in choice.delta.tool_calls or []
        if call.function
    )
    assert name == "look_up"


def test_responses_whole_and_streamed(sdk: openai.OpenAI) -> None:
    answer = sdk.responses.create(model=MODEL, input="What is the Gateway?", max_output_tokens=20, temperature=0)
    assert "Gateway" in answer.output_text
    events = list(sdk.responses.create(model=MODEL, input="hi", max_output_tokens=5, stream=True))
    assert events[0].type == "response.created"
    assert events[-1].type in {"response.completed", "response.incomplete"}


def test_models_are_listed_and_retrieved(sdk: openai.OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == [MODEL]
    assert sdk.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError) as absent:
        sdk.models.retrieve("nope")
    assert absent.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("change", "error", "param"),
    [
        ({"model": "nope"}, openai.NotFoundError, "model"),
        ({"messages": 3}, openai.BadRequestError, None),
        ({"max_tokens": "many"}, (openai.BadRequestError, openai.InternalServerError), None),
        ({"messages": [{"role": "user", "content": "word " * 4000}]}, openai.BadRequestError, None),
    ],
)
def test_errors_are_typed(running: Chain, change: dict[str, Any], error: Any, param: str | None) -> None:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key="unused", max_retries=0, timeout=DEADLINE) as sdk:
        wished: dict[str, Any] = {"model": MODEL, "messages": MESSAGES, **change}
        with pytest.raises(error) as caught:
            sdk.chat.completions.create(**wished)
        assert caught.value.request_id
        assert isinstance(caught.value.body, dict)
        assert caught.value.code is None or isinstance(caught.value.code, str)
        if param:
            assert caught.value.param == param


def test_what_the_engine_lacks_is_said_clearly(sdk: openai.OpenAI, engine: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.embeddings.create(model=MODEL, input="x")
    assert caught.value.code == "unsupported_operation"
    if engine == "llamacpp":
        with pytest.raises(openai.NotFoundError) as absent:
            sdk.responses.retrieve("resp_none")
        assert absent.value.code == "response_not_found"


def test_a_speech_form_reaches_an_engine_or_is_refused_clearly(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.audio.transcriptions.create(model=MODEL, file=("a.wav", b"RIFF....WAVEfmt "))
    assert caught.value.code == "unsupported_operation"
