"""The router: least load with random ties, load reserved at the decision, failing endpoints left out.

Pure: the clock and the randomness are arguments, and nothing here waits. Whoever reserves must release.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field

from logits_core.routing.health import EndpointHealth, Verdict


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place that serves a model.

    Attributes:
        id: Unique name, such as the pod's.
        host: Address.
        port: TCP port.
        capacity: Requests that may be in flight there at once.
    """

    id: str
    host: str
    port: int
    capacity: int = 64


class Unavailable(enum.Enum):
    """Why nothing could be reserved."""

    NO_ENDPOINT = "no-endpoint"
    ALL_BUSY = "all-busy"


@dataclass(frozen=True, slots=True)
class Reservation:
    """One request's place at an endpoint, until it's released."""

    model: str
    endpoint: Endpoint
    number: int


@dataclass(slots=True)
class _Place:
    endpoint: Endpoint
    in_flight: int = 0
    health: EndpointHealth = field(default_factory=EndpointHealth)


class Router:
    """Chooses endpoints for requests.

    Args:
        eject_after: Failures in a row that take an endpoint out of the choice.
        eject_seconds: Length of a first ejection; doubles with each one in a row.
        eject_longest: Seconds that no ejection exceeds.
    """

    def __init__(self, *, eject_after: int = 3, eject_seconds: float = 1.0, eject_longest: float = 30.0) -> None:
        self._eject_after = eject_after
        self._eject_seconds = eject_seconds
        self._eject_longest = eject_longest
        self._models: dict[str, dict[str, _Place]] = {}
        self._open: dict[int, _Place] = {}
        self._next = 1

    def sync(self, model: str, endpoints: Iterable[Endpoint]) -> None:
        """Make `endpoints` all that serve `model`; load and health of those that stay are kept."""
        places = self._models.setdefault(model, {})
        wanted = {endpoint.id: endpoint for endpoint in endpoints}
        for name, place in list(places.items()):
            endpoint = wanted.pop(name, None)
            if endpoint is None:
                del places[name]
            elif (endpoint.host, endpoint.port) != (place.endpoint.host, place.endpoint.port):
                places[name] = _Place(endpoint)
            else:
                place.endpoint = endpoint
        for name, endpoint in wanted.items():
            places[name] = _Place(endpoint)
        if not places:
            del self._models[model]

    def reserve(
        self,
        model: str,
        *,
        now: float,
        pick: Callable[[int], int],
        exclude: Set[str] = frozenset(),
    ) -> Reservation | Unavailable:
        """Reserve a place for one request.

        Args:
            model: Whose endpoints.
            now: The caller's clock, seconds.
            pick: Given n, returns one of 0..n-1 at random; breaks ties.
            exclude: Ids of endpoints that this request has already tried.
        """
        places = [place for name, place in self._models.get(model, {}).items() if name not in exclude]
        if not places:
            return Unavailable.NO_ENDPOINT
        # With nothing healthy left, trying is better than refusing.
        sound = [place for place in places if place.health.allows(now, place.in_flight)] or places
        free = [place for place in sound if place.in_flight < place.endpoint.capacity]
        if not free:
            return Unavailable.ALL_BUSY
        least = min(place.in_flight for place in free)
        idlest = [place for place in free if place.in_flight == least]
        place = idlest[pick(len(idlest))] if len(idlest) > 1 else idlest[0]
        place.in_flight += 1
        number, self._next = self._next, self._next + 1
        self._open[number] = place
        return Reservation(model, place.endpoint, number)

    def release(self, reservation: Reservation, verdict: Verdict, *, now: float) -> None:
        """Give a place back; a second release of the same reservation changes nothing."""
        place = self._open.pop(reservation.number, None)
        if place is None:
            return
        place.in_flight -= 1
        place.health = place.health.after(
            verdict,
            now,
            threshold=self._eject_after,
            first=self._eject_seconds,
            longest=self._eject_longest,
        )

    def in_flight(self, model: str) -> dict[str, int]:
        """Return the requests in flight at each endpoint of `model`."""
        return {name: place.in_flight for name, place in self._models.get(model, {}).items()}

    def ejected(self, model: str, now: float) -> frozenset[str]:
        """Return the ids of the endpoints of `model` that are out of the choice now."""
        places = self._models.get(model, {})
        return frozenset(name for name, place in places.items() if now < place.health.ejected_until)

    @property
    def open_reservations(self) -> int:
        """How many reservations wait for their release, those of departed endpoints included."""
        return len(self._open)
