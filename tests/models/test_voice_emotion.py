import time
from collections.abc import Sequence

import numpy as np
import pytest

from visavis.core.types import EMOTIONS, Floats, Language, Sentence, Waveform
from visavis.models.voice_emotion.predictor import CAP, VoiceHabit, VoiceReading
from visavis.models.voice_emotion.prosody import measure_prosody

RATE = 16000


def hum(
    hertz: float | Floats, seconds: float = 2.0, level: float = 0.1, rate: int = RATE
) -> Floats:
    """A voice's harmonics at a pitch, or along one."""
    count = int(seconds * rate)
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hertz, count)) / rate
    sound = sum(np.sin(k * phase) / k for k in range(1, 9))
    return np.asarray(level * sound, np.float32)


def syllables(
    pace: float, seconds: float = 3.0, hertz: float = 180.0, level: float = 0.2
) -> Floats:
    """Short hums, so many a second, with silence between."""
    sound = np.zeros(int(seconds * RATE), np.float32)
    length = int(0.6 * RATE / pace)
    shape = np.hanning(length).astype(np.float32)
    for number in range(int(pace * seconds)):
        start = int(number * RATE / pace)
        sound[start : start + length] += hum(hertz, length / RATE, level)[:length] * shape
    return sound


def noise(seconds: float, level: float) -> Floats:
    return np.random.default_rng(0).normal(0, level, int(seconds * RATE)).astype(np.float32)


# Measures


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100, 48000])
@pytest.mark.parametrize("hertz", [80, 120, 220, 440])
def test_pitch_of_a_hum(hertz: int, rate: int) -> None:
    prosody = measure_prosody(Waveform(hum(hertz, rate=rate), rate))
    assert prosody.pitch == pytest.approx(hertz, rel=0.01)
    assert prosody.spread < 0.1
    assert abs(prosody.slope) < 0.05
    assert prosody.roughness < 0.002


def test_pitch_that_rises_an_octave_in_two_seconds() -> None:
    rising = 150 * 2 ** (np.arange(2 * RATE) / (2 * RATE))
    prosody = measure_prosody(Waveform(hum(rising.astype(np.float32)), RATE))
    assert prosody.slope == pytest.approx(6, rel=0.05)
    assert prosody.spread == pytest.approx(9.6, abs=0.5)


@pytest.mark.parametrize("pace", [3, 4, 5, 6, 8])
def test_pace_of_syllables(pace: int) -> None:
    prosody = measure_prosody(Waveform(syllables(pace, 4.0), RATE))
    assert prosody.pace == pytest.approx(pace, rel=0.15)


def test_level_follows_the_gain_and_nothing_else_does() -> None:
    soft = measure_prosody(Waveform(syllables(4, level=0.05), RATE))
    loud = measure_prosody(Waveform(syllables(4, level=0.2), RATE))
    assert loud.level - soft.level == pytest.approx(12.04, abs=0.1)
    assert loud.pitch == pytest.approx(soft.pitch, rel=1e-3)
    assert loud.pace == soft.pace
    assert loud.tilt == pytest.approx(soft.tilt, abs=0.1)


