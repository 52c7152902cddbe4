"""Mail: the texts that Accounts writes to people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Letter:
    """One mail before it is addressed; ``path`` is the link's path on our own site, if it has one."""

    subject: str
    text: str
    path: str = ""


def confirm_address(token: str) -> Letter:
    """To somebody who signed up."""
    return Letter(
        "Confirm your e-mail address",
        "Somebody, most likely you, signed up for Logits with this address.\n"
        "Open the link below and enter the password you chose. It works for a day.\n"
        "If it wasn't you, ignore this mail: without it no account is made.",
        f"/confirm/{token}",
    )


def already_registered() -> Letter:
    """To somebody who signed up again."""
    return Letter(
        "You already have an account",
        "Somebody, most likely you, tried to sign up for Logits with this address.\n"
        "It has an account already: sign in with the password you chose then.",
        "/sign-in",
    )


def invitation(organisation: str, role: str, inviter: str, token: str) -> Letter:
    """To somebody who is invited."""
    return Letter(
        f"You are invited to {organisation}"[:200],
        f"{inviter} invites you to join {organisation} on Logits as {role}.\n"
        "The link works for seven days, for this e-mail address only.",
        f"/invitations/{token}",
    )
