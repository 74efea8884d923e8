from __future__ import annotations

import numpy as np
import pytest
from kb_pairs import FULL, GAP, clustered, pair, unit

from visavis.core.errors import InputError
from visavis.core.types import Floats
from visavis.knowledge.base import Pair
from visavis.knowledge.store import (
    KnowledgeStore,
    Near,
    StoredDocument,
    StoredPassage,
    UnknownBase,
    wording_text,
)

D = 32


def give_vectors(kb: KnowledgeStore, fingerprint: str = "e", seed: int = 0) -> dict[str, Floats]:
    """Give every text of the store a vector, and return them as they are kept."""
    texts = [text for part in kb.missing_texts(fingerprint) for text in part]
    kb.put_vectors(fingerprint, texts, clustered(len(texts), D, seed))
    return kb.vectors(fingerprint, texts)


def test_vectors_come_back_by_text(kb: KnowledgeStore) -> None:
    rows = clustered(3, D)
    texts = ["问题？ 'q' \"😀\"", "b", " "]
    kb.put_vectors("e", texts, 3 * rows)
    found = kb.vectors("e", ["b", "absent", texts[0], " "])
    assert set(found) == set(texts)
    for text, row in zip(texts, rows, strict=True):
        assert found[text].dtype == np.float32
        np.testing.assert_allclose(found[text], row, atol=3e-4)
        assert np.linalg.norm(found[text]) == pytest.approx(1, abs=1e-6)
    assert kb.vectors("other", texts) == {}
    assert kb.vectors("e", []) == {}
    assert kb.fingerprints() == ["e"]


def test_vectors_come_as_rows(kb: KnowledgeStore) -> None:
    rows, there = kb.vector_rows("e", ["a", "b"])
    assert rows.shape == (2, 0)
    assert not there.any()
    # More than are read at once.
    texts = [f"text {number}" for number in range(2_500)]
    kb.put_vectors("e", texts, clustered(len(texts), D))
    wanted = kb.vectors("e", texts)
    asked = ["absent", texts[2_400], texts[1], texts[2_400], *texts[:1_100], "absent"]
    rows, there = kb.vector_rows("e", asked)
    assert rows.dtype == np.float32
    assert there.tolist() == [False, *[True] * 1_103, False]
    for text, row in zip(asked, rows, strict=True):
        np.testing.assert_array_equal(row, wanted.get(text, np.zeros(D)))
    empty, none = kb.vector_rows("e", [])
    assert empty.shape == (0, D)
    assert none.shape == (0,)


def test_a_vector_that_is_there_stays(kb: KnowledgeStore) -> None:
    rows = clustered(2, D)
    kb.put_vectors("e", ["a"], rows[:1])
    kb.put_vectors("e", ["a", "b", "b"], np.stack([rows[1], rows[1], rows[1]]))
    found = kb.vectors("e", ["a", "b"])
    np.testing.assert_allclose(found["a"], rows[0], atol=3e-4)
    np.testing.assert_allclose(found["b"], rows[1], atol=3e-4)


def test_vectors_that_cannot_be_kept_are_refused(kb: KnowledgeStore) -> None:
    kb.put_vectors("e", ["a"], clustered(1, D))
    good = clustered(2, D)
    for texts, rows, says in (
        (["x"], good, "shape"),
        (["x", "y"], good[0], "shape"),
        (["x", "y"], np.zeros((2, D), np.float32), "zero or not finite"),
        (["x", "y"], np.full((2, D), np.nan, np.float32), "zero or not finite"),
        (["x", "y"], clustered(2, D + 1), f"those of this encoder have {D}"),
        (["x", "y\0"], good, "a NUL"),
        (["x"], np.ones((1, 4_001), np.float32), "1 to 4,000 numbers"),
    ):
        with pytest.raises(InputError, match=says):
            kb.put_vectors("e", texts, rows)
    assert set(kb.vectors("e", ["a", "x", "y"])) == {"a"}
    with pytest.raises(InputError, match="fingerprint"):
        kb.put_vectors("", ["x"], good[:1])


