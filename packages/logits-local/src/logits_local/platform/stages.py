"""Stages of the way to the first answer, and how a terminal shows them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.status import Status


class Stage:
    """One stage while it runs: takes a word on what it waits for."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self.detail = ""

    def waits_for(self, detail: str) -> None:
        """Say what is missing now."""
        if detail != self.detail:
            self.detail = detail
            self._show(detail)


class Stages:
    """Shows each stage on a console: a spinner while it runs, one line when it is done.

    Args:
        console: where; when it isn't a terminal, only the finished lines appear.
        clock: seconds, for how long each stage took.
    """

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock

    @contextmanager
    def stage(self, title: str) -> Generator[Stage]:
        """Show a stage around the code that does it."""
        began = self._clock()
        with self._console.status(title) as spinner:
            stage = Stage(lambda detail: _update(spinner, title, detail))
            line = f"[red]✗[/red] {title}"
            try:
                yield stage
                line = f"[green]✓[/green] {title}  [dim]{self._clock() - began:.1f} s[/dim]"
            finally:
                spinner.stop()
                self._console.print(line)


def _update(spinner: Status, title: str, detail: str) -> None:
    spinner.update(f"{title}  [dim]{escape(detail)}[/dim]")
