"""Revisions of the Entity DB and the tokens that continue a list at the revision where it began."""

import base64
import binascii
from dataclasses import dataclass

import msgspec

from logits_core.errors import ErrorCode, LogitsError


class _Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    revision: int
    after: str


@dataclass(frozen=True, slots=True)
class Continuation:
    """Where the next page of a list begins.

    Attributes:
        revision: the revision that every page of the list shows.
        after: name of the last entity already listed.
    """

    revision: int
    after: str

    def to_token(self) -> str:
        """Return the opaque text for the query parameter ``continue``."""
        return base64.urlsafe_b64encode(msgspec.json.encode(_Token(self.revision, self.after))).decode()


def parse_continuation(token: str) -> Continuation:
    """Read a token that an earlier page gave out.

    Raises:
        LogitsError: ``MALFORMED`` for anything else.
    """
    try:
        decoded = msgspec.json.decode(base64.b64decode(token.encode(), altchars=b"-_", validate=True), type=_Token)
    except (binascii.Error, msgspec.MsgspecError, UnicodeError) as error:
        raise LogitsError(
            ErrorCode.MALFORMED,
            "The parameter continue is not a token that a list gave out. Start the list again without it.",
            field="continue",
        ) from error
    return Continuation(decoded.revision, decoded.after)


def parse_revision(text: str, field: str = "resourceVersion") -> int:
    """Read a resource version that came back from a client.

    Raises:
        LogitsError: ``MALFORMED`` when it is not one that this Entity DB could have given out.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise LogitsError(
            ErrorCode.MALFORMED,
            f"{field} {text[:40]!r} is not a resource version. Send back one that a list or watch gave out.",
            field=field,
        )
    return int(text)


def expired(revision: int) -> LogitsError:
    """Return the refusal for a revision that the history doesn't reach back to (or hasn't come to)."""
    return LogitsError(
        ErrorCode.EXPIRED,
        f"The history at resourceVersion {revision} is no longer kept. List again and watch from there.",
        field="resourceVersion",
    )
