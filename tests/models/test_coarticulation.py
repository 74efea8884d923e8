from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import hibari
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.core.types import Floats, Mark
from visavis.models.common.units import MOUTH_UNITS
from visavis.models.kokoro.vocabulary import VOCABULARY
from visavis.models.puppet.coarticulation import (
    LOOKAHEAD_S,
    LOOKBEHIND_S,
    PAUSE_S,
    lip_gap,
    mouth_track,
)
from visavis.models.puppet.visemes import LENGTHENERS, PAUSES, STRESS, SYMBOLS, VISEMES

RATE = 24_000
FRAME = RATE // 25
COLUMN = {name: i for i, name in enumerate(MOUTH_UNITS)}


def speak(*sounds: tuple[str, float], start: float = 0.2) -> tuple[list[Mark], int]:
    """Marks of sounds with lengths in seconds, one after the other, and frames that hold them."""
    marks = []
    for text, seconds in sounds:
        marks.append(Mark("phoneme", text, round(start * RATE), round((start + seconds) * RATE)))
        start += seconds
    return marks, int((start + 0.4) * 25)


def track(*sounds: tuple[str, float], start: float = 0.2) -> Floats:
    marks, frames = speak(*sounds, start=start)
    return mouth_track(marks, RATE, 0, frames)


def known(symbol: str) -> bool:
    return any(symbol in table for table in (SYMBOLS, STRESS, LENGTHENERS, PAUSES))


def test_every_symbol_of_the_voices_has_a_mouth() -> None:
    vocab = Path(hibari.__file__).parent / "assets" / "vocab.json"
    symbols = set(VOCABULARY) | set(json.loads(vocab.read_text(encoding="utf-8")))
    assert not {s for s in symbols if not known(s)}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # jieba's old import of pkg_resources
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_every_pinyin_syllable_has_a_mouth() -> None:
    from misaki.zh import ZHG2P
    from pypinyin.contrib.tone_convert import to_tone3
    from pypinyin.pinyin_dict import pinyin_dict

    syllables = {
        to_tone3(one, neutral_tone_with_five=True)
        for readings in pinyin_dict.values()
        for one in readings.split(",")
    }
    assert len(syllables) > 1200
    written = {symbol for one in syllables for symbol in ZHG2P.py2ipa(one)}
    assert not {s for s in written if not known(s)}


def test_table_is_sound() -> None:
    assert {name for names in SYMBOLS.values() for name in names} == set(VISEMES)
    for viseme in VISEMES.values():
        assert len(viseme.targets) == len(MOUTH_UNITS)
        assert all(0 <= t <= 1 for t in viseme.targets)


@pytest.mark.parametrize("symbol", ["m", "b", "p"])
@pytest.mark.parametrize("seconds", [0.025, 0.04, 0.06, 0.1])
def test_closures_are_seen_wherever_they_fall(symbol: str, seconds: float) -> None:
    for phase in np.linspace(0, 0.04, 9):
        mouth = track(("ɑ", 0.15), (symbol, seconds), ("ɑ", 0.15), start=0.2 + phase)
        shut = np.flatnonzero(lip_gap(mouth) < 0.005)
        middle = (0.2 + phase + 0.15 + seconds / 2) * 25 - 0.5
        assert np.sum(np.abs(shut - middle) < 2) >= 2
        assert lip_gap(mouth).max() > 0.35