def test_missing_texts_are_what_has_no_vector(kb: KnowledgeStore) -> None:
    kb.create("a")
    kb.create("b")
    kb.change("a", put=[FULL, GAP])
    kb.change("b", put=[pair(1), Pair("p2", "你好，请问怎么换护照？谢谢", pair(1).answer, "zh")])
    kb.put_document("b", StoredDocument("d", "D", "en"), [StoredPassage(4, "a passage")])
    assert wording_text("你好，请问怎么换护照？谢谢") == "怎么换护照?"
    of_a = {*map(wording_text, (*FULL.wordings, *GAP.wordings)), FULL.answer}
    of_b = {"question 1", "answer 1", "怎么换护照?", "a passage"}
    assert {t for part in kb.missing_texts("e", ["a"]) for t in part} == of_a
    listed = [t for part in kb.missing_texts("e", batch=2) for t in part]
    assert len(listed) == len(set(listed)) == len(of_a | of_b)
    assert set(listed) == of_a | of_b
    for part in kb.missing_texts("e", batch=2):
        kb.put_vectors("e", part, clustered(len(part), D))
    assert kb.count_missing("e") == 0
    assert kb.count_missing("another") == len(listed)
    kb.change("a", put=[pair(5)])
    assert {t for part in kb.missing_texts("e") for t in part} == {"question 5", "answer 5"}
    with pytest.raises(UnknownBase):
        list(kb.missing_texts("e", ["gone"]))


def test_nearest_tells_where_a_text_stands(kb: KnowledgeStore) -> None:
    kb.create("a")
    kb.create("b")
    kb.change("a", put=[FULL, GAP])
    twin = Pair("twin", GAP.question, "yes", "en")
    kb.change("b", put=[twin])
    kb.put_document("b", StoredDocument("d", "D", "en"), [StoredPassage(4, "a passage")])
    rows = give_vectors(kb)
    near = kb.nearest("e", rows[wording_text(FULL.aliases[1])], 1)
    assert near == [Near("a", FULL.id, "zh", "wording", 2, near[0].cosine)]
    assert near[0].cosine == pytest.approx(1, abs=1e-3)
    assert kb.nearest("e", rows[FULL.answer], 1)[0].kind == "answer"
    passage = kb.nearest("e", rows["a passage"], 1)[0]
    assert (passage.base, passage.id, passage.kind, passage.number) == ("b", "d", "passage", 4)
    both = kb.nearest("e", rows[GAP.question], 2)
    assert [(n.base, n.id) for n in both] == [("a", "tax-refund"), ("b", "twin")]
    everything = kb.nearest("e", rows["a passage"], 50)
    assert len(everything) == len(FULL.wordings) + 1 + len(GAP.wordings) + 2 + 1
    cosines = [n.cosine for n in everything]
    assert cosines == sorted(cosines, reverse=True)
    # The history is not searched.
    kb.change("b", remove=[("twin", "en")])
    assert {n.id for n in kb.nearest("e", rows[GAP.question], 50, bases=["b"])} == {"d"}
    kb.undo("b")
    assert kb.nearest("e", rows[GAP.question], 1, bases=["b"])[0].id == "twin"


def test_nearest_refuses_what_means_nothing(kb: KnowledgeStore) -> None:
    kb.create("a")
    row = clustered(1, D)[0]
    assert kb.nearest("e", row, 3) == []
    kb.change("a", put=[pair(1)])
    assert kb.nearest("e", row, 3) == []
    give_vectors(kb)
    assert len(kb.nearest("e", row, 3)) == 2
    assert kb.nearest("e", row, 3, bases=[]) == []
    assert kb.nearest("e", row, 3, kinds=["passage"]) == []
    with pytest.raises(UnknownBase):
        kb.nearest("e", row, 3, bases=["gone"])
    for wrong, says in (
        (np.zeros(D), "zero"),
        (np.full(D, np.inf), "finite"),
        (row[:3], "those of"),
    ):
        with pytest.raises(InputError, match=says):
            kb.nearest("e", wrong.astype(np.float32), 3)
    with pytest.raises(InputError, match="k is 0"):
        kb.nearest("e", row, 0)
    with pytest.raises(InputError, match="no kind"):
        kb.nearest("e", row, 1, kinds=["title"])  # type: ignore[list-item]


