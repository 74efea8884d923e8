"""What a store tells of its documents, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from visavis.knowledge.store import KnowledgeStore, StoredDocument, StoredPassage, UnknownBase


def test_documents_are_described_with_their_passages_and_their_last_change(
    kb: KnowledgeStore,
) -> None:
    kb.create("town")
    kb.create("other")
    rules = StoredDocument("rules.pdf", "Rules", "en", kind="pdf")
    pool = StoredDocument("泳池.txt", "泳池", "zh", kind="text")
    kb.put_document("town", rules, [StoredPassage(n, f"Rule {n}.") for n in range(3)])
    kb.put_document("town", pool, [StoredPassage(0, "六点开门。")])
    kb.put_document("other", rules, [StoredPassage(0, "Another rule.")])
    assert kb.describe_documents("other")[0].passages == 1
    first, second = kb.describe_documents("town")
    assert (first.document, first.passages) == (rules, 3)
    assert (second.document, second.passages) == (pool, 1)
    when = {version.number: version.when for version in kb.versions("town")}
    assert (first.changed, second.changed) == (when[1], when[2])

    kb.put_document("town", rules, [StoredPassage(0, "One rule.")])
    first, second = kb.describe_documents("town")
    when = {version.number: version.when for version in kb.versions("town")}
    assert (first.document.id, first.passages, first.changed) == ("rules.pdf", 1, when[3])
    assert second.changed == when[2]
    kb.delete_document("town", "rules.pdf")
    assert [one.document.id for one in kb.describe_documents("town")] == ["泳池.txt"]
    kb.undo("town")
    assert {one.document.id: one.passages for one in kb.describe_documents("town")} == {
        "rules.pdf": 1,
        "泳池.txt": 1,
    }
    with pytest.raises(UnknownBase):
        kb.describe_documents("nowhere")
