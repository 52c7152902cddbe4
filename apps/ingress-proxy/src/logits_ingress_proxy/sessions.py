"""Sessions of people who have signed in: a signed cookie, nothing is stored."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from itsdangerous import BadSignature, URLSafeTimedSerializer

COOKIE = "logits_session"
SIGN_IN_COOKIE = "logits_sign_in"
SIGN_IN_SECONDS = 600


class Sessions:
    """Makes and reads signed cookies.

    Args:
        key: Signs them; every Ingress Proxy of an installation has the same.
        seconds: How long a session lasts.
        secure: Whether browsers may send the cookies over https only.
    """

    def __init__(self, key: bytes, seconds: int, *, secure: bool) -> None:
        self._sessions = URLSafeTimedSerializer(key, salt="session")
        self._sign_ins = URLSafeTimedSerializer(key, salt="sign-in")
        self._seconds = seconds
        self._secure = secure

    def issue(self, user: str) -> str:
        """Return the `Set-Cookie` value that begins a session of `user`."""
        return self._cookie(COOKIE, str(self._sessions.dumps(user)), self._seconds)

    def user(self, cookies: bytes) -> str | None:
        """Return who the session in a `Cookie` field belongs to, None without a valid one."""
        value = _cookie_value(cookies, COOKIE)
        try:
            user = self._sessions.loads(value, max_age=self._seconds)
        except BadSignature:
            return None
        return user if isinstance(user, str) else None

    def issue_sign_in(self, state: dict[str, str]) -> str:
        """Return the `Set-Cookie` value that remembers a sign-in on its way."""
        return self._cookie(SIGN_IN_COOKIE, str(self._sign_ins.dumps(state)), SIGN_IN_SECONDS)

    def sign_in(self, cookies: bytes) -> dict[str, str]:
        """Return what was remembered of a sign-in, empty when it's unknown or too old."""
        value = _cookie_value(cookies, SIGN_IN_COOKIE)
        try:
            return dict(self._sign_ins.loads(value, max_age=SIGN_IN_SECONDS))
        except BadSignature:
            return {}

    def forget(self, name: str) -> str:
        """Return the `Set-Cookie` value that ends a session or a sign-in."""
        return self._cookie(name, "", 0)

    def _cookie(self, name: str, value: str, seconds: int) -> str:
        secure = "; Secure" if self._secure else ""
        return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


def _cookie_value(cookies: bytes, name: str) -> str:
    try:
        found = SimpleCookie(cookies.decode("latin-1")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def without_ours(cookies: bytes) -> bytes:
    """Return a `Cookie` field without the cookies of this room, which nobody behind it may see."""
    ours = (COOKIE.encode() + b"=", SIGN_IN_COOKIE.encode() + b"=")
    kept = [part for part in cookies.split(b";") if not part.strip().startswith(ours)]
    return b";".join(kept).strip()
