"""Stored responses: which LLM Server made one, remembered here, because it alone can return or cancel it."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

REMEMBERED = 10_000
"""Most responses that are remembered; an older one is looked for at every LLM Server."""
_ID = re.compile(rb'"id"\s*:\s*"(resp_[A-Za-z0-9_-]{1,250})"')


@dataclass(frozen=True, slots=True)
class Maker:
    """Who made a response, and for whom.

    Attributes:
        model: The deployment.
        endpoint: Id of the LLM Server.
        key: Name of the caller's key.
    """

    model: str
    endpoint: str
    key: str


class StoredResponses:
    """Remembers the makers of the latest responses."""

    def __init__(self) -> None:
        self._makers: OrderedDict[str, Maker] = OrderedDict()

    def note(self, piece: bytes, maker: Maker) -> bool:
        """Look for a response's id in the beginning of an answer; says whether it was there."""
        found = _ID.search(piece)
        if found is None:
            return False
        self._makers[found[1].decode()] = maker
        if len(self._makers) > REMEMBERED:
            self._makers.popitem(last=False)
        return True

    def candidates(self, response: str, key: str, everybody: Iterable[Maker]) -> list[Maker]:
        """Return who may have made a response.

        Args:
            response: Its id.
            key: Name of the key of the caller, who only hears of its own.
            everybody: All LLM Servers that the caller may ask.
        """
        known = self._makers.get(response)
        if known is None:
            return list(everybody)
        if known.key != key:
            return []
        return [maker for maker in everybody if (maker.model, maker.endpoint) == (known.model, known.endpoint)]
