"""A request head on its way in: built from what the parser found, checked, and refused if need be."""

from __future__ import annotations

from typing import NamedTuple

import httptools

from logits_shell.relay import framing
from logits_shell.relay.framing import Facts
from logits_shell.relay.options import Rejection, RelayOptions
from logits_shell.relay.policy import Headers, RequestHead
from logits_shell.relay.rejections import HEAD_TOO_LARGE


class Known(NamedTuple):
    """A head that was taken in.

    Attributes:
        head: The head.
        facts: What it says.
        named: Whether the client itself has named the request.
    """

    head: RequestHead
    facts: Facts
    named: bool


class RejectedError(Exception):
    """A head is refused.

    Attributes:
        rejection: Why.
    """

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.reason)
        self.rejection = rejection


def take_head(
    parser: httptools.HttpRequestParser, url: bytes, headers: Headers, *, options: RelayOptions, client: str
) -> Known:
    """Build a head and what it says about its framing.

    Args:
        parser: Has just read the head.
        url: The target.
        headers: The fields, names in lower case.
        options: Bounds, and where request ids come from.
        client: The peer's address.

    Raises:
        RejectedError: it can't be relayed.
    """
    target = url.decode("latin-1")
    facts = framing.facts_of_request(headers)
    new_id = options.new_request_id
    given = "" if new_id is None else framing.accepted_request_id(facts.request_id)
    head = RequestHead(
        parser.get_method().decode("ascii"),
        target,
        target.partition("?")[0],
        headers,
        parser.get_http_version(),
        client,
        given if given or new_id is None else new_id(),
    )
    rejection = framing.check_request(head, url, facts, options)
    if rejection is not None:
        raise RejectedError(rejection)
    return Known(head, facts, bool(given))


def taken_again(known: Known, options: RelayOptions, client: str) -> RequestHead:
    """Build the head of one more request whose head is known."""
    head, new_id = known.head, options.new_request_id
    if known.named or new_id is None:
        identity = head.request_id
        if client == head.client:
            return head
    else:
        identity = new_id()
    return RequestHead(
        head.method, head.target, head.path, head.headers, head.http_version, client, identity, head.shared
    )


def check_size(url: bytes, headers: Headers, head_bytes: int) -> None:
    """Count a head's own bytes, when more was read at once than a head may have.

    Raises:
        RejectedError: they are too many.
    """
    if len(url) + sum(len(name) + len(value) + 4 for name, value in headers) > head_bytes:
        raise RejectedError(HEAD_TOO_LARGE)
