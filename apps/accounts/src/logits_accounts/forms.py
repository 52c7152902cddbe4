"""Forms: what people type, checked field by field, with errors in words."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from logits_accounts.roles import Role
from logits_core.errors import LogitsError

_EMAIL = re.compile(r"[^@\s\"<>,;:()\\]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[^@\s\"<>,;:()\\]{1,64}@localhost")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MIN_PASSWORD = 10
MAX_PASSWORD = 200
MAX_NAME = 100


@dataclass
class Form:
    """The values of one form and what is wrong with them, by field name."""

    values: Mapping[str, str]
    errors: dict[str, str] = field(default_factory=dict[str, str])

    def text(self, name: str) -> str:
        """A field's value without surrounding blanks; empty when it wasn't sent."""
        return self.values.get(name, "").strip()

    def email(self, name: str = "email") -> str:
        """A valid e-mail address in lower case, or an error beside the field."""
        value = self.text(name).lower()
        if not value:
            self.errors[name] = "Enter an e-mail address."
        elif len(value) > 254 or not _EMAIL.fullmatch(value):
            self.errors[name] = "This is not an e-mail address; it looks like name@example.com."
        return value

    def password(self, name: str = "password") -> str:
        """A new password that is long enough, or an error beside the field."""
        value = self.values.get(name, "")
        if len(value) < MIN_PASSWORD:
            self.errors[name] = f"Use at least {MIN_PASSWORD} characters; a few words make a good password."
        elif len(value) > MAX_PASSWORD:
            self.errors[name] = f"Use at most {MAX_PASSWORD} characters."
        return value

    def name(self, what: str, *, name: str = "name", required: bool = True) -> str:
        """A name for something, or an error beside the field."""
        value = self.text(name)
        if not value and required:
            self.errors[name] = f"Give the {what} a name."
        elif len(value) > MAX_NAME:
            self.errors[name] = f"Use at most {MAX_NAME} characters."
        elif _CONTROL.search(value):
            self.errors[name] = "Leave out control characters."
        return value

    def role(self, name: str = "role") -> Role:
        """One of the roles, or an error beside the field."""
        try:
            return Role(self.text(name))
        except ValueError:
            self.errors[name] = "Choose one of the roles: " + ", ".join(Role) + "."
            return Role.MEMBER

    @contextmanager
    def refusals(self) -> Generator[None]:
        """Turn a refusal that names a field into an error beside it."""
        try:
            yield
        except LogitsError as error:
            if not error.field:
                raise
            self.errors[error.field] = error.message

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong so far."""
        return not self.errors


def local_path(text: str) -> str:
    """The path to go on to after signing in; only ever one of our own."""
    if len(text) <= 300 and text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable():
        return text
    return "/"
