"""The routing room: which endpoint of a model takes the next request, decided without any I/O.

router = Router()
router.sync("llama", [Endpoint("a", "10.0.0.1", 8000), Endpoint("b", "10.0.0.2", 8000)])
reservation = router.reserve("llama", now=time.monotonic(), pick=random.randrange)
if isinstance(reservation, Reservation):
    try:
        ...  # send the request to reservation.endpoint
    finally:
        router.release(reservation, Verdict.GOOD, now=time.monotonic())
"""

from logits_core.routing.health import EndpointHealth, Verdict
from logits_core.routing.router import Endpoint, Reservation, Router, Unavailable

__all__ = ["Endpoint", "EndpointHealth", "Reservation", "Router", "Unavailable", "Verdict"]
