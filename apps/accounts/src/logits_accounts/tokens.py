"""Tokens: random texts that prove something, stored as their hash."""

from __future__ import annotations

import hashlib


def token_sha256(token: str) -> str:
    """What is stored of a token: its SHA-256 in hex; tokens are random, so no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()
