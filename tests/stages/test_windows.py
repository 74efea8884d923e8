from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from conformance.synthesizer_suite import sound_of
from visavis.core.types import Floats, Mark, Sentence, Speech
from visavis.models.common.phoneme_pieces import Durations
from visavis.models.common.utterance import Utterance, Whole
from visavis.models.hibari.predictor import SAMPLE_RATE, SAMPLES_PER_UNIT, Hibari
from visavis.models.kokoro.predictor import Kokoro
from visavis.stages.synthesizers import windows
from visavis.stages.synthesizers.delivery import PAUSE, deliver
from visavis.stages.synthesizers.loudness import LEVEL, SILENCE, Loudness
from visavis.stages.synthesizers.text.phonemes import phonemize

LONG = (
    "Please bring your identity card and a recent photograph to the service hall before Friday, "
    "and the certificate will be mailed to you within 5 working days."
)
CHINESE = (
    "办理身份证需要携带户口簿和近期免冠照片，请您先在网上预约，然后到办事大厅三号窗口提交申请材料。"
)
MINUTE = ", ".join(["the office in the old town opens at nine and closes at five"] * 16)

Render = Callable[[str, float], Utterance]


class Asked:
    """A network's utterance, and which of its samples were asked for."""

    def __init__(self, whole: Utterance) -> None:
        self._whole = whole
        self.durations: Durations = whole.durations
        self.spans: list[tuple[int, int]] = []

    def sound(self, start: int, end: int) -> Floats:
        assert 0 <= start < end <= self.durations.sum() * SAMPLES_PER_UNIT
        self.spans.append((start, end))
        sound = self._whole.sound(start, end)
        sound.flags.writeable = False
        return sound

    @property
    def all(self) -> Floats:
        return self._whole.sound(0, int(self.durations.sum()) * SAMPLES_PER_UNIT)


class Voice:
    """A voice that remembers what it was asked for."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self.asked: list[Asked] = []

    def __call__(self, phonemes: str, speed: float) -> Asked:
        self.asked.append(Asked(self._render(phonemes, speed)))
        return self.asked[-1]


@pytest.fixture(scope="module")
def hibari() -> Render:
    network = Hibari()
    return lambda phonemes, speed: Whole(*network.speak(phonemes, speed))


@pytest.fixture(scope="module")
def kokoro() -> Render:
    network = Kokoro()
    return lambda phonemes, speed: Whole(*network.speak(phonemes, "zf_xiaohe", speed))


def say(render: Render, text: str, index: int = 0, **manner: object) -> list[Speech]:
    language = "en" if text.isascii() else "zh"
    sentence = Sentence(1, index, text, language, **manner)  # type: ignore[arg-type]
    speeches = deliver(sentence, phonemize(text, language), render, SAMPLE_RATE, SAMPLES_PER_UNIT)
    return list(speeches)


def marks_of(speeches: list[Speech], kind: str) -> list[Mark]:
    return [m for s in speeches for m in s.marks if m.kind == kind]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on a clause is one window."""

    def patch() -> None:
        monkeypatch.setattr(windows, "FIRST", 1e3)
        monkeypatch.setattr(windows, "LONGEST", 1e3)

    return patch


