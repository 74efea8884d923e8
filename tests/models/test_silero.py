from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from visavis.core.types import Floats, Waveform
from visavis.media.audio import read_audio
from visavis.media.resampling import resample
from visavis.models.silero.predictor import CHUNK, SAMPLE_RATE, SileroVad, TurnCutter, find_speech

pytestmark = pytest.mark.assets

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture(scope="module")
def speech() -> Floats:
    return read_audio(FIXTURES / "speech_zh.wav").samples


def silence(seconds: float) -> Floats:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def in_seconds(turns: list[tuple[int, int]], rate: int = SAMPLE_RATE) -> list[tuple[float, float]]:
    return [(a / rate, b / rate) for a, b in turns]


@pytest.fixture(scope="module")
def voiced(speech: Floats) -> tuple[float, float]:
    """First and last second with energy."""
    loud = np.flatnonzero(np.abs(speech) > 0.02) / SAMPLE_RATE
    return float(loud[0]), float(loud[-1])


def test_turns_lie_where_the_speech_is(speech: Floats, voiced: tuple[float, float]) -> None:
    sound = np.concatenate([silence(2), speech, silence(1.5), speech, silence(2)])
    turns = in_seconds(find_speech(sound, SAMPLE_RATE))
    assert len(turns) == 2
    length = len(speech) / SAMPLE_RATE
    for (start, end), begin in zip(turns, (2.0, 3.5 + length), strict=True):
        assert -0.35 < start - (begin + voiced[0]) < 0.05
        assert -0.1 < end - (begin + voiced[1]) < 0.5


@pytest.mark.parametrize("rate", [8000, 24000, 44100, 48000])
def test_positions_are_in_the_rate_given(
    speech: Floats, rate: int, voiced: tuple[float, float]
) -> None:
    sound = resample(Waveform(np.concatenate([silence(1), speech]), SAMPLE_RATE), rate)
    turns = find_speech(sound.samples, rate)
    assert len(turns) == 1
    assert abs(turns[0][0] / rate - (1 + voiced[0])) < 0.35
    assert turns[0][1] <= len(sound.samples)


@pytest.mark.parametrize("kind", ["silence", "hiss", "quiet hiss", "tone", "hum", "clicks"])
def test_what_is_no_speech(kind: str) -> None:
    rng = np.random.default_rng(0)
    n = 10 * SAMPLE_RATE
    time = np.arange(n) / SAMPLE_RATE
    clicks = np.zeros(n)
    clicks[:: SAMPLE_RATE // 3] = 0.9
    sound = {
        "silence": np.zeros(n),
        "hiss": rng.normal(0, 0.1, n),
        "quiet hiss": rng.normal(0, 0.003, n),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * time),
        "hum": 0.2 * np.sin(2 * np.pi * 50 * time) + 0.1 * np.sin(2 * np.pi * 150 * time),
        "clicks": clicks,
    }[kind]
    assert find_speech(sound.astype(np.float32), SAMPLE_RATE) == []


@pytest.mark.parametrize("gain", [0.03, 0.3, 30.0], ids=["quiet", "soft", "clipped"])
def test_level_does_not_matter(speech: Floats, gain: float) -> None:
    sound = np.clip(np.concatenate([silence(1), speech]) * gain, -1, 1)
    assert len(find_speech(sound.astype(np.float32), SAMPLE_RATE)) == 1


def test_speech_in_noise_is_found(speech: Floats) -> None:
    rng = np.random.default_rng(1)
    sound = np.concatenate([silence(2), speech, silence(2)])
    level = float(np.sqrt(np.mean(speech**2)))
    noisy = sound + rng.normal(0, level * 10 ** (-10 / 20), len(sound)).astype(np.float32)
    turns = in_seconds(find_speech(noisy, SAMPLE_RATE))
    assert turns
    assert turns[0][0] > 1.5
    assert turns[-1][1] < len(sound) / SAMPLE_RATE - 1.0


def test_chunked_equals_whole(speech: Floats) -> None:
    sound = np.concatenate([speech, silence(1), speech])
    for size in (160, 777, 16000):
        cutter = TurnCutter()
        turns = [t for at in range(0, len(sound), size) for t in cutter.feed(sound[at : at + size])]
        assert turns + cutter.flush() == find_speech(sound, SAMPLE_RATE)


def test_long_speech_is_cut_without_loss(speech: Floats) -> None:
    body = speech[3000:-6000]
    sound = np.concatenate([body] * 5)
    turns = find_speech(sound, SAMPLE_RATE, longest=5.0, pause=2.0)
    assert len(turns) >= 3
    assert all(b - a <= 5.3 * SAMPLE_RATE for a, b in turns)
    assert all(first[1] == second[0] for first, second in itertools.pairwise(turns))
    # Cut where it is quieter than speech mostly is.
    loudness = [np.abs(sound[b - 400 : b + 400]).mean() for _, b in turns[:-1]]
    assert max(loudness) < np.abs(sound).mean()


def test_reset_forgets(speech: Floats) -> None:
    vad = SileroVad()
    chunks = speech[: 40 * CHUNK].reshape(-1, CHUNK)
    first = [vad.speech_probability(chunk) for chunk in chunks]
    vad.reset()
    assert [vad.speech_probability(chunk) for chunk in chunks] == first
    assert max(first) > 0.9


def test_two_streams_do_not_mix(speech: Floats) -> None:
    one, two = SileroVad(), SileroVad()
    chunks = speech[: 40 * CHUNK].reshape(-1, CHUNK)
    alone = [SileroVad().speech_probability(chunks[0])]
    mixed = []
    for chunk in chunks:
        mixed.append(one.speech_probability(chunk))
        two.speech_probability(silence(CHUNK / SAMPLE_RATE))
    assert mixed[0] == alone[0]
    one.reset()
    assert [one.speech_probability(chunk) for chunk in chunks] == mixed


def test_wrong_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="512 samples"):
        SileroVad().speech_probability(np.zeros(100, np.float32))


def test_real_recordings(data_folder: Path) -> None:
    clips = sorted((data_folder / "lrc_ar" / "val").glob("*/*.mp4"))[::10]
    assert clips
    found = [
        bool(find_speech(np.concatenate([silence(0.5), sound.samples]), SAMPLE_RATE))
        for sound in map(read_audio, clips)
    ]
    assert np.mean(found) > 0.9
