"""The microphone's side with scripted ears: what is cut out, followed and told, whatever the chunks."""

from __future__ import annotations

import tracemalloc
from collections import deque
from collections.abc import Callable

import numpy as np
import pytest

from visavis.core.types import Floats, Language, Waveform
from visavis.pipeline.decisions import (
    BargedIn,
    Began,
    Cleared,
    Discarded,
    Hushed,
    Paused,
    Taken,
)
from visavis.pipeline.echo import EchoGauge
from visavis.pipeline.hearing import BEHIND, RATE, FaceNow, Hearing, Noticed, Press, SetMode


class LoudnessEars:
    """Takes loud for speech and counts what it is given to follow."""

    language: Language | None = "en"

    def __init__(self) -> None:
        self.followed: list[Floats] = []
        self.begun = 0

    def settle(self, language: Language) -> None:
        self.language = language

    def speech_probability(self, chunk: Floats) -> float:
        return 0.95 if float(np.abs(chunk).max()) > 0.05 else 0.02

    def begin(self) -> None:
        self.begun += 1
        self.followed = []

    def follow(self, samples: Floats) -> str:
        self.followed.append(samples)
        seconds = sum(map(len, self.followed)) / RATE
        return " ".join(["word"] * int(seconds * 3))


def speech(seconds: float, rate: int = RATE, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return (0.3 * np.tanh(rng.standard_normal(round(seconds * rate)))).astype(np.float32)


def silence(seconds: float, rate: int = RATE) -> Floats:
    return np.zeros(round(seconds * rate), np.float32)


def play(hearing: Hearing, sound: Floats, rate: int = RATE, chunk: float = 0.02) -> list[Noticed]:
    size, noticed = round(chunk * rate), []
    for start in range(0, len(sound), size):
        noticed += hearing.process([Waveform(sound[start : start + size], rate, start)])
    return noticed


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("chunk", [0.01, 0.02, 0.5])
def test_a_turn_is_cut_out_whole_at_any_rate(rate: int, chunk: float) -> None:
    hearing = Hearing(LoudnessEars(), "open")
    sound = np.concatenate([silence(1, rate), speech(1.5, rate), silence(1.5, rate)])
    noticed = play(hearing, sound, rate, chunk)
    [taken] = [n for n in noticed if isinstance(n.decision, Taken)]
    assert taken.sound is not None
    assert len(taken.sound) / RATE == pytest.approx(1.5 + 0.3 + 0.15, abs=0.1)
    loud = np.abs(taken.sound) > 0.05
    assert np.argmax(loud) / RATE == pytest.approx(0.3, abs=0.05)
    assert taken.ago == pytest.approx(0.6, abs=0.1)
    [paused] = [n for n in noticed if isinstance(n.decision, Paused)]
    assert paused.sound is not None
    assert len(paused.sound) == pytest.approx(len(taken.sound), abs=RATE * 0.05)


def test_words_are_told_while_they_are_spoken() -> None:
    ears = LoudnessEars()
    noticed = play(Hearing(ears, "open"), np.concatenate([speech(2.0), silence(1.0)]))
    kinds = [type(n.decision).__name__ if n.decision else "partial" for n in noticed]
    assert kinds[0] == "Began"
    assert kinds.count("partial") >= 4
    assert kinds.index("partial") < kinds.index("Paused")
    assert ears.begun == 1


def test_a_machine_that_is_behind_gives_up_the_words_and_keeps_the_turn() -> None:
    ears = LoudnessEars()
    sound = np.concatenate([silence(0.3), speech(3.0), silence(1.5)])
    noticed = play(Hearing(ears, "open"), sound, chunk=BEHIND + 0.2)
    assert not ears.followed
    [taken] = [n for n in noticed if isinstance(n.decision, Taken)]
    assert taken.sound is not None
    assert len(taken.sound) / RATE == pytest.approx(3.45, abs=0.15)


def test_push_to_talk_hears_what_lies_between() -> None:
    hearing = Hearing(LoudnessEars(), "push")
    assert play(hearing, speech(2.0)) == []
    hearing.process([Press(True)])
    play(hearing, speech(1.0))
    noticed = hearing.process([Press(False)])
    assert isinstance(noticed[-1].decision, Taken)
    assert noticed[-1].sound is not None
    assert len(noticed[-1].sound) / RATE == pytest.approx(1.3, abs=0.1)


def test_off_hears_nothing() -> None:
    ears = LoudnessEars()
    hearing = Hearing(ears, "open")
    play(hearing, speech(0.5))
    noticed = hearing.process([SetMode("off")])
    assert isinstance(noticed[-1].decision, Discarded)
    assert play(hearing, speech(2.0)) == []


def test_the_face_is_interrupted_by_the_user_and_not_by_its_echo() -> None:
    from visavis.media.resampling import resample

    def shout(voice: Floats, heard: Callable[[int, deque[Floats]], Floats]) -> list[Noticed]:
        """Play a voice that holds its tongue when it is told to."""
        hearing, noticed, place, hushed = Hearing(LoudnessEars(), "open"), [], 0, False
        late = deque([silence(0.04, 24_000)] * 6)
        for tick in range(len(voice) // 960):
            sent = silence(0.04, 24_000) if hushed else voice[place * 960 : (place + 1) * 960]
            place += not hushed
            hearing.play(sent)
            late.append(sent)
            face = FaceNow(turn=True, sounding=True, words="")
            sound = Waveform(heard(tick, late), RATE, tick * 640)
            new = hearing.process([face, sound])
            for decision in (n.decision for n in new):
                hushed = isinstance(decision, Hushed) or (
                    hushed and not isinstance(decision, Cleared)
                )
            noticed += new
        return noticed

    rng = np.random.default_rng(0)

    def echo(tick: int, late: deque[Floats]) -> Floats:
        heard = resample(Waveform(0.5 * late.popleft(), 24_000), RATE).samples
        return (heard + 0.003 * rng.standard_normal(len(heard))).astype(np.float32)

    voice = np.convolve(speech(3.0, 24_000, 1), np.ones(4) / 4, "same").astype(np.float32)
    other = speech(3.0, RATE, 7)
    silent = LoudnessEars.follow
    try:
        LoudnessEars.follow = lambda self, samples: ""  # type: ignore[method-assign]
        assert not [n for n in shout(voice, echo) if isinstance(n.decision, BargedIn | Began)]
        user = shout(voice, lambda tick, late: other[tick * 640 : (tick + 1) * 640])
        assert [n for n in user if isinstance(n.decision, BargedIn)]
    finally:
        LoudnessEars.follow = silent  # type: ignore[method-assign]


def test_an_interruption_does_not_wait_for_the_words_to_be_followed() -> None:
    order: list[str] = []

    class SlowEars(LoudnessEars):
        def follow(self, samples: Floats) -> str:
            order.append("followed")
            return ""

    hearing = Hearing(SlowEars(), "open")
    face = FaceNow(turn=True, sounding=True, words="")
    heard = hearing.process(
        [face, Waveform(speech(0.7), RATE)],
        lambda noticed: order.append(type(noticed.decision).__name__),
    )
    assert "BargedIn" in order
    assert "followed" in order
    assert order.index("Hushed") < order.index("BargedIn") < order.index("followed")
    assert [type(n.decision).__name__ for n in heard] == [o for o in order if o != "followed"]


def test_broken_sound_does_not_reach_the_models() -> None:
    sound = speech(1.0)
    sound[100:200] = np.nan
    sound[300:310] = np.inf
    ears = LoudnessEars()
    play(Hearing(ears, "open"), sound)
    assert np.isfinite(np.concatenate(ears.followed)).all()
    assert float(np.abs(np.concatenate(ears.followed)).max()) <= 1.0


def test_memory_stays_bounded_over_a_long_silence_and_endless_speech() -> None:
    hearing = Hearing(LoudnessEars(), "open")
    play(hearing, silence(5.0))
    tracemalloc.start()
    try:
        for _ in range(12):
            play(hearing, np.concatenate([silence(5.0), speech(40.0)]), chunk=0.1)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 12e6, "less than three turns of the longest kind"


class TestEchoGauge:
    def test_silence_and_nothing_are_no_echo(self) -> None:
        gauge = EchoGauge()
        assert gauge.likelihood(speech(1.0)) == 0.0
        for _ in range(50):
            gauge.play(np.zeros(960, np.float32))
        assert gauge.likelihood(speech(1.0)) == 0.0
        assert gauge.likelihood(speech(0.05)) == 0.0

    @pytest.mark.parametrize("delay", [0.02, 0.3, 1.0, 2.0])
    def test_an_echo_is_found_at_any_delay(self, delay: float) -> None:
        gauge = EchoGauge()
        sent = speech(4.0, 24_000, 3)
        for start in range(0, len(sent), 960):
            gauge.play(sent[start : start + 960])
        near = sent[round((3.4 - delay) * 24_000) : round((4.0 - delay) * 24_000)]
        from visavis.media.resampling import resample

        heard = resample(Waveform(0.1 * near, 24_000), RATE).samples
        assert gauge.likelihood(heard) > 0.9
        assert gauge.likelihood(speech(0.6, RATE, 9)) < 0.5