@pytest.fixture
def evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every voice is as loud as its network makes it."""
    monkeypatch.setattr(Loudness, "_choose", lambda self: 0.5)


# What is heard


@pytest.mark.parametrize("text", [LONG, "Yes.", "Where is the office", MINUTE])
@pytest.mark.usefixtures("evenly")
def test_windows_are_what_one_window_would_be(
    hibari: Render, text: str, at_once: Callable[[], None]
) -> None:
    pieces = say(hibari, text)
    at_once()
    whole = say(hibari, text)
    assert text == "Yes." or len(pieces) > len(whole)
    assert np.array_equal(sound_of(pieces), sound_of(whole))
    assert_same_marks(pieces, whole)


@pytest.mark.assets
@pytest.mark.usefixtures("evenly")
def test_a_voice_of_kokoro_in_windows_is_what_it_would_be_at_once(
    kokoro: Render, at_once: Callable[[], None]
) -> None:
    pieces = say(kokoro, CHINESE)
    at_once()
    whole = say(kokoro, CHINESE)
    assert np.array_equal(sound_of(pieces), sound_of(whole))
    assert_same_marks(pieces, whole)


def assert_same_marks(pieces: list[Speech], whole: list[Speech]) -> None:
    """But for ends that nobody could know when the mark was told."""
    for kind, most in (("word", len(PAUSE)), ("phoneme", 2)):
        pairs = list(zip(marks_of(pieces, kind), marks_of(whole, kind), strict=True))
        assert all((a.text, a.start) == (b.text, b.start) for a, b in pairs)
        other = [abs(a.end - b.end) for a, b in pairs if a.end != b.end]
        assert len(other) <= most
        assert max(other, default=0) < 0.2 * SAMPLE_RATE


@pytest.mark.parametrize("emotion", ["neutral", "sad", "angry", "surprised"])
@pytest.mark.parametrize("text", [LONG, "Where is the office", MINUTE])
def test_marks_are_complete_and_in_order(hibari: Render, text: str, emotion: str) -> None:
    speeches = say(hibari, text, emotion=emotion, intensity=1.0)
    sounds = phonemize(text, "en")
    written = [text[s.start : s.end].strip() for s in sounds if s.is_word]
    assert [m.text for m in marks_of(speeches, "word")] == written
    said = "".join(m.text for m in marks_of(speeches, "phoneme"))
    # The space after a pause at the end of a clause is silence like it.
    assert said.replace(" ", "") == "".join(s.phonemes for s in sounds).replace(" ", "")
    end = sum(len(s.audio.samples) for s in speeches)
    for kind in ("word", "phoneme"):
        marks = marks_of(speeches, kind)
        assert all(a.end <= b.start for a, b in itertools.pairwise(marks))
        assert all(0 <= m.start < m.end <= end for m in marks)


def test_marks_are_with_the_sound_in_which_they_begin(hibari: Render) -> None:
    lag = round(windows.LAG_S * SAMPLE_RATE)
    for speech in say(hibari, LONG):
        offset, size = speech.audio.offset, len(speech.audio.samples)
        assert all(offset - lag <= m.start < offset + size for m in speech.marks)


def test_offsets_are_those_of_the_sound(hibari: Render) -> None:
    position = 0
    speeches = say(hibari, MINUTE)
    assert sum(s.audio.duration for s in speeches) > 55
    for speech in speeches:
        assert speech.audio.offset == position
        position += len(speech.audio.samples)
    assert [s.is_last for s in speeches] == [False] * (len(speeches) - 1) + [True]


# How long the pieces are


def test_the_first_piece_is_short_and_each_next_one_may_be_longer(hibari: Render) -> None:
    lengths = [s.audio.duration for s in say(hibari, LONG)]
    assert windows.SNAP * windows.FIRST - 0.1 < lengths[0] < windows.FIRST + 0.1
    longest = windows.LONGEST + windows.REST + max(PAUSE.values()) + windows.STEP
    assert max(lengths) < longest
    allowed = windows.FIRST
    for length in lengths:
        # The end of a clause takes a short rest with it, and a pause.
        assert length < allowed + windows.REST + max(PAUSE.values()) + windows.STEP
        allowed = min(allowed * windows.GROWTH, windows.LONGEST)


def test_sentences_that_nobody_waits_for_come_in_long_pieces(hibari: Render) -> None:
    first, *_ = say(hibari, LONG, index=1)
    assert windows.SNAP * windows.LONGEST - 0.1 < first.audio.duration < windows.LONGEST + 0.1


def test_a_short_word_is_one_piece(hibari: Render) -> None:
    [speech] = say(hibari, "Yes.")
    assert speech.is_last
    assert [m.text for m in speech.marks if m.kind == "word"] == ["Yes"]
    silence = round(0.9 * PAUSE["."] * SAMPLE_RATE)
    assert np.abs(speech.audio.samples[-silence:]).max() < 0.05
    assert np.abs(speech.audio.samples[:-silence]).max() > 0.1


def test_a_text_that_just_stops_ends_as_with_a_full_stop(hibari: Render) -> None:
    sound = sound_of(say(hibari, "Where is the office"))
    last = int(np.flatnonzero(np.abs(sound) > 3 * SILENCE)[-1])
    assert len(sound) - last == pytest.approx(PAUSE["."] * SAMPLE_RATE, abs=1500)


# What is computed


@pytest.mark.parametrize("text", [LONG, "Yes.", MINUTE])
def test_only_what_is_heard_is_asked_for(hibari: Render, text: str) -> None:
    voice = Voice(hibari)
    sound = sound_of(say(voice, text))
    for utterance in voice.asked:
        for (_, end), (start, _) in itertools.pairwise(utterance.spans):
            assert end - start in (0, round(windows.CROSSFADE * SAMPLE_RATE))
    asked = sum(end - start for u in voice.asked for start, end in u.spans)
    slack = windows.EARLY + windows.STEP
    assert asked < len(sound) + len(voice.asked) * slack * SAMPLE_RATE
    silence = min(PAUSE.values()) - windows.QUIET - windows.STEP
    assert asked < len(sound) - silence * SAMPLE_RATE + slack * SAMPLE_RATE * len(voice.asked)
    [first, *_], *_ = (u.spans for u in voice.asked)
    silent = voice.asked[0].durations[0] * SAMPLES_PER_UNIT
    assert first[0] >= silent - (windows.EARLY + windows.LEAD) * SAMPLE_RATE - 1


def test_silence_at_the_end_is_not_asked_for(hibari: Render) -> None:
    voice = Voice(hibari)
    say(voice, "Yes.")
    [utterance] = voice.asked
    last = int(np.flatnonzero(np.abs(utterance.all) > SILENCE)[-1])
    end = utterance.spans[-1][1]
    assert last < end <= last + (windows.QUIET + windows.STEP) * SAMPLE_RATE
    assert end < len(utterance.all)


@pytest.mark.parametrize("word", ["Stop", "That is it", "What a big truck", "He was shocked"])
def test_a_last_stop_is_said_to_its_release(hibari: Render, word: str) -> None:
    voice = Voice(hibari)
    say(voice, word, emotion="sad", intensity=1.0)
    [utterance] = voice.asked
    last = int(np.flatnonzero(np.abs(utterance.all) > SILENCE)[-1])
    assert utterance.spans[-1][1] > last


@pytest.mark.assets
@pytest.mark.parametrize("text", ["That is it, is it not?", "请坐。", "他说不可以的。"])
def test_kokoro_says_its_last_sound_to_the_end(kokoro: Render, text: str) -> None:
    voice = Voice(kokoro)
    say(voice, text)
    [utterance] = voice.asked
    loud = np.abs(utterance.all) > SILENCE
    last = int(np.flatnonzero(loud)[-1])
    assert utterance.spans[-1][1] > last
    assert utterance.spans[0][0] <= np.flatnonzero(loud)[0]


def test_nothing_more_is_computed_than_was_taken(hibari: Render) -> None:
    voice = Voice(hibari)
    sentence = Sentence(1, 0, LONG, "en")
    speeches = deliver(sentence, phonemize(LONG, "en"), voice, SAMPLE_RATE, SAMPLES_PER_UNIT)
    next(speeches)
    speeches.close()  # type: ignore[attr-defined]
    assert [len(u.spans) for u in voice.asked] == [1]


# How loud it is


def test_the_gain_never_jumps(hibari: Render) -> None:
    loudness = Loudness(SAMPLE_RATE)
    rng = np.random.default_rng(3)
    gains = []
    for length in (0.6, 0.3, 1.5, 1.6):
        sound = np.full(round(length * SAMPLE_RATE), 0.02 + 0.2 * rng.random(), np.float32)
        gains.append(loudness.settle(sound) / sound)
        assert loudness.gain == pytest.approx(gains[-1][-1], rel=1e-3)
    gain = np.concatenate(gains)
    assert np.ptp(gain) > 0.05, "it does change"
    assert np.abs(np.diff(np.log(gain))).max() < 1e-4
    for part in gains:
        assert abs(np.log(part[-1] / part[0])) <= np.log(1.2)


def test_a_little_sound_gives_no_wild_gain() -> None:
    quiet = np.zeros(14_400, np.float32)
    quiet[7000:7100] = 0.02
    loudness = Loudness(SAMPLE_RATE)
    loudness.settle(quiet)
    assert loudness.gain is not None
    assert loudness.gain < 1.3


def test_a_sentence_is_as_loud_as_the_others(hibari: Render) -> None:
    sound = sound_of(say(hibari, LONG))
    loud = sound[np.abs(sound) > SILENCE]
    assert 20 * np.log10(np.sqrt(np.mean(loud**2)) / LEVEL) == pytest.approx(0, abs=1.5)
