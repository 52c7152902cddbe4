"""A real PostgreSQL server for tests, one per test process, with a database for whoever asks."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from cluster.under_test import eventually

OWNER = "postgres"
"""PostgreSQL refuses to run as root; where the tests do, Debian's account for it runs the server."""


def _program(name: str) -> str:
    return shutil.which(name) or next((str(p) for p in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), "")


def obstacle() -> str:
    """Why no server can run here; empty when one can."""
    if not _program("initdb") or not _program("postgres"):
        return "PostgreSQL isn't installed (Debian's package postgresql)"
    if os.geteuid() == 0 and not any(entry.pw_name == OWNER for entry in pwd.getpwall()):
        return f"PostgreSQL doesn't run as root, and there is no account {OWNER}"
    return ""


@dataclass
class PostgreSQL:
    """A running server.

    Attributes:
        folder: where its Unix socket is; it listens nowhere else, so no port can be taken.
    """

    folder: Path
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def url(self, database: str) -> str:
        """How a client reaches a database."""
        return f"postgresql://{OWNER}@/{database}?host={self.folder}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def end_connections(self) -> None:
        """Cut every client off, as a restart of the server does."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test_%'"
            ).fetchall()


@contextmanager
def running() -> Generator[PostgreSQL]:
    """A server; its data goes with it."""
    owner = OWNER if os.geteuid() == 0 else None
    groups: list[str] | None = [] if owner else None
    with tempfile.TemporaryDirectory(prefix="logits-postgresql-") as folder:
        if owner:
            shutil.chown(folder, owner, owner)
        data = str(Path(folder, "data"))
        # What a test stores need not outlive a power cut.
        create = [_program("initdb"), "-D", data, "-U", OWNER, "-A", "trust", "--no-sync", "--no-instructions"]
        subprocess.run(
            create, check=True, capture_output=True, cwd=folder, user=owner, group=owner, extra_groups=groups
        )
        options = ["-h", "", "-k", folder, "-F", "-N", "40", "-c", "shared_buffers=16MB"]
        process = subprocess.Popen(
            [_program("postgres"), "-D", data, *options],
            cwd=folder,
            stderr=subprocess.DEVNULL,
            user=owner,
            group=owner,
            extra_groups=groups,
        )
        server = PostgreSQL(Path(folder))
        try:
            eventually(lambda: _answers(server), "PostgreSQL", seconds=30)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _answers(server: PostgreSQL) -> bool:
    try:
        psycopg.connect(server.url("postgres"), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
