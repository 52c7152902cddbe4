"""Belief: how far what a router remembers, or expects other routers to have done, has turned out true."""

from __future__ import annotations

HOMES = 3
"""Endpoints at which all routers look for a prompt, in an order that they agree on."""

STRAY = HOMES
"""The rank of every other endpoint."""

LEARNING = 0.03
LEAST = 0.02
MEETING = 0.02
TRUST = 2.0
"""How much more than their share other routers are trusted to keep to the homes: one other, with half of the requests,
is trusted wholly, or two routers would each stay where they have once sent a prompt."""

FOUND = 0.5
"""What the first home is expected to hold of a prompt before anything has been learned. More of it leads to more copies
of what everybody shares, less of it spreads the load earlier."""


class Belief:
    """Shares that are learned from answers, by the rank of the endpoint among the prompt's homes.

    With one router, what it remembers is kept and nothing else is ever found. With several, homes are refreshed
    by all and strays are forgotten sooner; both show in `cached_tokens`, and nobody has to say how many routers
    there are.

    Attributes:
        kept: Of the tokens that this router sent to an endpoint before, the share that was still there.
        found: Of a prompt that this router didn't send there before, the share that was there nevertheless.
        hopes: The same as `expected` gives it.
        others: Share of all load that is other routers', on average.
    """

    __slots__ = ("found", "hopes", "kept", "others")

    def __init__(self) -> None:
        self.others = 0.0
        self.kept = [1.0] * (HOMES + 1)
        self.found = [FOUND * 0.5**rank for rank in range(HOMES)]
        self.hopes = list(self.found)

    def expected(self, rank: int) -> float:
        """Return the share that a home is expected to hold of a prompt that this router didn't send there.

        With other routers about it is never small: they keep to the homes only while all do.
        """
        return self.hopes[rank]

    def meet(self, others: float) -> None:
        """Take in the share of all load that is other routers' now."""
        self.others += MEETING * (others - self.others)
        self._hope()

    def learn_kept(self, rank: int, share: float) -> None:
        """Take in what was left of what had been sent."""
        self.kept[rank] += LEARNING * ((share if share < 1.0 else 1.0) - self.kept[rank])

    def learn_found(self, rank: int, share: float) -> None:
        """Take in what was there of what had not been sent; strays aren't counted on."""
        if rank == STRAY:
            return
        self.found[rank] += LEARNING * ((0.0 if share < 0.0 else share if share < 1.0 else 1.0) - self.found[rank])
        self._hope()

    def _hope(self) -> None:
        """Bring in order what homes hold: each less than the one before it, or routers would part ways on a tie."""
        most, least, trusted = 1.0, LEAST, min(1.0, self.others * TRUST)
        for rank, found in enumerate(self.found):
            value = least if found < least else most if found > most else found
            self.found[rank] = value
            self.hopes[rank] = value if value > trusted else trusted
            most, least, trusted = value * 0.5, least * 0.5, trusted * 0.5
