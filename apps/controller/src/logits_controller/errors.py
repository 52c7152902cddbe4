"""How the Controller answers errors on its own HTTP port: problem documents."""

from __future__ import annotations

from logits_shell.log import Logger
from logits_shell.problems import Handler, problem_handlers


def error_handlers(log: Logger) -> dict[type[Exception] | int, Handler]:
    """Exception handlers of the app."""
    return problem_handlers(log)
