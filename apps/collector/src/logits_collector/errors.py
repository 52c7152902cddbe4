"""Errors of the Collector's own port, as problem documents."""

from logits_shell.problems import problem_handlers

__all__ = ["problem_handlers"]
