"""Bootstrap: a first account with its organisation and environment, from a file, applied once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from logits_accounts.adapters.environments import Environments
from logits_accounts.adapters.people import People
from logits_accounts.forms import MAX_NAME, MAX_PASSWORD, MIN_PASSWORD
from logits_accounts.keys import SHAPE, EnvironmentKey
from logits_accounts.passwords import Passwords
from logits_accounts.tables import Environment, Membership, User
from logits_core.errors import ErrorCode, LogitsError

Named = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FirstEnvironment(_Document):
    """The environment whose identity was made elsewhere."""

    name: Named
    env_id: UUID = Field(alias="envID")
    env_key: str = Field(alias="envKey", repr=False)

    @field_validator("env_key")
    @classmethod
    def _key_shape(cls, value: str) -> str:
        if not SHAPE.fullmatch(value):
            raise ValueError("must be 8 letters or digits, a dot and 32 more")
        return value


class Bootstrap(_Document):
    """The whole file."""

    email: Annotated[str, Field(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
    password: Annotated[str, Field(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD, repr=False)]
    organisation: Named
    environment: FirstEnvironment


def read_bootstrap(path: Path) -> Bootstrap:
    """Read the file.

    Raises:
        LogitsError: INVALID, naming the field but never its value.
    """
    try:
        return Bootstrap.model_validate_json(path.read_bytes())
    except OSError as error:
        raise LogitsError(ErrorCode.INVALID, f"LOGITS_BOOTSTRAP_FILE: cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in detail["loc"]) or "the file"
        raise LogitsError(ErrorCode.INVALID, f"LOGITS_BOOTSTRAP_FILE: {field}: {detail['msg']}", field=field) from None


def apply_bootstrap(
    session: Session, bootstrap: Bootstrap, passwords: Passwords, people: People, environments: Environments
) -> bool:
    """Make what the file asks for unless its e-mail address has an account; True when it did."""
    email = bootstrap.email.lower()
    if session.scalars(select(User).where(col(User.email) == email)).first() is not None:
        return False
    user = people.create(session, email, passwords.hash_now(bootstrap.password), bootstrap.organisation)
    session.flush()
    owned = select(col(Membership.organisation_id)).where(col(Membership.user_id) == user.id)
    wanted = bootstrap.environment
    if session.get(Environment, str(wanted.env_id)) is None:
        environments.add(
            session,
            session.scalars(owned).one(),
            wanted.name,
            environment=str(wanted.env_id),
            key=EnvironmentKey(wanted.env_key),
        )
    return True
