"""The development mailbox: all mail on a page, for installations that send none."""

from __future__ import annotations

from datetime import UTC, datetime

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.response import Template

from logits_accounts.access import PUBLIC
from logits_accounts.adapters.people import SignedIn
from logits_accounts.services import Services

SHOWN = 50


@get("/mailbox", operation_id="mailbox")
async def mailbox(visitor: NamedDependency[SignedIn | None], services: NamedDependency[Services]) -> Template:
    """The newest mails with their links."""
    mails = [
        (mail, datetime.fromtimestamp(mail.created_at, UTC).isoformat(timespec="seconds"))
        for mail in await services.outbox.newest(SHOWN)
    ]
    return Template("mailbox.html", context={"mails": mails, "user": visitor})


def mailbox_routes() -> Router:
    """Only wired when the development mailbox is on."""
    return Router(path="/", route_handlers=[mailbox], opt=dict(PUBLIC))
