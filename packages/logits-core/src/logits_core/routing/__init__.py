"""The routing room: which endpoint of a model takes the next request, decided without any I/O.

Ten lines embed it:

    router = Router()
    router.sync("llama", [Endpoint("a", "10.0.0.1", 8000), Endpoint("b", "10.0.0.2", 8000)])
    prompt = Prompt.of("llama", tools, messages)
    reservation = router.reserve("llama", prompt=prompt, now=time.monotonic(), pick=random.randrange)
    if isinstance(reservation, Reservation):
        verdict, usage = Verdict.UNKNOWN, None
        try:
            verdict, usage = send(reservation.endpoint)  # calls router.first_byte(reservation, now) on its way
        finally:
            router.release(reservation, verdict, now=time.monotonic(), usage=usage)
"""

from logits_core.routing.choice import Explanation, Score
from logits_core.routing.endpoint import Endpoint, Reason, Reservation, Unavailable, Usage
from logits_core.routing.gossip import News
from logits_core.routing.health import EndpointHealth, Verdict
from logits_core.routing.prompt import Prompt
from logits_core.routing.router import Router

__all__ = [
    "Endpoint",
    "EndpointHealth",
    "Explanation",
    "News",
    "Prompt",
    "Reason",
    "Reservation",
    "Router",
    "Score",
    "Unavailable",
    "Usage",
    "Verdict",
]
