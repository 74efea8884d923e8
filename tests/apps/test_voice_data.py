"""What a voice's data set is made with: names, consent, cuts, levels, texts, the microphone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from visavis.apps.voice_data.creating import Agreed, Wanted, create
from visavis.apps.voice_data.levels import normalise, signal_to_noise, speech_level
from visavis.apps.voice_data.microphone import record
from visavis.apps.voice_data.slicing import LONGEST, SHORTEST, find_cuts
from visavis.apps.voice_data.texts import doubt, tidy, why_not
from visavis.core.errors import ConfigError, FileUnreadable
from visavis.core.types import Floats, Waveform
from visavis.media.audio import read_audio

RATE = 16_000
CHUNK = 0.032
AGREED = Agreed("Ann", "I agree that my voice is imitated.", "tests")


def pattern(*parts: tuple[float, bool]) -> tuple[Waveform, Floats]:
    """Sound that is loud where somebody speaks, and what a detector would say."""
    likely = np.concatenate([np.full(round(s / CHUNK), float(on)) for s, on in parts])
    return Waveform(np.repeat(likely, 512).astype(np.float32), RATE), likely.astype(np.float32)


def test_cuts_lie_in_pauses_and_pieces_are_as_long_as_they_may_be() -> None:
    rng = np.random.default_rng(5)
    parts = [(1.0, False)]
    for _ in range(80):
        parts += [(float(rng.uniform(0.5, 6)), True), (float(rng.uniform(0.05, 1.2)), False)]
    sound, likely = pattern(*parts)
    cuts = find_cuts(sound, likely)
    assert all(SHORTEST <= (b - a) / RATE <= LONGEST for a, b in cuts.pieces)
    edges = [edge for piece in cuts.pieces for edge in piece]
    assert edges == sorted(edges)
    assert not sound.samples[np.array(edges[1:-1])].any()
    inside = sum(float(sound.samples[a:b].sum()) for a, b in cuts.pieces)
    assert inside / sound.samples.sum() > 0.8
    assert not any(sound.samples[a:b].any() for a, b in cuts.quiet)
    gone = sum(float(sound.samples[a:b].sum()) for a, b, _ in cuts.left_out)
    assert inside + gone == pytest.approx(float(sound.samples.sum()))


def test_short_pauses_are_cut_in_only_where_there_is_no_other() -> None:
    sound, likely = pattern((1, False), (6, True), (0.13, False), (6, True), (1, False))
    cuts = find_cuts(sound, likely)
    assert [round((b - a) / RATE) for a, b in cuts.pieces] == [6, 6]
    sound, likely = pattern((1, False), (4, True), (0.13, False), (4, True), (1, False))
    assert [round((b - a) / RATE) for a, b in find_cuts(sound, likely).pieces] == [9]


def test_speech_without_pauses_and_lost_words_are_left_out() -> None:
    sound, likely = pattern((1, False), (14, True), (1.5, False), (1, True), (1.5, False))
    cuts = find_cuts(sound, likely)
    assert cuts.pieces == []
    assert "no pause in more than 10" in cuts.left_out[0][2]
    assert "too short" in cuts.left_out[1][2]


def test_noise_is_measured_against_speech() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=10 * RATE) * 0.01
    speech = rng.normal(size=10 * RATE) * 0.1
    sound = Waveform(np.concatenate([noise, speech]).astype(np.float32), RATE)
    both = signal_to_noise(sound, [(10 * RATE, 20 * RATE)], [(0, 10 * RATE)])
    assert both == pytest.approx(10 * np.log10((0.01 - 0.0001) / 0.0001), abs=0.1)
    assert signal_to_noise(sound, [(10 * RATE, 20 * RATE)], [(0, 1000)]) is None


def test_pieces_become_equally_loud_without_clipping() -> None:
    quiet = (np.random.default_rng(0).normal(size=RATE) * 0.001).astype(np.float32)
    assert speech_level(normalise(quiet, RATE), RATE) == pytest.approx(-23, abs=0.1)
    quiet[100] = 0.5
    assert np.abs(normalise(quiet, RATE)).max() <= 0.9501
    assert not normalise(np.zeros(RATE, np.float32), RATE).any()


def test_texts_fit_the_list_and_are_read_out_as_meant() -> None:
    assert tidy(" a|b\nc  d ") == "a b c d"
    assert tidy("涨了5.5％，共￥30。") == "涨了百分之5.5，共30元。"
    assert tidy("It rose by 5 % today") == "It rose by 5 percent today"


def test_doubt_is_about_sounds() -> None:
    assert doubt("他在这里做事", "她在这里作事") == 0
    assert doubt("今天天气好", "今天天起好") == 0.2
    assert doubt("One two, three!", "one two three") == 0
    assert doubt("", "a b") == 1


def test_what_nobody_says_in_that_time() -> None:
    assert why_not("你好", "你好", 5.0, None) is not None
    assert why_not("word " * 40, "word " * 40, 5.0, None) is not None
    mixed = "请在 APP 里预约再来办理"
    assert "Latin" in str(why_not(mixed, mixed, 4.0, "zh"))
    assert why_not("今天天气很好我们去公园吧", "今天天气很好我们去公园吧", 4.0, "zh") is None


def test_a_microphone_is_recorded(tmp_path: Path) -> None:
    told: list[float] = []
    record(
        tmp_path / "a.wav", 0.5, source=("lavfi", "sine=frequency=440:sample_rate=48000"),
        told=told.append,
    )  # fmt: skip
    sound = read_audio(tmp_path / "a.wav", 32_000)
    assert sound.duration == 0.5
    spectrum = np.abs(np.fft.rfft(sound.samples))
    assert np.argmax(spectrum) * 2 == 440
    assert told[-1] == 0.5


def test_no_microphone_or_one_that_stops_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="give the file"):
        record(tmp_path / "a.wav", 1.0, source=("lavfi", "no_such_source"))
    with pytest.raises(FileUnreadable, match="stopped after"):
        record(tmp_path / "a.wav", 1.0, source=("lavfi", "sine=duration=0.2"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "a|b", "a/b", "../a", "a b", "-a", "a\n", "x" * 64])
def test_names_that_cannot_be_files_or_fields(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be called"):
        create(Wanted(name, tmp_path / "out", AGREED), [tmp_path / "a.wav"])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_the_list_cannot_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="separates"):
        create(Wanted("a", tmp_path / "a|b", AGREED), [tmp_path / "a.wav"])


@pytest.mark.parametrize(
    ("agreed", "said"),
    [
        (Agreed(" ", "I agree to it fully.", "tests"), "needs a speaker"),
        (Agreed("Ann", "yes", "tests"), "too short"),
        (Agreed("Ann", "I agree to it fully.", ""), "needs a scope"),
        (Agreed("Ann", "I agree to it fully.", "tests", date(2999, 1, 1)), "of the future"),
    ],
)
def test_consent_that_is_none_ends_it_before_any_work(
    agreed: Agreed, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        create(Wanted("a", tmp_path / "out", agreed), [tmp_path / "missing.wav"])
    assert "nothing was begun" in str(caught.value)
    assert not (tmp_path / "out").exists()
