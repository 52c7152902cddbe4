"""Releases as TUF targets: the published repository, recalls, and the director's word per environment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Forget releases of the old form, which no Gateway reads any more, and make room for the new one."""
    op.create_table(
        "repository",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("images", sa.Text(), nullable=False),
        sa.Column("director", sa.Text(), nullable=False),
        sa.Column("published_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_repository"),
    )
    op.execute("UPDATE environments SET desired_version = NULL")
    op.execute("DELETE FROM releases")
    op.execute("ALTER TABLE releases RENAME COLUMN envelope TO content")
    op.add_column("releases", sa.Column("recalled", sa.Boolean(), nullable=False, server_default=sa.false()))
    for column in (
        sa.Column("desired_reason", sa.String(200), nullable=False, server_default=""),
        sa.Column("word", sa.Text(), nullable=True),
        sa.Column("word_version", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("word_inputs", sa.String(64), nullable=False, server_default=""),
        sa.Column("word_expires_at", sa.Float(), nullable=False, server_default="0"),
    ):
        op.add_column("environments", column)
