"""What an index of many pairs is made of is kept, and found again only for the same pairs."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visavis.core.types import Floats, Language
from visavis.knowledge import shelf_arrays
from visavis.knowledge.base import Base, Pair, load_samples
from visavis.knowledge.fusion import Fusion
from visavis.knowledge.search import KnowledgeIndex, Match
from visavis.models.sentence_encoder.predictor import SentenceEncoder

QUESTIONS: tuple[tuple[Language, str], ...] = (
    ("zh", "身份证丢了怎么办"),
    ("zh", "护照到期了"),
    ("zh", "公鸡金怎么提出来"),
    ("en", "my passport was stolen"),
    ("en", "how do I renew my licence"),
)


class Counting:
    """The real encoder, each text once."""

    def __init__(
        self, encoder: SentenceEncoder, known: dict[str, Floats], fingerprint: str
    ) -> None:
        self._encoder, self._known, self.fingerprint = encoder, known, fingerprint
        self.asked = 0

    def encode(self, texts: Sequence[str]) -> Floats:
        self.asked += len(texts)
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._known[text] for text in texts])


def encode_plainly(encoder: Counting, texts: Sequence[str]) -> Floats:
    return encoder.encode(texts)


@pytest.fixture(scope="module")
def known() -> dict[str, Floats]:
    return {}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty pairs are many."""
    monkeypatch.setattr("visavis.knowledge.shelf.EXACT", 30)
    monkeypatch.setattr("visavis.knowledge.search.EXACT", 30)


@pytest.fixture(scope="module")
def bases() -> tuple[Base, ...]:
    return tuple(
        replace(base, pairs=tuple(replace(p, aliases=p.aliases[:2]) for p in base.pairs[:34]))
        for base in load_samples()
    )


class Opener:
    """Opens an index as a new process would."""

    def __init__(self, encoder: SentenceEncoder, known: dict[str, Floats], cache: Path) -> None:
        self.encoder, self.known, self.cache = encoder, known, cache
        self.fingerprint = encoder.fingerprint
        self.asked = 0

    def __call__(
        self, bases: Sequence[Base], fusion: dict[Language, Fusion] | None = None
    ) -> KnowledgeIndex:
        encoder = Counting(self.encoder, self.known, self.fingerprint)
        made = KnowledgeIndex(
            bases, encoder, encode=encode_plainly, cache=self.cache, fusion=fusion
        )  # type: ignore[arg-type]
        self.asked = encoder.asked
        return made

    @property
    def files(self) -> list[Path]:
        return sorted(self.cache.glob("index-*.arrays"))


@pytest.fixture
def opener(encoder: SentenceEncoder, known: dict[str, Floats], tmp_path: Path) -> Opener:
    return Opener(encoder, known, tmp_path)


def ask(index: KnowledgeIndex) -> list[list[Match]]:
    return [index.search(question, language, 5) for language, question in QUESTIONS]


def test_few_pairs_are_not_kept(opener: Opener, bases: tuple[Base, ...]) -> None:
    opener(bases)
    assert opener.files == []
    opener(bases)
    assert opener.asked > 100


@pytest.mark.usefixtures("few")
def test_the_second_time_nothing_is_encoded_and_all_is_the_same(
    opener: Opener, bases: tuple[Base, ...]
) -> None:
    first = opener(bases)
    assert opener.asked > 100
    second = opener(bases)
    assert opener.asked == 0
    assert len(opener.files) == 1
    assert ask(first) == ask(second)
    assert first.fusion == second.fusion
    for language, term in (("zh", "护照"), ("en", "passport"), ("zh", "没有的词")):
        assert first.is_ambiguous(term, language) == second.is_ambiguous(term, language)
    for pair in first.pairs("zh"):
        if not pair.is_gap:
            assert second.search(pair.question, "zh", 1)[0].pair == pair


