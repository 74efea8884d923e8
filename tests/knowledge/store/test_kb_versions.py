from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from kb_pairs import FULL, GAP, pair

from visavis.core.errors import Cancelled, InputError
from visavis.core.types import Language
from visavis.knowledge.base import Base
from visavis.knowledge.store import (
    KnowledgeStore,
    StoredDocument,
    StoredPassage,
    UnknownEntry,
    Version,
    VersionConflict,
)
from visavis.knowledge.store.entries import BATCH

State = tuple[Base, list[tuple[StoredDocument, list[StoredPassage]]]]


def look(kb: KnowledgeStore, name: str = "a") -> State:
    """Everything that a base holds."""
    papers = [(document, kb.passages(name, document.id)) for document in kb.documents(name)]
    return kb.load(name), papers


def test_a_version_says_what_it_did(kb: KnowledgeStore) -> None:
    kb.create("a")
    kb.change("a", put=[pair(1), pair(2)], note="first", author="李")
    made = kb.change(
        "a", put=[pair(1), pair(2, "new"), GAP], remove=[("p1", "zh")], note="修改", author="o'neil"
    )
    assert made is not None
    assert (made.number, made.author, made.note) == (2, "o'neil", "修改")
    assert (made.added, made.changed, made.removed) == (1, 1, 0)
    removal = kb.change("a", remove=[("p1", "en")])
    assert removal is not None
    assert (removal.added, removal.changed, removal.removed) == (0, 0, 1)
    listed = kb.versions("a")
    assert listed[:2] == [removal, made]
    assert [version.number for version in listed] == [3, 2, 1]
    assert [version.number for version in kb.versions("a", limit=1)] == [3]
    assert made.when.tzinfo is not None
    assert abs(datetime.now(UTC) - made.when) < timedelta(minutes=1)


def test_nothing_changed_is_no_version(kb: KnowledgeStore) -> None:
    kb.create("a")
    assert kb.change("a") is None
    kb.change("a", put=[FULL])
    assert kb.change("a", put=[FULL], remove=[("p7", "en")]) is None
    assert kb.set_synonyms("a", []) is None
    assert len(kb.versions("a")) == 1


def test_a_change_of_an_older_version_is_refused(kb: KnowledgeStore) -> None:
    kb.create("a")
    kb.change("a", put=[pair(1)], expect_version=0)
    calls: list[Callable[[], Version | None]] = [
        lambda: kb.change("a", put=[pair(2)], expect_version=0),
        lambda: kb.set_synonyms("a", [("x", "y")], expect_version=0),
        lambda: kb.undo("a", expect_version=0),
        lambda: kb.restore("a", 0, expect_version=2),
        lambda: kb.put_document("a", StoredDocument("d", "", "en"), [], expect_version=0),
    ]
    for call in calls:
        with pytest.raises(VersionConflict, match="is at version 1, not"):
            call()
    assert kb.load("a").pairs == (pair(1),)


def test_undo_goes_further_back_each_time(kb: KnowledgeStore) -> None:
    kb.create("a")
    states = [look(kb)]
    for number in range(1, 5):
        kb.change("a", put=[pair(number)], remove=[(f"p{number - 2}", "en")])
        states.append(look(kb))
    for number in (3, 2):
        undone = kb.undo("a", author="me")
        assert (undone.undoes, undone.author) == (number + 1, "me")
        assert look(kb) == states[number]
    # What is done in between goes first, then what was left.
    kb.change("a", put=[pair(9)])
    for expected in (states[2], states[1], states[0]):
        kb.undo("a")
        assert look(kb) == expected
    with pytest.raises(InputError, match="no change that could be taken back"):
        kb.undo("a")
    assert len(kb.versions("a")) == 10


def test_undo_takes_back_a_restore(kb: KnowledgeStore) -> None:
    kb.create("a")
    kb.change("a", put=[pair(1)])
    kb.change("a", put=[pair(2)])
    before = look(kb)
    restored = kb.restore("a", 1, author="me")
    assert restored is not None
    assert (restored.note, restored.removed) == ("restored version 1", 1)
    assert kb.load("a").pairs == (pair(1),)
    kb.undo("a")
    assert look(kb) == before
    assert kb.restore("a", 2) is None
    for wrong in (-1, 5):
        with pytest.raises(UnknownEntry, match="it has 0 to 4"):
            kb.restore("a", wrong)


@pytest.mark.parametrize("seed", range(3))
def test_every_version_can_be_restored_exactly(kb: KnowledgeStore, seed: int) -> None:
    chance = random.Random(seed)
    kb.create("a")
    kb.create("other")
    kb.change("other", put=[pair(n, "of the other") for n in range(20)])
    states = {0: look(kb)}
    languages: tuple[Language, ...] = ("zh", "en")

    def remember(version: Version | None) -> None:
        if version is not None:
            assert version.number not in states
            states[version.number] = look(kb)

    for _ in range(25):
        act = chance.random()
        if act < 0.55:
            chosen = chance.sample(range(20), 6)
            put = [
                pair(n, f"answer {chance.randrange(3)}", chance.choice(languages))
                for n in chosen[:4]
            ]
            remove = [(f"p{n}", chance.choice(languages)) for n in chosen[4:]]
            remember(kb.change("a", put=put, remove=remove))
        elif act < 0.75:
            document = StoredDocument(f"d{chance.randrange(3)}.pdf", "Title", "en")
            passages = [
                StoredPassage(n, f"text {chance.randrange(2)}")
                for n in chance.sample(range(12), chance.randrange(1, 6))
            ]
            remember(kb.put_document("a", document, passages))
        elif act < 0.85:
            remember(
                kb.set_synonyms("a", [("a", f"b{chance.randrange(4)}")][: chance.randrange(2)])
            )
        elif act < 0.92 and len(states) > 1:
            remember(kb.restore("a", chance.choice(sorted(states))))
        elif any(v.undoes is None for v in kb.versions("a")):
            before = kb.bases()[0].version
            try:
                remember(kb.undo("a"))
            except InputError:
                assert kb.bases()[0].version == before
    for number in chance.sample(sorted(states), len(states)):
        kb.restore("a", number)
        assert look(kb) == states[number]
    assert len(kb.load("other").pairs) == 20
    # The texts that are to be found follow as well.
    kb.restore("a", 0)
    assert {text for part in kb.missing_texts("e", ["a"]) for text in part} == set()


