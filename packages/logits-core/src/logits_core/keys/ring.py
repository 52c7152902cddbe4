"""The key ring: who a caller is, by the key that it shows, and what that key allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from logits_core.errors import ErrorCode, LogitsError
from logits_core.keys.credential import Proof, instant, prefix_of
from logits_core.keys.limits import Limits
from logits_core.keys.spec import ApiKeySpec

ANONYMOUS = ""
"""The name of callers without a key."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a caller may do.

    Attributes:
        name: The key's; "" for callers without one.
        models: Deployments that it may call, None for all.
        limits: How much.
    """

    name: str = ANONYMOUS
    models: frozenset[str] | None = None
    limits: Limits = field(default_factory=Limits)

    def allows(self, model: str) -> bool:
        """Say whether a model may be called."""
        return self.models is None or model in self.models

    def require(self, model: str) -> None:
        """Let only a model pass that may be called.

        Raises:
            LogitsError: FORBIDDEN, naming those that may.
        """
        if not self.allows(model):
            allowed = ", ".join(sorted(self.models or ())[:20])
            raise LogitsError(
                ErrorCode.FORBIDDEN,
                f"This key may not call the model {model[:100]!r}. It may call: {allowed}.",
                field="model",
                reason="model_not_allowed",
            )


@dataclass(frozen=True, slots=True)
class _Held:
    grant: Grant
    proof: Proof
    revoked: bool
    expires_at: datetime | None


class KeyRing:
    """All keys, ready for look-up by the beginning of the key that a caller shows.

    Args:
        keys: Specs by the key's name.
        required: Whether callers without a key are refused.
        shares: Processes that divide each key's limits among themselves.
    """

    def __init__(self, keys: Mapping[str, ApiKeySpec], *, required: bool, shares: int = 1) -> None:
        self.required = required
        self._held: dict[str, _Held] = {}
        self._grants: dict[str, Grant] = {}
        for name, spec in keys.items():
            self._add(name, spec, shares)

    def _add(self, name: str, spec: ApiKeySpec, shares: int) -> None:
        limits = Limits(spec.requests_per_minute, spec.tokens_per_minute, spec.concurrency).divided(shares)
        grant = Grant(name, frozenset(spec.models) or None, limits)
        self._grants[name] = grant
        for credential in spec.credentials:
            ends = [instant(text) for text in (spec.expires_at, credential.expires_at) if text is not None]
            self._held[credential.prefix] = _Held(grant, Proof(credential), spec.revoked, min(ends, default=None))

    @property
    def grants(self) -> Mapping[str, Grant]:
        """What each key allows, by its name."""
        return self._grants

    def authenticate(self, key: str, now: datetime) -> Grant:
        """Return what a caller may do.

        Args:
            key: What the caller shows; "" for nothing.
            now: The wall clock.

        Raises:
            LogitsError: UNAUTHENTICATED when keys are required and this is none, or no longer one. Where keys
                aren't required such a caller counts as one without a key.
        """
        return self.recognise(key, now)[0]

    def recognise(self, key: str, now: datetime) -> tuple[Grant, datetime | None]:
        """Return what a caller may do, and until when at most; see `authenticate`."""
        held = self._held.get(prefix_of(key))
        known = held if held is not None and held.proof.holds(key) else None
        if known is not None and not known.revoked and (known.expires_at is None or now < known.expires_at):
            return known.grant, known.expires_at
        if not self.required:
            return Grant(), None
        raise _refusal(key, known)


def bearer(authorization: str, x_api_key: str) -> str:
    """Return the key that a request shows: as a bearer token, or as Anthropic's clients do; "" for none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return x_api_key.strip()


def _refusal(key: str, known: _Held | None) -> LogitsError:
    if not key:
        message = "No API key was sent. Send one as `Authorization: Bearer KEY`; the Console makes them."
    elif known is None:
        message = "The API key is not known here. Check it, or make a new one in the Console."
    elif known.revoked:
        message = "The API key is revoked. Make a new one in the Console."
    else:
        message = "The API key has expired. Make a new one in the Console, or use the one that replaced it."
    return LogitsError(ErrorCode.UNAUTHENTICATED, message)
