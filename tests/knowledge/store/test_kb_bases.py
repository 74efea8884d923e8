from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from kb_pairs import FULL, GAP, pair

from visavis.core.errors import InputError, TextUnusable
from visavis.knowledge.base import Attachment, load_samples
from visavis.knowledge.store import KnowledgeStore, UnknownBase, UnknownEntry


def test_every_field_of_a_pair_comes_back(kb: KnowledgeStore) -> None:
    kb.create("gov", "政务 \"'")
    plain = pair(1)
    assert kb.change("gov", put=[FULL, GAP, plain]) is not None
    base = kb.load("gov")
    assert base.pairs == (FULL, GAP, plain)
    assert base.name == "gov"
    assert kb.get("gov", FULL.id, "zh") == FULL
    assert kb.get("gov", GAP.id, "en").is_gap


def test_the_samples_come_back_in_their_order(kb_place: str) -> None:
    pairs = [p for base in load_samples() for p in base.pairs]
    with KnowledgeStore.open(kb_place) as kb:
        kb.create("samples")
        kb.change("samples", put=pairs)
    with KnowledgeStore.open(kb_place) as again:
        assert list(again.load("samples").pairs) == pairs


def test_a_pair_that_is_replaced_keeps_its_place(kb: KnowledgeStore) -> None:
    kb.create("a")
    kb.change("a", put=[pair(1), pair(2), pair(3)])
    kb.change("a", put=[pair(4), pair(2, "new")], remove=[("p1", "en")])
    assert kb.load("a").pairs == (pair(2, "new"), pair(3), pair(4))


def test_one_id_in_two_languages_is_two_pairs(kb: KnowledgeStore) -> None:
    kb.create("a")
    kb.change("a", put=[pair(1), pair(1, "回答", "zh")])
    kb.change("a", remove=[("p1", "en")])
    assert kb.load("a").pairs == (pair(1, "回答", "zh"),)


def test_the_list_of_bases_counts(kb: KnowledgeStore) -> None:
    assert kb.bases() == []
    kb.create("b", "Second")
    kb.create("a")
    kb.change("b", put=[FULL, GAP, pair(1), pair(2)])
    first, second = kb.bases()
    assert (first.name, first.version, first.pairs, first.languages) == ("a", 0, 0, ())
    assert (second.name, second.title, second.version) == ("b", "Second", 1)
    assert (second.pairs, second.gaps, second.documents) == (3, 1, 0)
    assert second.languages == ("zh", "en")
    assert second.changed.tzinfo is not None
    assert abs(datetime.now(UTC) - second.changed) < timedelta(minutes=1)


def test_the_digest_is_of_the_content(kb: KnowledgeStore) -> None:
    kb.create("a")
    kb.create("b")
    kb.change("a", put=[pair(1)])
    one = kb.load("a").digest
    kb.change("b", put=[pair(1)])
    assert kb.load("b").digest == one
    kb.change("a", put=[pair(1, "else")])
    two = kb.load("a").digest
    kb.set_synonyms("a", [("id", "identity card")])
    three = kb.load("a").digest
    assert len({one, two, three}) == 3
    kb.undo("a")
    assert kb.load("a").digest == two
    kb.undo("a")
    assert kb.load("a").digest == one


def test_the_revision_grows_with_every_change_and_only_then(kb: KnowledgeStore) -> None:
    seen = [kb.revision()]
    acts: list[Callable[[], object]] = [
        lambda: kb.create("a"),
        lambda: kb.change("a", put=[pair(1)]),
        lambda: kb.set_synonyms("a", [("x", "y")]),
        lambda: kb.undo("a"),
        lambda: kb.rename("a", "b"),
        lambda: kb.delete("b"),
    ]
    for act in acts:
        act()
        seen.append(kb.revision())
    assert seen == sorted(set(seen))
    kb.create("c")
    kb.change("c", put=[pair(1)])
    last = kb.revision()
    assert kb.change("c", put=[pair(1)], remove=[("never-there", "en")]) is None
    kb.bases()
    assert kb.revision() == last


