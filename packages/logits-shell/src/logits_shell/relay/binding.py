"""Binding the protocol to an app: with its relay policy, or with none for strict framing alone."""

from __future__ import annotations

from logits_shell.relay.familiar import Familiar
from logits_shell.relay.intake import Known
from logits_shell.relay.options import RelayOptions
from logits_shell.relay.policy import Refusal, RelayPolicy, RequestHead
from logits_shell.relay.pool import UpstreamPool
from logits_shell.relay.protocol import RelayProtocol


def relay_protocol(
    policy: RelayPolicy, pool: UpstreamPool, *, options: RelayOptions | None = None
) -> type[RelayProtocol]:
    """Make the protocol class to pass to `logits_shell.serve.serve(protocol=...)`.

    Args:
        policy: Decides where requests go.
        pool: Upstream connections; the caller closes it after serving.
        options: Bounds and deadlines.
    """
    return type(
        "BoundRelayProtocol",
        (RelayProtocol,),
        {
            "policy": policy,
            "pool": pool,
            "options": options or RelayOptions(),
            "familiar": Familiar[Known](),
            "shows_life": hasattr(policy, "keep_alive"),
        },
    )


class NothingRelayed:
    """A `RelayPolicy` that leaves every request to the ASGI application."""

    def relays(self, method: str, path: str) -> bool:
        """Take nothing."""
        return False

    def wants_body(self, head: RequestHead) -> int | None:
        """Never asked."""
        return None

    def decide(self, head: RequestHead, body: bytes | None) -> Refusal:
        """Never asked."""
        return Refusal(404, b"")


def strict_protocol(options: RelayOptions | None = None) -> type[RelayProtocol]:
    """Make the protocol class of an app without a relay policy of its own."""
    return relay_protocol(NothingRelayed(), UpstreamPool(), options=options)