def test_synonyms_are_kept_in_order(kb: KnowledgeStore) -> None:
    kb.create("a")
    groups = [("身份证", "ID card", "证件"), ("b", "a")]
    made = kb.set_synonyms("a", groups, note="n", author="w")
    assert made is not None
    assert (made.note, made.author, made.added) == ("n", "w", 1)
    assert kb.load("a").synonyms == tuple(groups)
    assert kb.set_synonyms("a", groups) is None
    kb.set_synonyms("a", [])
    assert kb.load("a").synonyms == ()
    kb.undo("a")
    assert kb.load("a").synonyms == tuple(groups)
    for wrong in ([("a",)], [("a", "a")], [("a", "")], [("a", "\0b")]):
        with pytest.raises(InputError):
            kb.set_synonyms("a", wrong)


def test_documents_are_replaced_and_deleted(kb: KnowledgeStore) -> None:
    kb.create("a")
    law = StoredDocument("法规 (新).pdf", '出入境 "法"', "zh", "pdf", "https://x.org", "0" * 64)
    first = [StoredPassage(n, f"第{n}段 '引'", f"第{n}页", "第一章") for n in range(12)]
    made = kb.put_document("a", law, first, note="n", author="w")
    assert made is not None
    assert (made.added, made.changed, made.removed) == (1, 0, 0)
    kb.put_document("a", StoredDocument("b.html", "B", "en"), [StoredPassage(0, "text")])
    assert [d.id for d in kb.documents("a")] == [law.id, "b.html"]
    assert kb.documents("a")[0] == law
    assert kb.passages("a", law.id) == first
    assert kb.put_document("a", law, first) is None
    info = kb.bases()[0]
    assert (info.documents, info.pairs, info.languages) == (2, 0, ("zh", "en"))

    changed = kb.put_document("a", law, [*first[3:], StoredPassage(50, "新")])
    assert changed is not None
    assert (changed.added, changed.changed, changed.removed) == (0, 1, 0)
    assert kb.passages("a", law.id) == [*first[3:], StoredPassage(50, "新")]
    gone = kb.delete_document("a", law.id, author="me")
    assert (gone.removed, gone.author) == (1, "me")
    with pytest.raises(UnknownEntry, match="no document"):
        kb.passages("a", law.id)
    with pytest.raises(UnknownEntry, match="no document"):
        kb.delete_document("a", law.id)
    kb.undo("a")
    assert kb.passages("a", law.id) == [*first[3:], StoredPassage(50, "新")]
    kb.undo("a")
    assert kb.passages("a", law.id) == first
    assert [d.id for d in kb.documents("a")] == [law.id, "b.html"]


def test_a_document_that_cannot_be_kept_is_refused(kb: KnowledgeStore) -> None:
    kb.create("a")
    good = StoredDocument("d", "T", "en")
    for document, passages in (
        (StoredDocument("", "T", "en"), []),
        (StoredDocument("d\0", "T", "en"), []),
        (StoredDocument("d", "T", "fr"), []),  # type: ignore[arg-type]
        (good, [StoredPassage(0, "")]),
        (good, [StoredPassage(0, "\ud800")]),
        (good, [StoredPassage(-1, "x")]),
        (good, [StoredPassage(1, "x"), StoredPassage(1, "y")]),
    ):
        with pytest.raises(InputError):
            kb.put_document("a", document, passages)
    assert kb.documents("a") == []


def test_an_import_tells_its_progress_and_can_be_stopped(kb: KnowledgeStore) -> None:
    kb.create("a")
    kb.change("a", put=[pair(1, "old")])
    many = [pair(n) for n in range(2 * BATCH + 10)]
    told: list[tuple[int, int]] = []
    with pytest.raises(Cancelled):
        kb.change(
            "a",
            put=many,
            progress=lambda done, total: told.append((done, total)),
            cancelled=lambda: len(told) == 2,
        )
    assert told == [(BATCH, len(many)), (2 * BATCH, len(many))]
    assert kb.load("a").pairs == (pair(1, "old"),)
    assert len(kb.versions("a")) == 1
    told.clear()
    made = kb.change("a", put=many, progress=lambda done, total: told.append((done, total)))
    assert made is not None
    assert (made.added, made.changed) == (len(many) - 1, 1)
    assert told[-1] == (len(many), len(many))
    # Several pages of history are gone through.
    kb.undo("a")
    assert kb.load("a").pairs == (pair(1, "old"),)
    kb.restore("a", 2)
    assert kb.load("a").pairs == (pair(1), *(p for p in many if p.id != "p1"))
