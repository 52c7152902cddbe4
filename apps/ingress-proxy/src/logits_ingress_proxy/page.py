"""The sign-in page: one small form, complete in itself."""

from __future__ import annotations

import base64
import hashlib
from html import escape

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;margin:0;color:#1b1f24}"
    "form{width:20rem;display:grid;gap:.75rem}h1{font-size:1.25rem;margin:0}label{display:grid;gap:.25rem}"
    "input,button{font:inherit;padding:.5rem;border:1px solid #8a94a0;border-radius:.375rem}"
    "button{background:#1f5fd0;color:#fff;border-color:#1f5fd0}p[role=alert]{color:#b3261e;margin:0}"
    "@media(prefers-color-scheme:dark){body{background:#14171b;color:#e6e9ed}input{background:#1e2329;color:inherit}"
    "p[role=alert]{color:#ff8a80}}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The page's Content-Security-Policy: its own style, its own form, nothing else."""


def sign_in_page(target: str, message: str = "") -> bytes:
    """Write the form.

    Args:
        target: Where to go after the sign-in.
        message: What went wrong the last time, "" for nothing.
    """
    alert = f'<p role="alert">{escape(message)}</p>' if message else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in · Logits</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<form method="post" action="/sign-in"><h1>Sign in to Logits</h1>{alert}'
        f'<input type="hidden" name="next" value="{escape(target)}">'
        '<label>Name<input name="name" autocomplete="username" required autofocus></label>'
        '<label>Password<input name="password" type="password" autocomplete="current-password" required></label>'
        "<button>Sign in</button></form></body></html>"
    ).encode()
