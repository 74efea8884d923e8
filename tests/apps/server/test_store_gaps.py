"""Unanswered questions that are alike go together, and a verdict on them holds."""

from __future__ import annotations

import time

import pytest

from visavis.apps.server.store import Store, TurnRecord
from visavis.apps.server.store.similar import group_alike, question_key

NOW = time.time()
ALIKE = [
    ["如何补办身份证", "怎么补办身份证？", "补办身份证", "身份证丢了怎么补办"],
    ["如何补办护照", "护照怎么补办", "护照丢失怎么补办"],
    ["医保卡丢了怎么办", "医保卡丢失了怎么补"],
    ["怎么提取公积金", "公积金提取需要什么材料", "公积金怎么提取"],
    ["停车场怎么走", "停车场在哪里"],
    ["How do I renew my passport?", "renew passport", "where can I renew a passport"],
    ["How can I get a fishing licence?", "fishing licence"],
    ["几点下班", "你们几点下班"],
]


def test_alike_questions_are_grouped_and_others_are_not() -> None:
    questions = [question for group in ALIKE for question in group]
    found = [[questions[n] for n in group] for group in group_alike(questions)]
    assert found == ALIKE


@pytest.mark.parametrize("questions", [[], ["?"], ["?", "!", "，"], ["如何"], ["", " "]])
def test_texts_without_anything_in_them(questions: list[str]) -> None:
    found = group_alike(questions)
    assert sorted(n for group in found for n in group) == list(range(len(questions)))


def test_a_key_does_not_hang_on_signs() -> None:
    assert question_key("如何 补办，身份证？") == question_key("如何补办身份证")
    assert question_key("Renew ＡＢＣ!") == question_key("renew abc")
    assert question_key("如何补办护照") != question_key("如何补办身份证")
    assert question_key("?") != question_key("!")


def asked(number: int, question: str | None, outcome: str = "refusal", **fields) -> TurnRecord:
    fields = {"time": NOW - 1000 + number, "confidence": number / 100, **fields}
    return TurnRecord("s", number, question=question, outcome=outcome, **fields)


async def test_gaps_are_counted_by_group(store: Store) -> None:
    await store.write(
        [
            asked(1, "狗怎么上户口", language="zh", matched="如何上户口"),
            asked(2, "狗怎么上户口？", language="zh"),
            asked(3, "怎么给狗上户口", "hint", language="zh"),
            asked(4, "where is the harbour", language="en"),
            asked(5, "如何补办身份证", "answer"),
            asked(6, "身份证还是护照", "choice"),
            asked(7, None),
        ]
    )
    first, second = await store.list_gaps()
    assert first.question in ("狗怎么上户口", "狗怎么上户口？")
    assert (first.count, len(first.keys), first.languages) == (3, 2, ("zh",))
    assert first.wordings == ("怎么给狗上户口",)
    assert (first.first, first.last) == (NOW - 999, NOW - 997)
    assert (first.nearest, first.confidence) == ("如何上户口", 0.03)
    assert (second.question, second.count, second.languages) == ("where is the harbour", 1, ("en",))
    assert await store.list_gaps(since=NOW - 996.5) == [second]
    assert await store.list_gaps(limit=1) == [first]


async def test_done_is_open_again_when_it_is_missed_again(store: Store) -> None:
    await store.write([asked(1, "狗怎么上户口"), asked(2, "港口在哪里")])
    keys = [question_key("狗怎么上户口")]
    await store.review(keys, "done")
    assert [gap.question for gap in await store.list_gaps()] == ["港口在哪里"]
    assert [gap.question for gap in await store.list_gaps(verdict="done")] == ["狗怎么上户口"]
    await store.write([asked(3, "狗怎么上户口", time=time.time() + 1)])
    assert {gap.question: gap.count for gap in await store.list_gaps()} == {
        "港口在哪里": 1,
        "狗怎么上户口": 1,
    }
    await store.review(keys, "open")
    assert {gap.question: gap.count for gap in await store.list_gaps()} == {
        "狗怎么上户口": 2,
        "港口在哪里": 1,
    }


async def test_dismissed_stays_away(store: Store) -> None:
    await store.write([asked(1, "你多大了")])
    await store.review([question_key("你多大了")], "done")
    await store.review([question_key("你多大了")], "dismissed")
    await store.write([asked(2, "你多大了?", time=time.time() + 1)])
    assert await store.list_gaps() == []
    assert [gap.count for gap in await store.list_gaps(verdict="dismissed")] == [2]
