"""Tables of Accounts; times are seconds since the epoch, tokens and keys are only kept as SHA-256."""

from sqlalchemy import MetaData, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from logits_shell.database import NAMING


class Table(SQLModel):
    """What the tables of this app share: metadata of their own."""

    metadata = MetaData(naming_convention=NAMING)


class User(Table, table=True):
    """A person whose e-mail address is proven."""

    __tablename__ = "users"  # pyright: ignore[reportAssignmentType]

    id: str = Field(primary_key=True, max_length=36)
    email: str = Field(unique=True, max_length=254)
    password_hash: str = Field(max_length=200)
    created_at: float


class SignUp(Table, table=True):
    """A wish to join whose e-mail address is not proven yet."""

    __tablename__ = "sign_ups"  # pyright: ignore[reportAssignmentType]

    token_sha256: str = Field(primary_key=True, max_length=64)
    email: str = Field(index=True, max_length=254)
    password_hash: str = Field(max_length=200)
    organisation: str = Field(max_length=100)
    next_path: str = Field(max_length=300)
    expires_at: float


class BrowserSession(Table, table=True):
    """A signed-in browser."""

    __tablename__ = "sessions"  # pyright: ignore[reportAssignmentType]

    token_sha256: str = Field(primary_key=True, max_length=64)
    user_id: str = Field(foreign_key="users.id", index=True, max_length=36)
    created_at: float
    expires_at: float


class Organisation(Table, table=True):
    """A customer."""

    __tablename__ = "organisations"  # pyright: ignore[reportAssignmentType]

    id: str = Field(primary_key=True, max_length=36)
    name: str = Field(max_length=100)
    created_at: float


class Membership(Table, table=True):
    """A person's role in an organisation."""

    __tablename__ = "memberships"  # pyright: ignore[reportAssignmentType]

    organisation_id: str = Field(primary_key=True, foreign_key="organisations.id", max_length=36)
    user_id: str = Field(primary_key=True, foreign_key="users.id", index=True, max_length=36)
    role: str = Field(max_length=16)
    created_at: float


class Invitation(Table, table=True):
    """An invitation that was sent and neither used nor taken back."""

    __tablename__ = "invitations"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (UniqueConstraint("organisation_id", "email"),)

    id: str = Field(primary_key=True, max_length=36)
    organisation_id: str = Field(foreign_key="organisations.id", max_length=36)
    email: str = Field(max_length=254)
    role: str = Field(max_length=16)
    token_sha256: str = Field(unique=True, max_length=64)
    invited_by: str = Field(max_length=254)
    expires_at: float


class Environment(Table, table=True):
    """A cluster's identity; ``announced_*`` is what the Ops API was last told about it."""

    __tablename__ = "environments"  # pyright: ignore[reportAssignmentType]

    id: str = Field(primary_key=True, max_length=36)
    organisation_id: str = Field(foreign_key="organisations.id", index=True, max_length=36)
    name: str = Field(max_length=100)
    key_id: str = Field(max_length=16)
    key_sha256: str = Field(max_length=64)
    key_created_at: float
    created_at: float
    announced_sha256: str | None = Field(default=None, max_length=64)
    deleted_at: float | None = None


class Mail(Table, table=True):
    """An outgoing mail, kept in the same transaction as its reason until it is sent."""

    __tablename__ = "mails"  # pyright: ignore[reportAssignmentType]

    id: str = Field(primary_key=True, max_length=36)
    recipient: str = Field(index=True, max_length=254)
    subject: str = Field(max_length=200)
    text: str = Field(sa_type=Text)
    link: str = Field(max_length=500)
    created_at: float = Field(index=True)
    attempts: int = 0
    sent_at: float | None = None