def test_a_base_is_renamed_and_deleted(kb: KnowledgeStore) -> None:
    kb.create("a", "Title")
    kb.change("a", put=[pair(1)])
    kb.rename("a", "b")
    assert [(i.name, i.title, i.pairs) for i in kb.bases()] == [("b", "Title", 1)]
    kb.rename("b", "b", title="Other")
    assert kb.bases()[0].title == "Other"
    kb.create("kept")
    kb.change("kept", put=[pair(1)])
    kb.delete("b")
    assert [i.name for i in kb.bases()] == ["kept"]
    assert kb.load("kept").pairs == (pair(1),)
    # A new one of the name has nothing of the old.
    kb.create("b")
    assert kb.versions("b") == []
    assert kb.load("b").pairs == ()


def test_names_are_checked(kb: KnowledgeStore) -> None:
    kb.create("a.b-c_9")
    for wrong in ("", "A", "-a", "a b", "a/b", "名", "a" * 65, "a\n", "..\\", "a\0"):
        with pytest.raises(InputError, match="cannot be called"):
            kb.create(wrong)
    with pytest.raises(InputError, match="already"):
        kb.create("a.b-c_9")
    kb.create("other")
    with pytest.raises(InputError, match="already"):
        kb.rename("other", "a.b-c_9")


@pytest.mark.parametrize("call", ["load", "delete", "versions", "undo", "documents"])
def test_an_unknown_base_is_named(kb: KnowledgeStore, call: str) -> None:
    kb.create("there")
    with pytest.raises(UnknownBase, match=r"no base 'gone'; there are there"):
        getattr(kb, call)("gone")
    with pytest.raises(UnknownBase):
        kb.change("gone", put=[pair(1)])


def test_an_unknown_pair_is_named(kb: KnowledgeStore) -> None:
    kb.create("a")
    kb.change("a", put=[pair(1)])
    with pytest.raises(UnknownEntry, match="no pair 'p1' in 'zh'"):
        kb.get("a", "p1", "zh")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("id", "Große", "not made of"),
        ("id", "x\n", "not made of"),
        ("language", "fr", "must be zh or en"),
        ("question", "", "is empty"),
        ("question", "x" * 501, "501 characters"),
        ("question", "a\0b", "a NUL at character 2"),
        ("answer", "x\ud800", "half a character"),
        ("answer", "x" * 4_001, "4,001 characters"),
        ("aliases", ("fine", "bad\udfff"), "half a character"),
        ("aliases", ("",), "is empty"),
        ("topic", "\0", "a NUL"),
        ("source", "\ud83d", "half a character"),
        ("emotion", "hungry", "none of"),
        ("intensity", 1.5, "from 0 to 1"),
        ("intensity", float("nan"), "from 0 to 1"),
        ("valid_to", date(2025, 1, 1), "before valid_from"),
        ("attachments", (Attachment("fax", "1"),), "of kind 'fax'"),  # type: ignore[arg-type]
        ("attachments", (Attachment("link", "x\0"),), "a NUL"),
        ("attachments", (Attachment("phone", "1"),) * 11, "more than 10"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_written(
    kb: KnowledgeStore, field: str, value: Any, says: str
) -> None:
    kb.create("a")
    with pytest.raises(InputError, match=says):
        kb.change("a", put=[pair(1), replace(FULL, **{field: value})])
    assert kb.load("a").pairs == ()
    assert kb.bases()[0].version == 0


def test_broken_notes_and_names_are_refused(kb: KnowledgeStore) -> None:
    kb.create("a")
    for words in ({"note": "a\0"}, {"author": "\ud800"}):
        with pytest.raises(TextUnusable):
            kb.change("a", put=[pair(1)], **words)  # type: ignore[arg-type]
    with pytest.raises(TextUnusable):
        kb.create("b", "\0")
    with pytest.raises(TextUnusable):
        kb.load("\ud800")
    with pytest.raises(TextUnusable):
        kb.vectors("e", ["\0"])
    with pytest.raises(InputError, match="stands twice"):
        kb.change("a", put=[pair(1), pair(1)])
    with pytest.raises(InputError, match="stands twice"):
        kb.change("a", put=[pair(1)], remove=[("p1", "en")])
    assert kb.bases()[0].version == 0
