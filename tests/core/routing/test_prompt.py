"""Prompts: equal beginnings have equal marks, and nothing else does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logits_core.routing import Prompt
from logits_core.routing.prompt import ENDS


@given(st.binary(max_size=3000), st.binary(max_size=3000), st.binary(max_size=3000))
def test_marks_agree_exactly_as_far_as_the_content_does(shared: bytes, one: bytes, other: bytes) -> None:
    a, b = Prompt.of("m", shared + one), Prompt.of("m", shared + other)
    same = len(shared)
    for x, y in zip(one, other, strict=False):
        if x != y:
            break
        same += 1
    for count, (left, right) in enumerate(zip(a.marks, b.marks, strict=False), 1):
        assert (left == right) == (a.end(count) == b.end(count) <= same)


@given(st.binary(min_size=256, max_size=2000), st.text(max_size=5), st.text(max_size=5))
def test_models_adapters_and_salts_have_prompts_of_their_own(content: bytes, one: str, other: str) -> None:
    plain = Prompt.of("m", content)
    assert Prompt.of("m", content) == plain
    for changed in (
        Prompt.of("n", content),
        Prompt.of("m", content, adapter="a" + one),
        Prompt.of("m", content, salt="s" + other),
    ):
        assert not set(plain.marks) & set(changed.marks)


def test_parts_are_kept_apart() -> None:
    assert Prompt.of("m", b"a" * 200, b"b" * 100) != Prompt.of("m", b"a" * 201, b"b" * 99)


def test_a_long_prompt_has_few_marks() -> None:
    assert len(Prompt.of("m", bytes(64_000)).marks) < 50
    assert len(Prompt.of("m", bytes(512_000)).marks) < 70
    assert len(Prompt.of("m", bytes(100)).marks) == 1
    assert Prompt.of("m", b"").marks == ()
    assert list(ENDS) == sorted(set(ENDS))
