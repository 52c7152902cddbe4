"""Usage: the tokens that an answer says it took, in the words of either dialect and either engine."""

from __future__ import annotations

import re

import msgspec

from logits_core.routing.endpoint import Usage
from logits_core.wire.words import Answer, Details, Words, answer_in, words_in

HEAD_BYTES = 4_096
TAIL_BYTES = 16_384
"""Bytes kept of the beginning and the end of an answer: engines put the usage into one of the two."""


_FINDER = re.compile(rb'(?<!\\)"(?:usage|timings)"\s*:\s*\{')
_BRACE = re.compile(rb"[{}]")
_OBJECT_BYTES = 4_096


def usages_in(text: bytes) -> list[Usage]:
    """Return every usage that a piece of an answer tells, in order; text within strings is left alone."""
    if b'"usage"' not in text and b'"timings"' not in text:
        return []
    found: list[Usage] = []
    for match in _FINDER.finditer(text):
        usage = _decoded(text, match.end() - 1)
        if usage is not None:
            found.append(usage)
    return found


def _usage_of(part: bytes) -> Usage | None:
    """Return what an answer, or the beginning or the end of one, tells first."""
    if part.startswith(b"{"):
        try:
            answer = answer_in(part)
        except msgspec.MsgspecError:
            # It's only a part, or an unusual answer: look for what can be found.
            answer = Answer()
        words = answer.usage or answer.timings
        if words is not None and (usage := _usage(words)) is not None:
            return usage
    # Where llama.cpp tells both, the usage stands before its timings; they say the same.
    return next(iter(usages_in(part)), None)


def _decoded(text: bytes, start: int) -> Usage | None:
    end = _object_end(text, start)
    try:
        return _usage(words_in(text[start:end])) if end else None
    except msgspec.MsgspecError:
        return None


def _object_end(text: bytes, start: int) -> int:
    """Return where the object that begins at `start` ends, 0 if it doesn't."""
    depth = 0
    # Usage objects hold numbers and nested objects of numbers, so braces alone tell where they end.
    for brace in _BRACE.finditer(text, start, start + _OBJECT_BYTES):
        depth += 1 if brace[0] == b"{" else -1
        if depth == 0:
            return brace.end()
    return 0


def _usage(words: Words) -> Usage | None:
    if words.input_tokens is not None or words.output_tokens is not None:
        return _of_inputs(words)
    if words.predicted_n is not None:
        cached = words.cache_n
        return Usage((words.prompt_n or 0) + (cached or 0), cached, words.predicted_n)
    if words.prompt_tokens is None and words.completion_tokens is None:
        return None
    return Usage(words.prompt_tokens or 0, _cached(words.prompt_tokens_details), words.completion_tokens or 0)


def _of_inputs(words: Words) -> Usage:
    if words.input_tokens_details is not None:
        return Usage(words.input_tokens or 0, _cached(words.input_tokens_details), words.output_tokens or 0)
    # Anthropic counts what was read from a cache apart from the rest.
    read, made = words.cache_read_input_tokens, words.cache_creation_input_tokens
    return Usage((words.input_tokens or 0) + (read or 0) + (made or 0), read, words.output_tokens or 0)


def _cached(details: Details | None) -> int | None:
    return details.cached_tokens if details is not None else None


def _most(one: Usage, other: Usage) -> Usage:
    return Usage(
        max(one.prompt_tokens, other.prompt_tokens),
        None
        if one.cached_tokens is other.cached_tokens is None
        else max(one.cached_tokens or 0, other.cached_tokens or 0),
        max(one.completion_tokens, other.completion_tokens),
    )


class UsageReader:
    """Finds the usage of one answer while its bytes pass; holds at most `HEAD_BYTES` and `TAIL_BYTES`.

    Attributes:
        told: The last figures of the engine; None until there are any.
    """

    __slots__ = ("_head", "_tail", "told")

    def __init__(self) -> None:
        self.told: Usage | None = None
        self._head = b""
        self._tail = b""

    def events(self, piece: bytes) -> None:
        """Look at whole events of a stream."""
        # Figures only grow: a message's prompt is told at its start and its answer at its end.
        for usage in usages_in(piece):
            self.told = usage if self.told is None else _most(self.told, usage)

    def piece(self, piece: bytes) -> None:
        """Take a piece of an answer that is one document."""
        if not self._head:
            self._head = piece[:HEAD_BYTES]
        self._tail = piece[-TAIL_BYTES:] if len(piece) >= TAIL_BYTES else (self._tail + piece)[-TAIL_BYTES:]

    def finish(self) -> Usage | None:
        """Return the figures of the answer, None when it told none."""
        for part in (self._tail, self._head):
            if self.told is None and part:
                self.told = _usage_of(part)
        return self.told


_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_EVENT_END = re.compile(rb"(\r\n\r\n|\n\n|\r\r)")
_REASON = b'"finish_reason":'
_NO_REASON = frozenset({b"nu", b" n"})
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')


class UsageStripper:
    """Takes the usage that only we asked for out of an OpenAI stream, so that the client gets what it asked for.

    Engines then send one event more, without choices, and put what they say at the very end of an answer
    (timings, the system's fingerprint) behind the usage there instead of into the last event with a choice.
    So that last event is held back for a moment, and gets those members back.
    """

    __slots__ = ("_held", "_reader")

    def __init__(self, reader: UsageReader) -> None:
        self._reader = reader
        self._held = b""

    def feed(self, events: bytes) -> bytes:
        """Take whole events; return those to send."""
        if not self._held and b'"usage"' not in events:
            # Most events say once that they aren't the last one.
            at = events.find(_REASON)
            if at < 0:
                return events
            at += len(_REASON)
            if events[at : at + 2] in _NO_REASON and events.find(_REASON, at) < 0:
                return events
        parts = _EVENT_END.split(events)
        out = [self._event(parts[i] + parts[i + 1]) for i in range(0, len(parts) - 1, 2)]
        return b"".join([*out, parts[-1]])

    def rest(self) -> bytes:
        """Return, and let go of, what was held back."""
        held, self._held = self._held, b""
        return held

    def _event(self, event: bytes) -> bytes:
        self._reader.events(event)
        if b'"usage"' in event and _NO_CHOICES.search(event):
            return _with_members(self.rest(), _behind_usage(event))
        before = self.rest()
        if _FINISH.search(event):
            self._held = event
            return before
        return before + event


def _behind_usage(event: bytes) -> bytes:
    match = _FINDER.search(event)
    end = _object_end(event, match.end() - 1) if match else 0
    return event[end : event.rindex(b"}")] if end else b""


def _with_members(event: bytes, members: bytes) -> bytes:
    if not event or not members:
        return event
    end = event.rindex(b"}")
    return event[:end] + members + event[end:]
