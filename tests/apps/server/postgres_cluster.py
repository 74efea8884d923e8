"""A PostgreSQL of one's own: a cluster in a temporary folder, never a service of the system."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg


def find_programs() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``; Debian keeps them out of the PATH."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("[0-9]*/bin/pg_ctl"), key=lambda p: int(p.parts[4])
    )
    found = shutil.which("pg_ctl")
    candidates = [*(p.parent for p in reversed(versions)), *([Path(found).parent] if found else [])]
    return next((c for c in candidates if (c / "initdb").exists()), None)


def why_not() -> str:
    """Say why no cluster can be started here; empty if one can."""
    if find_programs() is None:
        return "PostgreSQL is not installed (apt-get install postgresql)"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "PostgreSQL does not run as root, and there is no user postgres"
    return ""


class Cluster:
    """A running server on a socket in its folder; it listens at no port."""

    def __init__(self, folder: Path) -> None:
        programs = find_programs()
        assert programs is not None
        self.folder = folder
        self._programs = programs
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._number = 0
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        folder.chmod(0o755)
        self._run("initdb", "-D", folder / "data", "-A", "trust", "-U", self._user, "-E", "UTF8",
                  "--no-locale", "--no-sync")  # fmt: skip
        with (folder / "data" / "postgresql.conf").open("a") as config:
            config.write(f"listen_addresses = ''\nunix_socket_directories = '{folder}'\n")
            # A crash of the server is tested, so what it promises must hold: fsync stays on.
            config.write("max_connections = 60\nshared_buffers = 32MB\n")

    def _run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [self._programs / program, *map(str, arguments)],
            user=self._user if os.geteuid() == 0 else None,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        log = self.folder / "log"
        log.touch()
        if os.geteuid() == 0:
            shutil.chown(log, "postgres")
        # With pipes for its output, pg_ctl would hand them to the server and never be done.
        with log.open("a") as output:
            done = subprocess.run(
                [self._programs / "pg_ctl", "-D", self.folder / "data", "-w", "-t", "60", "start"],
                user=self._user if os.geteuid() == 0 else None,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=120,
            )
        assert done.returncode == 0, log.read_text()

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", self.folder / "data", "-w", "-m", mode, "stop")

    def address(self, database: str) -> str:
        return f"postgresql://{self._user}@/{database}?host={self.folder}"

    def make_database(self) -> str:
        """Make an empty database and return its URL."""
        self._number += 1
        name = f"visavis{self._number}"
        self.execute("postgres", f"CREATE DATABASE {name}")
        return self.address(name)

    def execute(self, database: str, statement: str) -> list[tuple[object, ...]]:
        with (
            psycopg.connect(self.address(database), autocommit=True) as connection,
            connection.execute(statement) as cursor,
        ):
            return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def run_cluster() -> Iterator[Cluster]:
    # Not below pytest's folder: the path of a socket may have 107 characters, and that folder is
    # closed to the user postgres.
    with tempfile.TemporaryDirectory(prefix="visavis-pg-") as folder:
        cluster = Cluster(Path(folder))
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop("immediate")
