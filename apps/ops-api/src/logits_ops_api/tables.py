"""Tables of the Ops API; times are seconds since the epoch."""

from sqlalchemy import BigInteger, Index, Integer, MetaData, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from logits_shell.database import NAMING

# SQLite only numbers rows by itself in a column declared INTEGER.
_ROW = BigInteger().with_variant(Integer(), "sqlite")


class Table(SQLModel):
    """What the tables of this app share: metadata of their own."""

    metadata = MetaData(naming_convention=NAMING)


class Repository(Table, table=True):
    """What the offline keys signed, as published last; one row."""

    __tablename__ = "repository"  # pyright: ignore[reportAssignmentType]

    id: int = Field(primary_key=True)
    images: str = Field(sa_type=Text)
    director: str = Field(sa_type=Text)
    published_at: float


class Release(Table, table=True):
    """A release file, word for word; a recalled one is no longer listed by the offline keys."""

    __tablename__ = "releases"  # pyright: ignore[reportAssignmentType]

    version: str = Field(primary_key=True, max_length=64)
    counter: int = Field(sa_type=BigInteger)
    content: str = Field(sa_type=Text)
    digest: str = Field(max_length=64)
    published_at: float
    recalled: bool = Field(default=False)


class Environment(Table, table=True):
    """One customer environment: its key's hash, what it should run and what it last said."""

    __tablename__ = "environments"  # pyright: ignore[reportAssignmentType]

    id: str = Field(primary_key=True, max_length=36)
    name: str = Field(max_length=100)
    key_id: str = Field(max_length=16)
    key_sha256: str = Field(max_length=64)
    created_at: float
    desired_version: str | None = Field(default=None, foreign_key="releases.version", max_length=64)
    desired_reason: str = Field(default="", max_length=200)
    word: str | None = Field(default=None, sa_type=Text)
    word_version: int = Field(default=0, sa_type=BigInteger)
    word_inputs: str = Field(default="", max_length=64)
    word_expires_at: float = Field(default=0.0)
    registration: str | None = Field(default=None, sa_type=Text)
    registered_at: float | None = None
    report: str = Field(default="{}", sa_type=Text)
    report_sequence: int = Field(default=0, sa_type=BigInteger)
    reported_at: float | None = None
    last_seen_at: float | None = None


class Batch(Table, table=True):
    """A log or metric batch that was taken; its key makes a replay harmless."""

    __tablename__ = "batches"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (UniqueConstraint("environment_id", "kind", "key"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_ROW)  # pyright: ignore[reportArgumentType]
    environment_id: str = Field(foreign_key="environments.id", max_length=36)
    kind: str = Field(max_length=8)
    key: str = Field(max_length=64)
    records: int
    received_at: float = Field(index=True)
    body: str | None = Field(default=None, sa_type=Text)


class LogLine(Table, table=True):
    """One exported log record, identified by its stream and its number in it."""

    __tablename__ = "log_lines"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        UniqueConstraint("environment_id", "stream", "sequence"),
        Index("ix_log_lines_environment_id_id", "environment_id", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_ROW)  # pyright: ignore[reportArgumentType]
    environment_id: str = Field(foreign_key="environments.id", max_length=36)
    stream: str = Field(max_length=32)
    sequence: int = Field(sa_type=BigInteger)
    received_at: float = Field(index=True)
    record: str = Field(sa_type=Text)


class OperatorSession(Table, table=True):
    """A signed-in operator's browser."""

    __tablename__ = "operator_sessions"  # pyright: ignore[reportAssignmentType]

    token_sha256: str = Field(primary_key=True, max_length=64)
    expires_at: float