def test_perfectly_steady_sound_is_speech_throughout() -> None:
    square = np.tile(np.repeat(np.float32([0.2, -0.2]), 20), 2 * RATE // 40)
    prosody = measure_prosody(Waveform(square, RATE))
    assert prosody.spoken == pytest.approx(2.0, abs=0.03)
    assert prosody.level == pytest.approx(-13.98, abs=0.3)
    assert prosody.swing < 0.2


def test_brighter_sound_tilts_up_and_a_shaky_voice_is_rough() -> None:
    dull = np.sin(2 * np.pi * 200 * np.arange(2 * RATE) / RATE).astype(np.float32) * 0.2
    assert (
        measure_prosody(Waveform(hum(200), RATE)).tilt
        > measure_prosody(Waveform(dull, RATE)).tilt + 6
    )
    shaky = np.repeat(200 * (1 + 0.05 * np.random.default_rng(2).normal(size=80)), RATE // 40)
    shaken = measure_prosody(Waveform(hum(shaky.astype(np.float32)), RATE))
    assert shaken.roughness > 0.01


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(0, np.float32),
        np.zeros(3 * RATE, np.float32),
        np.full(3 * RATE, np.nan, np.float32),
        np.full(3 * RATE, 0.4, np.float32),
        syllables(4, 3.0)[: RATE // 4],
        noise(3, 0.1),
        noise(3, 1e-4),
        syllables(4, level=1e-4),
        np.clip(syllables(4) * 50, -1, 1),
        syllables(4, level=0.05) + noise(3, 0.05),
        np.eye(1, 3 * RATE, 2 * RATE, dtype=np.float32)[0],
    ],
    ids=[
        "nothing",
        "silence",
        "nan",
        "constant",
        "short",
        "noise",
        "hiss",
        "faint",
        "clipped",
        "noisy",
        "click",
    ],
)
def test_what_is_no_good_voice_is_not_believed(sound: Floats) -> None:
    habit = VoiceHabit()
    for _ in range(3):
        habit.read(Waveform(syllables(3), RATE))
    reading = habit.read(Waveform(sound, RATE))
    assert reading.confidence == 0
    assert reading.arousal == "normal"
    assert EMOTIONS[int(reading.chances.argmax())] == "neutral"
    assert reading.chances[EMOTIONS.index("neutral")] == 1


# Against the speaker's own habit


def calm(pace: float = 3.6, hertz: float = 180.0) -> Waveform:
    wave = hertz * (1 + 0.1 * np.sin(np.linspace(0, 9, 3 * RATE)))
    envelope = np.abs(np.sin(np.pi * pace * np.arange(3 * RATE) / RATE))
    quiet = noise(3, 2e-4)
    return Waveform((hum(wave.astype(np.float32), 3.0) * envelope + quiet).astype(np.float32), RATE)


def change(audio: Waveform, faster: float = 1.0, louder: float = 1.0) -> Waveform:
    """Play it at another speed, which moves pitch and pace alike, and level."""
    places = np.arange(0, len(audio.samples) - 1, faster)
    sound = np.interp(places, np.arange(len(audio.samples)), audio.samples) * louder
    return Waveform(sound.astype(np.float32), audio.sample_rate)


def read_last(turns: Sequence[Waveform]) -> VoiceReading:
    habit = VoiceHabit()
    return [habit.read(turn) for turn in turns][-1]


def test_the_first_turn_says_nothing() -> None:
    reading = read_last([change(calm(), 1.3, 2)])
    assert reading.confidence == 0
    assert reading.arousal == "normal"
    np.testing.assert_allclose(reading.tendency, 1 / 8, atol=1e-6)


def test_the_habit_is_the_speakers_own() -> None:
    """A voice that is high and loud always is not excited."""
    high = change(calm(), 1.3, 2)
    assert read_last([high, high, high]).arousal == "normal"
    assert read_last([calm(), calm(), high]).arousal == "high"
    assert read_last([high, high, calm()]).arousal == "low"


def test_each_measure_moves_the_score_its_way() -> None:
    base = [calm(), calm()]
    still = read_last([*base, calm()]).score
    assert abs(still) < 0.05
    assert read_last([*base, calm(pace=5)]).score > still + 0.1
    assert read_last([*base, calm(hertz=230)]).score > still + 0.2
    assert read_last([*base, change(calm(), louder=2)]).score > still + 0.2
    assert read_last([*base, change(calm(), louder=0.5)]).score < still - 0.2
    assert read_last([*base, calm(hertz=150)]).score < still - 0.2


def test_confidence_is_capped_and_grows_with_the_habit() -> None:
    wild = change(calm(), 1.5, 3)
    short = read_last([calm(), wild])
    long = read_last([calm(), calm(), calm(), wild])
    assert 0 < short.confidence < long.confidence <= CAP
    assert np.isclose(long.chances.sum(), 1, atol=1e-5)
    assert EMOTIONS[int(long.chances.argmax())] == "neutral"
    assert long.chances[EMOTIONS.index("angry")] > long.chances[EMOTIONS.index("sad")]


def test_shouting_for_long_does_not_become_the_habit_at_once() -> None:
    wild = change(calm(), 1.4, 2.5)
    habit = VoiceHabit()
    for _ in range(4):
        habit.read(calm())
    assert [habit.read(wild).arousal for _ in range(5)] == ["high"] * 5


def test_ten_seconds_are_read_quickly() -> None:
    audio = Waveform(np.tile(calm().samples, 4), RATE)
    measure_prosody(audio)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        measure_prosody(audio)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.08


# Real sentences of the product's voice


SENTENCES: dict[Language, tuple[str, ...]] = {
    "zh": (
        "我想问一下居住证怎么办理，需要带什么材料。",
        "我上个星期来过一次，他们让我今天再来。",
        "身份证丢了，补办要多少天。",
    ),
    "en": (
        "I would like to know how to get a residence permit.",
        "I came here last week and they told me to come back today.",
        "How many days does a new card take?",
    ),
}


@pytest.mark.assets
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_same_sentence_spoken_otherwise_moves_arousal(language: Language) -> None:
    from visavis.stages.synthesizers.kokoro import KokoroSynthesizer

    voice = KokoroSynthesizer()

    def say(text: str) -> Waveform:
        pieces = list(voice.iterate(Sentence(0, 0, text, language), ""))
        sound = np.concatenate([piece.audio.samples for piece in pieces])
        return Waveform(sound, pieces[0].audio.sample_rate)

    said = [say(text) for text in SENTENCES[language]]
    base, last = said[:2], said[2]
    same = read_last([*base, last])
    excited = read_last([*base, change(last, 1.2, 2)])
    subdued = read_last([*base, change(last, 0.84, 0.4)])
    assert excited.arousal == "high"
    assert same.arousal == "normal"
    assert subdued.score < same.score - 0.4 < excited.score
    assert read_last([*base, change(last, louder=2)]).score > same.score
    assert read_last([*base, change(last, louder=0.4)]).score < same.score
