"""The tables of the entity store and how an older file becomes a newer one.

Migrations only go forward. A release first adds what the next one will use (expand), and only removes what
no supported release reads (contract); ``readable_from`` in a file says which schema a program must know at
least, so an older program keeps working on a newer file until a contraction.
"""

from typing import Final

MIGRATIONS: Final = (
    """
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO counter VALUES ('revision', 0), ('compacted', 0), ('readable_from', 1);
    CREATE TABLE entity (
        plural TEXT NOT NULL,
        name TEXT NOT NULL,
        revision INTEGER NOT NULL,
        object TEXT NOT NULL,
        PRIMARY KEY (plural, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE change (
        revision INTEGER PRIMARY KEY,
        plural TEXT NOT NULL,
        name TEXT NOT NULL,
        before TEXT,
        after TEXT
    ) STRICT;
    CREATE INDEX change_by_kind ON change (plural, revision);
    CREATE TABLE idempotency (
        key TEXT PRIMARY KEY,
        revision INTEGER NOT NULL,
        fingerprint TEXT NOT NULL,
        object TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX idempotency_by_age ON idempotency (revision);
    """,
)
"""SQL scripts; applying the first n makes schema version n (SQLite's ``user_version``)."""

SCHEMA_VERSION: Final = len(MIGRATIONS)
"""The schema that this program writes."""

APPLICATION_ID: Final = 0x4C6F6731
"""Marks our files in SQLite's header, so another program's database is never touched."""

PAGE_OF_LIST: Final = """
    SELECT name, object FROM (
        SELECT name, object FROM entity WHERE plural = :plural AND revision <= :revision
        UNION ALL
        SELECT name, before FROM change WHERE before IS NOT NULL AND revision IN (
            SELECT min(revision) FROM change WHERE plural = :plural AND revision > :revision GROUP BY name
        )
    ) WHERE name > :after ORDER BY name LIMIT :limit
"""
"""Entities of a kind at a revision: those untouched since, and the others' first ``before`` after it."""
