"""Usage: what engines tell is found however it's cut, and a stream that we asked more of looks as if we hadn't."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.routing import Usage
from logits_core.wire import (
    EventBoundary,
    UsageReader,
    UsageStripper,
    asking_for_usage,
    decode_request,
    usages_in,
)

TRANSCRIPTS = Path(__file__).parent / "transcripts"
"""What both engines really sent to the same greedy request, with and without `include_usage`."""
WITH = sorted(path.name.removesuffix(".asked.sse") for path in TRANSCRIPTS.glob("*.asked.sse"))


def read(name: str) -> bytes:
    return (TRANSCRIPTS / name).read_bytes()


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted({position % (len(data) + 1) for position in at}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def without_times(stream: bytes) -> list[object]:
    events: list[object] = []
    for event in stream.decode().split("\n\n"):
        data = event.partition("data: ")[2]
        if not data.startswith("{"):
            events.append(event)
            continue
        document = json.loads(data)
        for member in ("id", "created"):
            document.pop(member, None)
        if "timings" in document:
            document["timings"] = sorted(document["timings"])
        events.append((list(document), document))
    return events


@pytest.mark.parametrize("name", WITH)
@given(at=st.lists(st.integers(0, 10_000), max_size=6))
def test_a_stripped_stream_is_the_stream_without_the_question(name: str, at: list[int]) -> None:
    reader = UsageReader()
    stripper, boundary = UsageStripper(reader), EventBoundary()
    sent = b"".join(stripper.feed(boundary.feed(piece)) for piece in cut(read(f"{name}.asked.sse"), at))
    sent += stripper.rest() + boundary.rest()
    assert without_times(sent) == without_times(read(f"{name}.plain.sse"))
    usage = reader.finish()
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (13 if "chat" in name else 11, 3)


def test_there_are_transcripts_of_both_engines() -> None:
    assert WITH == ["llamacpp.chat", "llamacpp.completions", "vllm.chat", "vllm.completions"]


@pytest.mark.parametrize(
    ("text", "usage"),
    [
        (b'{"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}', Usage(5, None, 2)),
        (b'{"usage": {"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":4}}}', Usage(5, 4, 0)),
        (b'{"usage":{"input_tokens":5,"output_tokens":2,"input_tokens_details":{"cached_tokens":3}}}', Usage(5, 3, 2)),
        (b'{"usage":{"cache_read_input_tokens":9,"input_tokens":1,"output_tokens":4}}', Usage(10, 9, 4)),
        (b'{"timings":{"cache_n":12,"prompt_n":1,"predicted_n":4,"prompt_ms":0.8}}', Usage(13, 12, 4)),
        (b'{"usage":null}', None),
        (b'{"usage":{"prompt_tokens":"many"}}', None),
        (b'{"content":"\\"usage\\":{\\"prompt_tokens\\":5}"}', None),
        (b'{"usage":{"prompt_tokens":5', None),
    ],
)
def test_every_way_of_telling_is_understood(text: bytes, usage: Usage | None) -> None:
    assert usages_in(text) == ([usage] if usage is not None else [])


@given(st.lists(st.integers(0, 100_000), max_size=5), st.booleans(), st.integers(0, 40_000))
def test_the_usage_of_a_whole_answer_is_found_at_either_end(at: list[int], first: bool, padding: int) -> None:
    told = '"usage":{"prompt_tokens":5,"completion_tokens":2}'
    text = f'"data":"{"x" * padding}"'
    reader = UsageReader()
    for piece in cut(f"{{{told},{text}}}".encode() if first else f"{{{text},{told}}}".encode(), at):
        if piece:
            reader.piece(piece)
    # Only what the very first piece brings counts as the beginning.
    if not first or not at:
        assert reader.finish() == Usage(5, None, 2)


def test_a_messages_stream_tells_its_prompt_first_and_its_answer_last() -> None:
    reader = UsageReader()
    reader.events(b'data: {"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":0}}}\n\n')
    reader.events(b'data: {"type":"message_delta","usage":{"output_tokens":2}}\n\n')
    assert reader.finish() == Usage(7, None, 2)


def test_a_usage_event_in_other_line_ends_takes_nothing_along() -> None:
    stripper = UsageStripper(UsageReader())
    events = b'data: {"choices":[{"delta":{}}]}\r\n\r\ndata: {"choices":[],"usage":{"prompt_tokens":1}}\r\n\r\n'
    assert stripper.feed(events) == b'data: {"choices":[{"delta":{}}]}\r\n\r\n'


@given(st.dictionaries(st.text(), st.integers() | st.text(), max_size=4), st.booleans())
def test_asking_changes_nothing_else(rest: dict[str, object], spaced: bool) -> None:
    rest.pop("stream_options", None)
    body = json.dumps({**rest, "model": "m", "stream": True}, indent=1 if spaced else None).encode()
    asked = asking_for_usage(body, decode_request(body))
    assert json.loads(asked) == {**json.loads(body), "stream_options": {"include_usage": True}}
    assert asked.startswith(body[: body.rindex(b"}")])
    assert decode_request(asked).wants_usage


@pytest.mark.parametrize("options", ['{"include_usage":false}', "null", '{"x":[1.50,"}"]}', "{}"])
def test_asking_keeps_the_other_options(options: str) -> None:
    body = f'{{"model":"m","stream":true,"stream_options":{options},"text":"é"}}'.encode()
    request = decode_request(body)
    assert not request.wants_usage
    asked = json.loads(asking_for_usage(body, request))
    before = json.loads(body)
    assert asked.pop("stream_options") == {**(before.pop("stream_options") or {}), "include_usage": True}
    assert asked == before
