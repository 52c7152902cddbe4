"""News: one wake-up for several loops that each look for themselves what changed."""

import math

import anyio


class News:
    """Counts tellings, so that one which comes between a look and a wait isn't missed."""

    def __init__(self) -> None:
        self.count = 0
        self._event = anyio.Event()

    def tell(self) -> None:
        """Wake everybody who waits."""
        self.count += 1
        self._event.set()
        self._event = anyio.Event()

    async def after(self, seen: int, seconds: float = math.inf) -> None:
        """Return once something was told after ``seen``, or after ``seconds``."""
        if self.count == seen:
            with anyio.move_on_after(max(0.0, seconds)):
                await self._event.wait()
