"""The words for usage: every name under which an answer tells its tokens, and how they are decoded."""

from __future__ import annotations

import msgspec


class Details(msgspec.Struct, frozen=True):
    """What is told of a prompt beside its length."""

    cached_tokens: int | None = None


class Words(msgspec.Struct, frozen=True):
    """Every name under which tokens are told; OpenAI's two, Anthropic's, and llama.cpp's timings."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: Details | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    prompt_n: int | None = None
    cache_n: int | None = None
    predicted_n: int | None = None


class Answer(msgspec.Struct, frozen=True):
    """An answer, as far as it tells its usage."""

    usage: Words | None = None
    timings: Words | None = None


words_in = msgspec.json.Decoder(Words).decode
answer_in = msgspec.json.Decoder(Answer).decode
