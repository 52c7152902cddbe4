"""Settings: every field of every app is documented, and a misspelt variable stops the start."""

from __future__ import annotations

import importlib

import pytest

from architecture.tree import APPS
from logits_core.errors import LogitsError
from logits_shell.settings import AppSettings, from_env


def settings_of(app: str) -> type[AppSettings]:
    return importlib.import_module(f"logits_{app.replace('-', '_')}.settings").Settings


@pytest.mark.parametrize("app", APPS)
def test_every_setting_is_described(app: str) -> None:
    bare = [name for name, field in settings_of(app).model_fields.items() if not field.description]
    assert not bare, f"{app}: {bare}"


@pytest.mark.parametrize("app", APPS)
def test_settings_are_frozen_and_closed(app: str) -> None:
    config = settings_of(app).model_config
    assert config.get("frozen") is True
    assert config.get("extra") == "forbid"


@pytest.mark.parametrize("app", APPS)
def test_an_unknown_variable_is_named(app: str) -> None:
    with pytest.raises(LogitsError, match="LOGITS_HTPP_PORT"):
        from_env(settings_of(app), {"LOGITS_HTPP_PORT": "1"})
