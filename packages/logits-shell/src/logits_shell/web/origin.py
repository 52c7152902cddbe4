"""The same-origin rule: a browser's request that changes something must come from our own pages."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from logits_core.errors import ErrorCode, LogitsError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def require_same_origin(method: str, headers: Mapping[str, str]) -> None:
    """Refuse a cross-site request (CSRF) by what the browser itself says about its origin.

    Browsers send ``Sec-Fetch-Site`` and, on every POST, ``Origin``; pages cannot forge either. A
    caller that sends neither is refused too: scripts have tokens of their own to use.

    Args:
        method: the HTTP method.
        headers: request headers with lower-case names.

    Raises:
        LogitsError: FORBIDDEN.
    """
    if method in SAFE_METHODS:
        return
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
    elif (origin := headers.get("origin")) and urlsplit(origin).netloc == headers.get("host"):
        return
    raise LogitsError(
        ErrorCode.FORBIDDEN,
        "this form was sent from another site; open the page itself and send it again",
        field="Origin",
    )
