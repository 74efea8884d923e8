"""What a search among many vectors asks of the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from kb_cluster import KbCluster
from kb_pairs import clustered, pair
from sqlalchemy import event, text

from visavis.core.errors import StoreUnavailable
from visavis.core.types import Floats
from visavis.knowledge.store import KnowledgeStore, nearest
from visavis.knowledge.store.pgvector import PgKeeper

D = 16
PAIRS = 1_300
"""In each of two bases, so that there are more vectors than are compared one by one."""


def fill(kb: KnowledgeStore) -> dict[str, Floats]:
    """Make the base ``near`` on one side of the origin, and ``far`` on the other."""
    rows = clustered(4 * PAIRS, D)
    rows[:, 0] = np.abs(rows[:, 0]) + 1
    rows[2 * PAIRS :] *= -1
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for place, name in enumerate(("near", "far")):
        kb.create(name)
        numbers = range(place * PAIRS, (place + 1) * PAIRS)
        kb.change(name, put=[pair(n) for n in numbers])
        texts = [f"{kind} {n}" for kind in ("question", "answer") for n in numbers]
        kb.put_vectors("e", texts, rows[place * 2 * PAIRS : (place + 1) * 2 * PAIRS])
    kb.prepare("e")
    return {
        f"{kind} {n}": rows[(n // PAIRS) * 2 * PAIRS + half * PAIRS + n % PAIRS]
        for n in range(2 * PAIRS)
        for half, kind in enumerate(("question", "answer"))
    }


def best(rows: dict[str, Floats], query: Floats, k: int) -> list[str]:
    return sorted(rows, key=lambda name: -float(rows[name] @ query))[:k]


def named(found: list[Any]) -> list[str]:
    return [f"{'question' if n.kind == 'wording' else 'answer'} {n.id[1:]}" for n in found]


def recall(kb: KnowledgeStore, rows: dict[str, Floats], queries: Floats, **scope: Any) -> float:
    hits = [
        len({*named(kb.nearest("e", query, 10, **scope))} & {*best(rows, query, 10)})
        for query in queries
    ]
    return sum(hits) / (10 * len(queries))


@pytest.fixture
def seen(kb: KnowledgeStore) -> list[tuple[str, Any]]:
    """Statements and their values."""
    statements: list[tuple[str, Any]] = []
    event.listen(
        kb.engine,
        "before_cursor_execute",
        lambda connection, cursor, statement, values, *rest: statements.append((statement, values)),
    )
    return statements


def test_a_scope_away_from_the_question_is_searched_too(
    kb: KnowledgeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_NARROW", "_NARROW_IN_DATABASE"):
        monkeypatch.setattr(nearest, name, 1_000)
    rows = fill(kb)
    queries = np.stack([rows[f"question {n}"] for n in range(0, PAIRS, 50)])
    assert recall(kb, rows, queries) >= 0.95
    # Thousands of the other base's lie before the first of this one.
    far = {name: row for name, row in rows.items() if int(name.split()[1]) >= PAIRS}
    assert recall(kb, far, queries[:4], bases=["far"]) >= 0.995
    kb.rename("far", "away")
    assert {n.base for n in kb.nearest("e", -queries[0], 10)} == {"away"}


def test_a_scope_is_counted_again_when_a_base_changed(
    kb: KnowledgeStore, seen: list[tuple[str, Any]]
) -> None:
    rows = fill(kb)
    query = rows["question 0"]

    def counts() -> int:
        seen.clear()
        kb.nearest("e", query, 3, kinds=["passage"])
        return sum("count(" in statement and "kb_uses" in statement for statement, _ in seen)

    assert counts() == 1
    assert counts() == 0
    kb.change("near", put=[pair(99_999)])
    assert counts() == 1


def test_a_question_is_few_round_trips(kb: KnowledgeStore, seen: list[tuple[str, Any]]) -> None:
    rows = fill(kb)
    kb.nearest("e", rows["question 1"], 10, bases=["near"])
    seen.clear()
    kb.nearest("e", rows["question 0"], 10, bases=["near"])
    if not kb.is_sqlite:
        assert [statement[:6] for statement, _ in seen] == ["SELECT", "SELECT"]
        return
    (owners,) = [one for one in seen if "FROM kb_uses" in one[0]]
    with kb.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {owners[0]}", owners[1]).all()
    assert "kb_uses_by_text" in str(plan)


@pytest.fixture
def pg(kb_cluster: KbCluster) -> Iterator[KnowledgeStore]:
    with KnowledgeStore.open(kb_cluster.address(kb_cluster.make_database())) as store:
        yield store


def test_postgresql_uses_its_index_but_not_to_compare_all(pg: KnowledgeStore) -> None:
    rows = fill(pg)
    keeper = pg.keeper
    assert isinstance(keeper, PgKeeper)
    query = rows["question 0"]
    scans = text("SELECT pg_stat_get_xact_numscans('kb_near_1'::regclass)")
    with pg.reading() as connection:
        assert keeper.look_up(connection, 1) == "index"
        for count in (5, 10):
            before = connection.execute(scans).scalar_one()
            ids, cosines = keeper.exact(connection, 1, query, (), count)
            assert connection.execute(scans).scalar_one() == before
            expected = [float(rows[name] @ query) for name in best(rows, query, count)]
            np.testing.assert_allclose(cosines, expected, atol=2e-3)
            near, _ = keeper.candidates(connection, 1, query, count)
            assert connection.execute(scans).scalar_one() == before + 1
            assert len({*near.tolist()} & {*ids.tolist()}) >= 0.9 * count


def test_what_postgresql_refuses_while_vectors_are_copied_is_said(pg: KnowledgeStore) -> None:
    pg.put_vectors("e", ["a"], clustered(1, D))
    with pg.writing() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'disk quota exceeded'; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER refusing BEFORE INSERT ON kb_vectors"
                " FOR EACH ROW WHEN (NEW.text > 1) EXECUTE FUNCTION refuse()"
            )
        )
    with pytest.raises(StoreUnavailable, match=r"disk quota exceeded.*nothing was written"):
        pg.put_vectors("e", ["b", "c"], clustered(2, D))
    assert set(pg.vectors("e", ["a", "b", "c"])) == {"a"}
    pg.put_vectors("e", ["a"], clustered(1, D))
    with pg.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM kb_texts")).scalar_one() == 1
