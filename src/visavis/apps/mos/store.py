"""Writes the SQLite file of a study: who was dealt what, and what was answered.

Every answer is on disk before the page hears that it was taken, so a killed server loses nothing.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from visavis.apps.mos.dealing import Trial, deal
from visavis.apps.mos.plan import Plan, fingerprint
from visavis.core.errors import FileUnreadable, InputError, SessionsFull, StoreUnavailable

MOST_RATERS = 10_000
"""After which nobody new is let in: it is then a machine that asks."""
ABANDONED = 2 * 3600.0
"""Seconds after a rater began, when trials not done by then are dealt to others as well."""
_TABLES = """
CREATE TABLE IF NOT EXISTS study (
    id INTEGER PRIMARY KEY CHECK (id = 1), made REAL NOT NULL, plan TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS raters (
    id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, language TEXT NOT NULL, began REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS trials (
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    rater INTEGER NOT NULL REFERENCES raters (id),
    position INTEGER NOT NULL,
    item TEXT NOT NULL,
    first TEXT NOT NULL,
    second TEXT NOT NULL,
    catch INTEGER,
    shown REAL,
    done REAL,
    seconds REAL,
    plays TEXT,
    problem TEXT,
    UNIQUE (rater, position)
);
CREATE TABLE IF NOT EXISTS answers (
    trial INTEGER NOT NULL REFERENCES trials (id),
    question INTEGER NOT NULL,
    answer INTEGER NOT NULL,
    PRIMARY KEY (trial, question)
);
"""


@dataclass(frozen=True, slots=True)
class Dealt:
    """A trial as a rater has it.

    Attributes:
        id: In the database.
        token: By which the page names it; it says nothing.
        trial: What is shown.
        shown: Unix time when the page first asked for it, or None.
        done: Whether it was answered or given up.
    """

    id: int
    token: str
    trial: Trial
    shown: float | None
    done: bool


class Store:
    """One study's answers, for one server at a time; its methods may be called from any thread.

    Args:
        path: The file, made where it is missing.
        plan: Whose answers they are.

    Raises:
        InputError: The file belongs to another plan, or is no such file.
        StoreUnavailable: It cannot be opened.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self._plan = plan
        self._lock = threading.Lock()
        self._connection = _connect(path)
        described = plan.describe()
        try:
            with self._change() as run:
                for statement in filter(str.strip, _TABLES.split(";")):
                    run.execute(statement)
                kept = run.execute("SELECT plan FROM study").fetchone()
                if kept and fingerprint(json.loads(kept[0])) != fingerprint(described):
                    raise InputError(
                        f"{path} holds answers to another plan (systems, videos or questions have"
                        " changed); name another file with --database"
                    )
                # What raters get may change between runs, as long as answers stay comparable.
                run.execute(
                    "INSERT INTO study VALUES (1, ?, ?)"
                    " ON CONFLICT (id) DO UPDATE SET plan = excluded.plan",
                    (time.time(), json.dumps(described)),
                )
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def add_rater(self, language: str) -> str:
        """Deal trials to one more rater.

        Returns:
            The token by which the rater comes back.

        Raises:
            SessionsFull: There are more raters than can be people.
        """
        token = secrets.token_urlsafe(12)
        now = time.time()
        with self._change() as run:
            (number,) = run.execute("SELECT count(*) FROM raters").fetchone()
            if number >= MOST_RATERS:
                raise SessionsFull(f"{number} raters have begun; nobody new is let in")
            found = run.execute(
                "SELECT item, first, second, count(*) FROM trials JOIN raters"
                " ON raters.id = trials.rater WHERE catch IS NULL AND problem IS NULL"
                " AND (done IS NOT NULL OR began > ?) GROUP BY item, first, second",
                (now - ABANDONED,),
            )
            dealt = Counter({Trial(*row[:3]): int(row[3]) for row in found})
            added = run.execute(
                "INSERT INTO raters (token, language, began) VALUES (?, ?, ?)",
                (token, language, now),
            )
            rows = [
                (secrets.token_urlsafe(12), added.lastrowid, i, t.item, t.first, t.second, t.catch)
                for i, t in enumerate(deal(self._plan, dealt, number))
            ]
            run.executemany(
                "INSERT INTO trials (token, rater, position, item, first, second, catch)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        return token

    def list_trials(self, rater: str) -> list[Dealt]:
        """Trials of a rater in order; none where there is no such rater."""
        return self._find("raters.token = ? ORDER BY position", rater)

    def find_trial(self, token: str) -> Dealt | None:
        """Find a trial by its token."""
        return next(iter(self._find("trials.token = ?", token)), None)

    def mark_shown(self, trial: int) -> None:
        """Note when the page first asked for a trial."""
        with self._change() as run:
            run.execute(
                "UPDATE trials SET shown = ? WHERE id = ? AND shown IS NULL", (time.time(), trial)
            )

    def keep_answers(
        self, trial: int, answers: Sequence[int], seconds: float, plays: Sequence[int]
    ) -> None:
        """Write down what was answered; only the first time counts.

        Args:
            trial: Its id.
            answers: To each question, in the plan's order.
            seconds: From the end of the last video's first playing to the answer.
            plays: How often each video was played to its end.
        """
        with self._change() as run:
            changed = run.execute(
                "UPDATE trials SET done = ?, seconds = ?, plays = ? WHERE id = ? AND done IS NULL",
                (time.time(), seconds, json.dumps(list(plays)), trial),
            )
            if changed.rowcount:
                run.executemany(
                    "INSERT INTO answers (trial, question, answer) VALUES (?, ?, ?)",
                    [(trial, question, answer) for question, answer in enumerate(answers)],
                )

    def give_up(self, trial: int, problem: str) -> None:
        """Note that a trial could not be rated."""
        with self._change() as run:
            run.execute(
                "UPDATE trials SET done = ?, problem = ? WHERE id = ? AND done IS NULL",
                (time.time(), problem, trial),
            )

    def _find(self, where: str, value: str) -> list[Dealt]:
        with self._lock:
            rows = self._connection.execute(
                "SELECT trials.id, trials.token, item, first, second, catch, shown, done"
                f" FROM trials JOIN raters ON raters.id = trials.rater WHERE {where}",
                (value,),
            ).fetchall()
        return [
            Dealt(id_, token, Trial(item, first, second, catch), shown, done is not None)
            for id_, token, item, first, second, catch, shown, done in rows
        ]

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Make changes together, or none of them."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.DatabaseError as error:
                raise _explain(self.path, error) from error


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            path, timeout=10, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise _explain(path, error) from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as error:
        connection.close()
        raise _explain(path, error) from error
    return connection


def _explain(path: Path, error: sqlite3.Error) -> InputError | StoreUnavailable:
    if isinstance(error, sqlite3.OperationalError):
        return StoreUnavailable(f"the database {path} cannot be used ({error}); see that its folder"
                                " can be written and no other program holds it")  # fmt: skip
    return FileUnreadable(f"{path} is no database of answers ({error}); name another file")
