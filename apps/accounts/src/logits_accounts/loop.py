"""The loops of Accounts: tell the Ops API what it doesn't know yet, and send what is in the outbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from logits_accounts.adapters.environments import Environments
from logits_accounts.adapters.ops_api import OpsApi
from logits_accounts.adapters.outbox import Outbox
from logits_accounts.adapters.smtp import SmtpRelay
from logits_core.errors import LogitsError
from logits_core.redaction import Count, Identifier
from logits_shell.log import Logger

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 10.0
GROWTH = 1.5
IDLE_SECONDS = 300.0
BATCH = 50


class Doorbell:
    """Wakes a loop before its pause is over."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def ring(self) -> None:
        """There is something to do."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Return when rung, or after ``seconds``."""
        with anyio.move_on_after(seconds):
            await self._rung.wait()
        self._rung = anyio.Event()


async def repeat(work: Callable[[], Awaitable[int]], doorbell: Doorbell, log: Logger, name: Identifier) -> None:
    """Run ``work`` whenever the doorbell rings; after a failure again, with growing pauses.

    Args:
        work: does what there is to do and returns how much that was.
        doorbell: rung by whoever makes work.
        log: where failures and successes are told.
        name: the loop's name in the log.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            done = await work()
        except LogitsError as error:
            log.warning("{loop} failed: {code}; it is tried again", loop=name, code=Identifier(error.code.value))
            await anyio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * GROWTH)
        else:
            pause = FIRST_PAUSE
            if done:
                log.info("{loop} did {count}", loop=name, count=Count(done))
            await doorbell.wait(IDLE_SECONDS)


async def announce(environments: Environments, ops_api: OpsApi) -> int:
    """Tell the Ops API about every environment of which it knows less than we do."""
    announcements = await environments.unannounced()
    for announcement in announcements:
        await ops_api.announce(announcement)
        await environments.announced(announcement)
    return len(announcements)


async def deliver(outbox: Outbox, relay: SmtpRelay | None) -> int:
    """Send what waits in the outbox; without a relay only clear out what is old."""
    await outbox.expire()
    if relay is None:
        return 0
    mails = await outbox.unsent(BATCH)
    failure: LogitsError | None = None
    for mail in mails:
        try:
            await relay.send(mail)
        except LogitsError as error:
            failure = error
        await outbox.note(mail.id, sent=failure is None)
        if failure:
            raise failure
    return len(mails)