def test_kept_vectors_say_what_those_of_few_pairs_say(
    opener: Opener, bases: tuple[Base, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = opener(bases)
    monkeypatch.setattr("visavis.knowledge.search.EXACT", 30)
    opener(bases, dict(exact.fusion))
    kept = opener(bases, dict(exact.fusion))
    assert opener.asked == 0
    for language, question in QUESTIONS:
        ours, theirs = kept.compare(question, language), exact.compare(question, language)
        np.testing.assert_allclose(ours.values, theirs.values, atol=3e-3)
        assert kept.search(question, language)[0].pair == exact.search(question, language)[0].pair


def test_sums_are_of_the_wordings_in_all_languages(
    opener: Opener, bases: tuple[Base, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf_arrays, "_BLOCK", 7)
    index = opener(bases)
    spaces = {language: index._shelves[language].spaces[0] for language in index.languages}
    members: dict[str, list[Floats]] = {}
    for language, space in spaces.items():
        rows = iter(space.wordings)
        for pair in index.pairs(language):
            members.setdefault(pair.id, []).extend(next(rows) for _ in pair.wordings)
    for language, space in spaces.items():
        wanted = [np.sum(members[pair.id], axis=0) for pair in index.pairs(language)]
        np.testing.assert_allclose(space.sums, wanted, atol=1e-5)


@pytest.mark.usefixtures("few")
def test_what_differs_is_made_anew(opener: Opener, bases: tuple[Base, ...]) -> None:
    zh, en = bases
    one = zh.pairs[0]

    def change(**fields: object) -> tuple[Base, ...]:
        return (replace(zh, pairs=(replace(one, **fields), *zh.pairs[1:])), en)  # type: ignore[arg-type]

    opener(bases)
    opener(change(topic="of no account to a search"))
    assert len(opener.files) == 1
    for other in (
        change(question="食堂几点开门？"),
        change(aliases=(*one.aliases, "食堂在哪？")),
        change(aliases=one.aliases[::-1]),
        change(answer="早上六点。"),
        change(answer=""),
        (replace(zh, pairs=zh.pairs[::-1]), en),
        (replace(zh, synonyms=(("护照", "通行证"),)), en),
        (replace(zh, name="other_name"), en),
        (zh,),
    ):
        before = set(opener.files)
        opener(other)
        assert len(set(opener.files) - before) == 1
        assert len(opener.files) <= 3, "old ones go"
    changed = opener(change(question="食堂几点开门？"))
    assert changed.search("食堂几点开门", "zh")[0].pair.question == "食堂几点开门？"


@pytest.mark.usefixtures("few")
def test_other_code_or_another_encoder_makes_it_anew(
    opener: Opener, bases: tuple[Base, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    opener(bases)
    monkeypatch.setattr(shelf_arrays, "_fingerprint_code", lambda: b"tomorrow's")
    opener(bases)
    assert opener.asked > 0
    assert len(opener.files) == 2
    opener.fingerprint = "another/1"
    opener(bases)
    assert opener.asked > 0
    assert len(opener.files) == 3


@pytest.mark.usefixtures("few")
def test_a_broken_file_is_made_again(
    opener: Opener, bases: tuple[Base, ...], caplog: pytest.LogCaptureFixture
) -> None:
    wanted = ask(opener(bases))
    (path,) = opener.files
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert ask(opener(bases)) == wanted
    assert "made again" in caplog.text
    opener(bases)
    assert opener.asked == 0


@pytest.mark.usefixtures("few")
def test_one_wording_each_has_no_sums_of_its_own(opener: Opener) -> None:
    pairs = [
        Pair(f"n{number}", f"{number}号窗口在哪里？", f"在{number}楼。", "zh")
        for number in range(40)
    ]
    opener([Base("b", tuple(pairs))])
    index = opener([Base("b", tuple(pairs))])
    space = index._shelves["zh"].spaces[0]
    assert space.sums is space.wordings
    assert space.wordings.dtype == np.float16
    assert not space.wordings.flags.writeable
    assert index.search("17号窗口在哪里", "zh")[0].pair == pairs[17]