@pytest.mark.parametrize("count", [300, 5_600])
def test_nearest_finds_what_comparing_all_finds(kb: KnowledgeStore, count: int) -> None:
    # Below 5,000 vectors all are compared; above, an index is searched.
    kb.create("large")
    kb.create("small")
    half = count // 2
    kb.change("large", put=[pair(n, language="zh" if n % 2 else "en") for n in range(half - 20)])
    kb.change("small", put=[pair(n) for n in range(half - 20, half)])
    rows = give_vectors(kb)
    assert len(rows) == count // 2 * 2
    texts = list(rows)
    matrix = np.stack([rows[text] for text in texts])
    queries = unit(matrix[:: count // 40] + 0.1 * clustered(1, D, 9))
    index = kb.nearest("e", queries[0], 10)
    assert len(index) == 10

    def check(expected: list[str], least: float, **scope: object) -> None:
        chosen = [texts.index(text) for text in expected]
        right = 0
        for query in queries:
            order = np.argsort(-(matrix[chosen] @ query))[:10]
            best = {expected[i] for i in order}
            found = kb.nearest("e", query, 10, **scope)  # type: ignore[arg-type]
            assert len(found) == 10
            named = [f"{'question' if n.kind == 'wording' else 'answer'} {n.id[1:]}" for n in found]
            right += len(best & set(named))
            for near, text in zip(found, named, strict=True):
                assert near.cosine == pytest.approx(float(rows[text] @ query), abs=2e-3)
        assert right / (10 * len(queries)) >= least

    check(texts, 0.95 if count > 5_000 else 0.995)
    small = [f"{kind} {n}" for n in range(half - 20, half) for kind in ("question", "answer")]
    check(small, 0.995, bases=["small"])
    check([t for t in small if t.startswith("a")], 0.995, bases=["small"], kinds=["answer"])
    chinese = [t for t in texts if t not in small and int(t.split()[1]) % 2]
    check(chinese, 0.95, language="zh")
    # So few among so many that no index meets them.
    kb.put_document(
        "large", StoredDocument("d", "D", "en"), [StoredPassage(n, f"t {n}") for n in (5, 6)]
    )
    kb.put_vectors("e", ["t 5", "t 6"], -queries[:2])
    passages = kb.nearest("e", queries[0], 10, kinds=["passage"])
    assert sorted(n.number for n in passages) == [5, 6]
    # What comes later is found without waiting for anything.
    kb.change("small", put=[pair(99_999)])
    kb.put_vectors("e", ["question 99999"], -queries[3:4])
    late = kb.nearest("e", -queries[3], 1)[0]
    assert (late.base, late.id) == ("small", "p99999")
    kb.delete("large")
    assert {n.base for n in kb.nearest("e", queries[0], 10)} == {"small"}


def test_vectors_of_deleted_bases_and_dropped_encoders_go(kb: KnowledgeStore) -> None:
    kb.create("a")
    kb.create("b")
    kb.change("a", put=[pair(1)])
    kb.change("b", put=[pair(1), pair(2)])
    give_vectors(kb, "e")
    give_vectors(kb, "f")
    kb.delete("b")
    assert set(kb.vectors("e", ["answer 1", "answer 2"])) == {"answer 1"}
    kb.drop_vectors("e")
    kb.drop_vectors("never there")
    assert kb.fingerprints() == ["f"]
    assert kb.vectors("e", ["answer 1"]) == {}
    assert set(kb.vectors("f", ["answer 1"])) == {"answer 1"}
    assert kb.nearest("e", clustered(1, D)[0], 3) == []
    kb.put_vectors("e", ["answer 1"], clustered(1, 2 * D))
    assert len(kb.vectors("e", ["answer 1"])["answer 1"]) == 2 * D