def test_closure_between_short_vowels_leaves_them_open() -> None:
    for phase in np.linspace(0, 0.04, 9):
        marks, frames = speak(
            ("m", 0.05), ("ɑ", 0.1), ("p", 0.05), ("ɑ", 0.1), ("b", 0.05), start=0.2 + phase
        )
        gap = lip_gap(mouth_track(marks, RATE, 0, frames))
        for mark in marks:
            seen = gap[mark.start // FRAME : -(-mark.end // FRAME)]
            if mark.text == "ɑ":
                assert seen.max() > 0.07
            else:
                assert seen.min() < 0.005


@pytest.mark.parametrize("symbol", ["f", "v"])
def test_lower_lip_reaches_the_teeth(symbol: str) -> None:
    for phase in np.linspace(0, 0.04, 5):
        mouth = track(("ɑ", 0.15), (symbol, 0.05), ("ɑ", 0.15), start=0.2 + phase)
        at = mouth[:, COLUMN["mouthRollLower"]].argmax()
        assert mouth[at, COLUMN["mouthRollLower"]] > 0.5
        assert mouth[at, COLUMN["mouthUpperUp"]] > 0.2
        assert mouth[at, COLUMN["jawOpen"]] < 0.12


@pytest.mark.parametrize("symbol", ["u", "w", "y", "ɥ"])
def test_rounding_is_reached_and_comes_early(symbol: str) -> None:
    mouth = track(("t", 0.25), (symbol, 0.15), ("t", 0.25))
    plain = track(("t", 0.25), ("i", 0.15), ("t", 0.25))
    pucker = COLUMN["mouthPucker"]
    onset = round((0.2 + 0.25) * 25)
    assert mouth[:, pucker].max() > 0.6
    assert mouth[onset - 3, pucker] > 0.05  # 100 ms before
    assert plain[:, pucker].max() == 0


def test_mouth_shapes_differ_as_they_should() -> None:
    shape = {s: track((s, 0.3))[9] for s in "ɑiuɔsʃltθ"}
    jaw = {s: row[COLUMN["jawOpen"]] for s, row in shape.items()}
    assert jaw["ɑ"] > 0.45
    assert jaw["i"] < 0.15
    assert jaw["s"] < 0.07
    assert shape["s"][COLUMN["mouthLowerDown"]] > 0.2
    assert shape["i"][COLUMN["mouthStretch"]] > 0.35
    assert shape["ɔ"][COLUMN["mouthFunnel"]] > 0.3
    assert shape["ʃ"][COLUMN["mouthFunnel"]] > 0.3
    assert shape["l"][COLUMN["tongueUp"]] > 0.9
    assert shape["θ"][COLUMN["tongueUp"]] > 0.8


def test_long_and_stressed_vowels_open_wider() -> None:
    jaw = COLUMN["jawOpen"]
    short = track(("t", 0.08), ("æ", 0.05), ("t", 0.08))[:, jaw].max()
    long = track(("t", 0.08), ("æ", 0.15), ("t", 0.08))[:, jaw].max()
    stressed = track(("t", 0.08), ("ˈ", 0.0), ("æ", 0.15), ("t", 0.08))[:, jaw].max()
    assert short < long < stressed


def test_diphthongs_move() -> None:
    mouth = track(("I", 0.3))
    jaw = mouth[:, COLUMN["jawOpen"]]
    assert jaw[6] > 0.4
    assert jaw[11] < 0.25
    assert mouth[11, COLUMN["mouthStretch"]] > 0.2


def test_silence_is_shut() -> None:
    assert not mouth_track([], RATE, 0, 10).any()
    assert not mouth_track([Mark("word", "hello", 0, RATE)], RATE, 0, 25).any()
    assert not track((",", 0.5), (" ", 0.3), (".", 0.2)).any()
    mouth = track(("ɑ", 0.2), (",", 0.3), ("ɑ", 0.2))
    start, end = 0.4, 0.7
    time = (np.arange(len(mouth)) + 0.5) / 25
    assert not mouth[(time > start + 0.121) & (time < end - 0.121)].any()
    assert not mouth[time < 0.2 - 0.121].any()
    assert not mouth[time > 0.9 + 0.121].any()


def test_only_long_pauses_shut_the_mouth() -> None:
    short = track(("ɑ", 0.2), (" ", PAUSE_S - 0.03), ("ɑ", 0.2))
    assert short[6:15, COLUMN["jawOpen"]].min() > 0.4
    for phase in np.linspace(0, 0.04, 5):
        long = track(
            ("ɑ", 0.2), (" ", 0.05), (",", 0.09), (" ", 0.04), ("ɑ", 0.2), start=0.2 + phase
        )
        assert long[8:16, COLUMN["jawOpen"]].min() < 0.06


def test_opening_and_shutting_are_gradual() -> None:
    mouth = track(("ɑ", 0.3))
    assert np.abs(np.diff(mouth[:, COLUMN["jawOpen"]])).max() < 0.26


def test_silence_inside_an_overlong_last_sound_is_shut() -> None:
    mouth = track(("ɑ", 0.9))
    assert not mouth[round((0.2 + 0.4 + 0.12) * 25) + 1 :].any()


def test_signs_of_tone_belong_to_their_vowel() -> None:
    whole = track(("t", 0.08), ("a", 0.15), ("n", 0.08))
    signed = track(("t", 0.08), ("a", 0.08), ("↘", 0.07), ("n", 0.08))
    np.testing.assert_allclose(whole, signed, atol=1e-6)


def test_letters_in_one_mark_share_its_time() -> None:
    one = track(("tˈæ", 0.2), ("p", 0.06))
    many = track(("t", 0.1), ("ˈ", 0.0), ("æ", 0.1), ("p", 0.06))
    np.testing.assert_allclose(one, many, atol=1e-6)


def test_unknown_symbols_are_said_quietly() -> None:
    mouth = track(("☃", 0.2))
    assert 0.05 < mouth[:, COLUMN["jawOpen"]].max() < 0.3


def _lasting(symbol: str) -> st.SearchStrategy[tuple[str, float]]:
    # No voice holds a sign of stress for longer, nor another sound but the last.
    units = 5 if symbol in STRESS else 14
    return st.tuples(st.just(symbol), st.integers(1, units).map(lambda n: n * 0.025))


def _tidy(sounds: list[tuple[str, float]]) -> list[tuple[str, float]]:
    # No voice writes two signs of tone or length after one sound.
    return [
        sound
        for before, sound in pairwise([(" ", 0.025), *sounds])
        if not {before[0], sound[0]} <= LENGTHENERS
    ]


sounds_strategy = st.lists(
    st.sampled_from(sorted(VOCABULARY)).flatmap(_lasting), min_size=1, max_size=40
).map(_tidy)


@settings(max_examples=60, deadline=None)
@given(sounds_strategy)
def test_any_speech_is_in_range_and_without_jumps(sounds: list[tuple[str, float]]) -> None:
    mouth = track(*sounds)
    assert mouth.dtype == np.float32
    assert np.isfinite(mouth).all()
    assert mouth.min() >= 0
    assert mouth.max() <= 1
    assert np.abs(np.diff(mouth[:, COLUMN["jawOpen"]])).max() < 0.45
    assert not mouth[0].any()
    assert not mouth[-1].any()


@settings(max_examples=60, deadline=None)
@given(sounds_strategy)
def test_a_frame_depends_only_on_what_is_near(sounds: list[tuple[str, float]]) -> None:
    marks, frames = speak(*sounds)
    whole = mouth_track(marks, RATE, 0, frames)
    for frame in range(frames):
        middle = (frame + 0.5) * FRAME
        near = [
            m
            for m in marks
            if m.end > middle - LOOKBEHIND_S * RATE and m.start < middle + LOOKAHEAD_S * RATE
        ]
        np.testing.assert_allclose(
            mouth_track(near, RATE, frame, 1)[0], whole[frame], atol=1e-5, err_msg=f"frame {frame}"
        )


def test_pieces_equal_the_whole() -> None:
    marks, frames = speak(*[(s, 0.07) for s in "ðə bˈɪɡ blˈæk fˈɑks, wˈɑʃt pˈAnts"] * 6)
    whole = mouth_track(marks, RATE, 0, frames)
    pieces = [mouth_track(marks, RATE, i, min(7, frames - i)) for i in range(0, frames, 7)]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6)


def test_bad_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        mouth_track([], 0, 0, 1)
