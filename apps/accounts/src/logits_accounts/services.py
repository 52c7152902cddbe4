"""Services: what the routes of Accounts work with, put together once in the app's wiring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import anyio
from prometheus_client import CollectorRegistry, Counter

from logits_accounts.adapters.environments import Environments
from logits_accounts.adapters.ops_api import OpsApi
from logits_accounts.adapters.organisations import Organisations
from logits_accounts.adapters.outbox import Outbox
from logits_accounts.adapters.people import People
from logits_accounts.keys import EnvironmentKey
from logits_accounts.loop import Doorbell
from logits_accounts.passwords import Passwords
from logits_accounts.settings import Settings
from logits_accounts.throttle import Throttle


class Metrics:
    """The app's own metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sign_ins = Counter("logits_accounts_sign_ins", "Attempts.", ["outcome"], registry=registry)
        self.mails_dropped = Counter(
            "logits_accounts_mails_dropped", "Mails to addresses that get too many.", registry=registry
        )
        self.followers_refused = Counter(
            "logits_accounts_followers_refused", "Live pages refused for want of room.", registry=registry
        )


@dataclass(frozen=True)
class Services:
    """Stores, neighbours, bounds and the sources of chance and time."""

    settings: Settings
    people: People
    organisations: Organisations
    environments: Environments
    outbox: Outbox
    passwords: Passwords
    ops_api: OpsApi
    attempts: Throttle
    announcer: Doorbell
    mailer: Doorbell
    followers: anyio.CapacityLimiter
    metrics: Metrics
    clock: Callable[[], float]
    new_token: Callable[[], str]
    new_id: Callable[[], str]
    new_key: Callable[[], EnvironmentKey]
