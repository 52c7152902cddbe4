"""The stock OpenAI SDK against the API Server: it was written by others and must just work."""

from __future__ import annotations

import anyio
import openai
import pytest

from apps.api_server.conftest import Platform, Start
from simulators.scripted_upstream import Visit

pytestmark = pytest.mark.anyio
MESSAGES = [{"role": "user", "content": "hi"}]
COMPLETION = (
    b'{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}'
)


def delta(text: str) -> bytes:
    return (
        b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m",'
        b'"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n' % text.encode()
    )


async def engine(visit: Visit) -> None:
    while True:
        await visit.request()
        if b'"stream":true' in visit.bodies[-1].replace(b" ", b""):
            await visit.events()
            for word in ("he", "llo"):
                await visit.chunk(delta(word))
            await visit.chunk(b"data: [DONE]\n\n")
            await visit.chunk(b"")
        else:
            await visit.answer(COMPLETION, fields="content-type: application/json\r\n")


def client(platform: Platform, **options: object) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{platform.url}/api/v1", api_key="none", max_retries=0, **options)  # type: ignore[arg-type]


async def test_chat_streams_models_and_ids(start: Start) -> None:
    async with start() as platform, client(platform) as sdk:
        await platform.deploy("m")
        await platform.serve("m", engine)
        answer = await sdk.chat.completions.create(model="m", messages=MESSAGES)  # type: ignore[arg-type]
        assert answer.choices[0].message.content == "hello"
        assert (answer._request_id or "").startswith("req_")  # pyright: ignore[reportPrivateUsage] - the SDK documents it
        stream = await sdk.chat.completions.create(model="m", messages=MESSAGES, stream=True)  # type: ignore[arg-type]
        text = [chunk.choices[0].delta.content async for chunk in stream]  # type: ignore[attr-defined]
        assert text == ["he", "llo"]
        assert [model.id async for model in sdk.models.list()] == ["m"]
        assert (await sdk.models.retrieve("m")).owned_by == "logits"


async def test_refusals_arrive_as_typed_errors(start: Start) -> None:
    async with start(waiting_limit=0) as platform, client(platform) as sdk:
        await platform.deploy("m")
        with pytest.raises(openai.NotFoundError) as absent:
            await sdk.chat.completions.create(model="x", messages=MESSAGES)  # type: ignore[arg-type]
        assert absent.value.code == "model_not_found"
        assert absent.value.param == "model"
        assert absent.value.request_id
        with pytest.raises(openai.InternalServerError) as full:
            await sdk.chat.completions.create(model="m", messages=MESSAGES)  # type: ignore[arg-type]
        assert full.value.status_code == 503


async def test_a_break_in_mid_stream_raises(start: Start) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.events()
        await visit.chunk(delta("he"))
        visit.reset()

    async with start() as platform, client(platform) as sdk:
        await platform.deploy("m")
        await platform.serve("m", script)
        stream = await sdk.chat.completions.create(model="m", messages=MESSAGES, stream=True)  # type: ignore[arg-type]
        with pytest.raises(openai.APIError, match="in the middle"):
            async for _ in stream:  # type: ignore[union-attr]
                pass


async def test_leaving_a_stream_stops_the_engine(start: Start) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.events()
        await visit.chunk(delta("he"))
        await visit.until_gone()

    async with start() as platform, client(platform) as sdk:
        await platform.deploy("m")
        upstream = await platform.serve("m", script)
        stream = await sdk.chat.completions.create(model="m", messages=MESSAGES, stream=True)  # type: ignore[arg-type]
        async for _ in stream:  # type: ignore[union-attr]
            break
        await stream.close()  # type: ignore[union-attr]
        with anyio.fail_after(10):
            await upstream.visits[0].gone.wait()
        await platform.until(lambda: platform.app.router.open_reservations == 0)
