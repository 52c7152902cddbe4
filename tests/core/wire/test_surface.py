"""The surface: what is passed on, what isn't, and in whose words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.wire import OPERATIONS, Dialect, dialect_at, engine_operation, methods_at, operation_at, response_id


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@pytest.mark.parametrize("prefix", ["", "/api"])
def test_every_operation_is_found_at_its_paths(operation: object, prefix: str) -> None:
    found = next(each for each in OPERATIONS if each is operation)
    path = found.path.format(id="resp_1")
    assert operation_at(found.method, prefix + path) is found
    assert engine_operation(found.method, found.engine_path.format(id="resp_1")) is found
    assert found.method in methods_at(prefix + path)
    assert dialect_at(prefix + path) is found.dialect


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/slots"),
        ("POST", "/v1/load_lora_adapter"),
        ("POST", "/tokenize"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/../slots"),
        ("POST", "/v1/responses/a/b"),
        ("POST", "/v1/responses/a/cancel/"),
        ("GET", "/v1/responses/"),
        ("GET", "/v1/responses/a%2fb"),
        ("POST", "/v1/responses/{id}/cancel"),
        ("POST", "/api/api/v1/completions"),
    ],
)
def test_nothing_else_is_passed_on(method: str, path: str) -> None:
    assert operation_at(method, path) is None


@given(st.sampled_from(["GET", "POST", "PUT"]), st.text(max_size=40))
def test_an_operation_is_only_ever_found_where_it_is(method: str, tail: str) -> None:
    operation = operation_at(method, f"/v1/{tail}")
    if operation is not None:
        assert operation.path.format(id=response_id(f"/v1/{tail}")) == f"/v1/{tail}"


def test_unknown_paths_have_a_dialect_too() -> None:
    assert dialect_at("/v1/messages/batches") is Dialect.ANTHROPIC
    assert dialect_at("/v1/messagesx") is Dialect.OPENAI
    assert dialect_at("/nothing") is Dialect.OPENAI
    assert methods_at("/nothing") == ()
    assert methods_at("/v1/responses/x") == ("GET",)
