"""The first schema: people, organisations, environments and outgoing mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float(), nullable=nullable)


def upgrade() -> None:
    """Create every table."""
    _people()
    _organisations()
    _environments()
    op.create_table(
        "mails",
        _text("id", 36),
        _text("recipient", 254),
        _text("subject", 200),
        sa.Column("text", sa.Text(), nullable=False),
        _text("link", 500),
        _time("created_at"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _time("sent_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
    )
    op.create_index("ix_mails_recipient", "mails", ["recipient"])
    op.create_index("ix_mails_created_at", "mails", ["created_at"])


def _people() -> None:
    op.create_table(
        "users",
        _text("id", 36),
        _text("email", 254),
        _text("password_hash", 200),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
    )
    op.create_table(
        "sign_ups",
        _text("token_sha256", 64),
        _text("email", 254),
        _text("password_hash", 200),
        _text("organisation", 100),
        _text("next_path", 300),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_sign_ups"),
    )
    op.create_index("ix_sign_ups_email", "sign_ups", ["email"])
    op.create_table(
        "sessions",
        _text("token_sha256", 64),
        _text("user_id", 36),
        _time("created_at"),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id_users"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])


def _organisations() -> None:
    op.create_table(
        "organisations",
        _text("id", 36),
        _text("name", 100),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_organisations"),
    )
    op.create_table(
        "memberships",
        _text("organisation_id", 36),
        _text("user_id", 36),
        _text("role", 16),
        _time("created_at"),
        sa.PrimaryKeyConstraint("organisation_id", "user_id", name="pk_memberships"),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name="fk_memberships_organisation_id_organisations"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_memberships_user_id_users"),
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"])
    op.create_table(
        "invitations",
        _text("id", 36),
        _text("organisation_id", 36),
        _text("email", 254),
        _text("role", 16),
        _text("token_sha256", 64),
        _text("invited_by", 254),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name="fk_invitations_organisation_id_organisations"
        ),
        sa.UniqueConstraint("organisation_id", "email", name="uq_invitations_organisation_id"),
        sa.UniqueConstraint("token_sha256", name="uq_invitations_token_sha256"),
    )


def _environments() -> None:
    op.create_table(
        "environments",
        _text("id", 36),
        _text("organisation_id", 36),
        _text("name", 100),
        _text("key_id", 16),
        _text("key_sha256", 64),
        _time("key_created_at"),
        _time("created_at"),
        _text("announced_sha256", 64, nullable=True),
        _time("deleted_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_environments"),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name="fk_environments_organisation_id_organisations"
        ),
    )
    op.create_index("ix_environments_organisation_id", "environments", ["organisation_id"])
