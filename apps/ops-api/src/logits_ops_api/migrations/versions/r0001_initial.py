"""The first schema: releases, environments, batches, log lines and operator sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "releases",
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("published_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_releases"),
    )
    _environments()
    _batches()
    _log_lines()
    op.create_table(
        "operator_sessions",
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_operator_sessions"),
    )


def _environments() -> None:
    op.create_table(
        "environments",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("desired_version", sa.String(64), nullable=True),
        sa.Column("registration", sa.Text(), nullable=True),
        sa.Column("registered_at", sa.Float(), nullable=True),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("report_sequence", sa.BigInteger(), nullable=False),
        sa.Column("reported_at", sa.Float(), nullable=True),
        sa.Column("last_seen_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_environments"),
        sa.ForeignKeyConstraint(
            ["desired_version"], ["releases.version"], name="fk_environments_desired_version_releases"
        ),
    )


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", _ROW, nullable=False),
        sa.Column("environment_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.ForeignKeyConstraint(["environment_id"], ["environments.id"], name="fk_batches_environment_id_environments"),
        sa.UniqueConstraint("environment_id", "kind", "key", name="uq_batches_environment_id"),
    )
    op.create_index("ix_batches_received_at", "batches", ["received_at"])


def _log_lines() -> None:
    op.create_table(
        "log_lines",
        sa.Column("id", _ROW, nullable=False),
        sa.Column("environment_id", sa.String(36), nullable=False),
        sa.Column("stream", sa.String(32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_lines"),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="fk_log_lines_environment_id_environments"
        ),
        sa.UniqueConstraint("environment_id", "stream", "sequence", name="uq_log_lines_environment_id"),
    )
    op.create_index("ix_log_lines_environment_id_id", "log_lines", ["environment_id", "id"])
    op.create_index("ix_log_lines_received_at", "log_lines", ["received_at"])
