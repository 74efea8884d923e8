"""Phoneme marks as the fifteen visemes."""

import itertools

from visavis.core.types import Mark
from visavis.models.puppet.visemes import LENGTHENERS, PAUSES, STRESS
from visavis.models.puppet.visemes import SYMBOLS as SHAPES
from visavis.pipeline.visemes import NAMES, SYMBOLS, find_visemes


def spell(text: str, step: int = 100) -> list[Mark]:
    return [Mark("phoneme", c, i * step, (i + 1) * step) for i, c in enumerate(text)]


def test_every_symbol_of_the_voices_has_a_viseme_that_exists() -> None:
    assert set(SHAPES) | PAUSES <= set(SYMBOLS)
    assert {name for names in SYMBOLS.values() for name in names} == set(NAMES)
    assert not (LENGTHENERS | set(STRESS)) & set(SYMBOLS)


def test_words_go_through_the_mouth_shapes_that_they_need() -> None:
    assert [m.text for m in find_visemes(spell("mˈæn"))] == ["PP", "aa", "nn"]
    assert [m.text for m in find_visemes(spell("ʃˈO"))] == ["CH", "O", "U"]
    assert [m.text for m in find_visemes(spell("fu wu"))] == ["FF", "U", "sil", "U"]


def test_time_is_covered_without_gaps_or_overlaps_and_neighbours_alike_are_one() -> None:
    found = find_visemes(spell("bˈpɑː I↗n, tˈs"))
    assert found[0].start == 0
    assert found[-1].end == 1400
    assert all(a.end == b.start for a, b in itertools.pairwise(found))
    assert all(a.text != b.text for a, b in itertools.pairwise(found))
    assert all(mark.end > mark.start for mark in found)


def test_words_are_not_phonemes() -> None:
    assert find_visemes([Mark("word", "a", 0, 10)]) == []
