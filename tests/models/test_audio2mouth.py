from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.core.errors import ChecksumMismatch
from visavis.core.types import Floats
from visavis.media.resampling import Resampler
from visavis.models.audio2mouth.features import (
    FLOOR_DB,
    HOP,
    LEAD,
    SAMPLE_RATE,
    SILENCE,
    WINDOW,
    log_mel,
    row_level,
)
from visavis.models.audio2mouth.predictor import (
    LOOKAHEAD_S,
    MouthFromSound,
    mouth_from_sound,
)
from visavis.models.common.units import MOUTH_UNITS
from visavis.models.puppet.coarticulation import mouth_track
from visavis.training.data.augmentation import NOISES, make_noise
from visavis.training.data.speech_corpus import Utterance, make_corpus, read_corpus
from visavis.training.recipes.audio2mouth_report import (
    CONDITIONS,
    correlate,
    find_lag,
    measure_speech,
    measure_videos,
    read_openings,
)

# Below what is measured (see the README), above what chance or an older network gives.
MIN_JAW = 0.8
MIN_JAW_BAD = 0.7
MIN_CLOSURES = 0.88
MIN_REAL = 0.1
JAW = MOUTH_UNITS.index("jawOpen")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder, "hibari", 12, seed=1)  # training used seed 0
    return list(read_corpus(folder))


@pytest.fixture(scope="module")
def sound(spoken: list[Utterance]) -> Floats:
    return np.concatenate([u.samples for u in spoken[:3]])


def tone(hz: float, level: float, seconds: float = 1.0) -> Floats:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def test_features_of_silence_and_of_a_tone() -> None:
    assert (log_mel(np.zeros(SAMPLE_RATE, np.float32)) == SILENCE).all()
    loud = log_mel(tone(1000, 1.0))
    assert loud.shape == ((SAMPLE_RATE - WINDOW) // HOP + 1, 80)
    assert loud.max() == pytest.approx(3, abs=0.2)  # full scale is 0 dB
    softer = log_mel(tone(1000, 0.1))
    assert loud.max() - softer.max() == pytest.approx(1, abs=0.01)  # 20 dB
    bands = [int(log_mel(tone(hz, 0.5)).mean(0).argmax()) for hz in (150, 400, 1000, 3000, 7000)]
    assert bands == sorted(set(bands))
    assert row_level(tone(1000, 1.0)).mean() == pytest.approx(-3, abs=0.1)
    assert row_level(np.zeros(WINDOW, np.float32))[0] == pytest.approx(FLOOR_DB)


def test_too_little_sound_has_no_features() -> None:
    assert log_mel(np.zeros(WINDOW - 1, np.float32)).shape == (0, 80)


@pytest.mark.parametrize("rate", [8000, 16_000, 24_000, 44_100])
def test_one_frame_for_every_40_ms(rate: int) -> None:
    for count in (0, 1, rate // 25 - 1, rate // 25, rate // 25 + 1, rate):
        mouth = mouth_from_sound(np.zeros(count, np.float32), rate)
        assert mouth.shape == (-(-count * 25 // rate), 12)
        assert mouth.dtype == np.float32


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=12), st.sampled_from([16_000, 24_000]))
def test_chunks_equal_the_whole(sound: Floats, sizes: list[int], rate: int) -> None:
    count = sum(sizes)
    samples = sound[8000 : 8000 + count]
    whole = mouth_from_sound(samples, rate)
    stream = MouthFromSound(rate)
    edges = np.cumsum([0, *sizes])
    pieces = [stream.feed(samples[a:b]) for a, b in pairwise(edges)]
    chunked = np.concatenate([*pieces, stream.flush()])
    np.testing.assert_allclose(chunked, whole, atol=1e-4)


def test_holds_back_no_more_than_it_says(sound: Floats) -> None:
    stream = MouthFromSound()
    shown = 0
    for fed in range(640, len(sound), 640):
        shown += len(stream.feed(sound[fed - 640 : fed]))
        assert shown >= int((fed / SAMPLE_RATE - LOOKAHEAD_S) * 25)
    assert LOOKAHEAD_S <= 0.2


def test_reset_and_flush_forget(sound: Floats) -> None:
    fresh = mouth_from_sound(sound[:32_000], SAMPLE_RATE)
    stream = MouthFromSound()
    stream.feed(sound[:50_123])
    stream.reset()
    again = np.concatenate([stream.feed(sound[:32_000]), stream.flush()])
    np.testing.assert_array_equal(again, fresh)
    once_more = np.concatenate([stream.feed(sound[:32_000]), stream.flush()])
    np.testing.assert_array_equal(once_more, fresh)


def test_streams_on_threads_do_not_mix(sound: Floats) -> None:
    inputs = [sound[i * 4000 : i * 4000 + 40_000] for i in range(4)]
    wanted = [mouth_from_sound(i, SAMPLE_RATE) for i in inputs]
    found: dict[int, Floats] = {}

    def work(number: int) -> None:
        stream = MouthFromSound()
        pieces = [stream.feed(inputs[number][a : a + 3000]) for a in range(0, 40_000, 3000)]
        found[number] = np.concatenate([*pieces, stream.flush()])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, mouth in enumerate(wanted):
        np.testing.assert_allclose(found[number], mouth, atol=1e-4)


def test_mouth_follows_speech(spoken: list[Utterance]) -> None:
    figures = measure_speech(spoken, CONDITIONS["clean"])
    assert figures["correlation"]["jawOpen"] > MIN_JAW
    assert figures["gap_correlation"] > MIN_JAW
    assert figures["closures"] > 30
    assert figures["closures_seen"] > MIN_CLOSURES
    assert figures["wrongly_shut"] < 0.09
    assert figures["lag_frames"] == 0


@pytest.mark.parametrize("condition", [name for name in CONDITIONS if name != "clean"])
def test_mouth_follows_bad_recordings(spoken: list[Utterance], condition: str) -> None:
    figures = measure_speech(spoken, CONDITIONS[condition])
    assert figures["correlation"]["jawOpen"] > MIN_JAW_BAD
    assert figures["lag_frames"] == 0


def test_measure_of_lag_finds_it() -> None:
    jaw = np.random.default_rng(0).random(200)
    for lag in (-3, 0, 2):
        assert find_lag(np.roll(jaw, lag), jaw) == lag


def test_shut_in_silence() -> None:
    silence = np.zeros(5 * SAMPLE_RATE, np.float32)
    assert mouth_from_sound(silence, SAMPLE_RATE).max() == 0
    faint = 1e-4 * np.random.default_rng(0).standard_normal(5 * SAMPLE_RATE).astype(np.float32)
    assert mouth_from_sound(faint, SAMPLE_RATE).max() == 0


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("level", [-55, -35, -20])
def test_shut_in_steady_noise(kind: str, level: int) -> None:
    noise = make_noise(kind, 6 * SAMPLE_RATE, np.random.default_rng(level + 100))  # type: ignore[arg-type]
    mouth = mouth_from_sound(noise * np.float32(10 ** ((level + 20) / 20)), SAMPLE_RATE)
    assert mouth[:, JAW].max() < 0.03


def test_shut_before_and_after_speech(spoken: list[Utterance]) -> None:
    gap = np.zeros(SAMPLE_RATE, np.float32)
    mouth = mouth_from_sound(np.concatenate([gap, spoken[0].samples, gap]), SAMPLE_RATE)
    assert mouth[:20].max() == 0
    assert mouth[-18:].max() == 0
    assert mouth[:, JAW].max() > 0.2


def test_bad_samples_do_no_harm(sound: Floats) -> None:
    broken = sound[:32_000].copy()
    broken[5000:5010] = np.nan
    broken[6000] = np.inf
    mouth = mouth_from_sound(broken, SAMPLE_RATE)
    assert np.isfinite(mouth).all()
    assert 0 <= mouth.min() <= mouth.max() <= 1


def test_broken_weights_are_named(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"not a network")
    with pytest.raises(ChecksumMismatch, match=r"net\.onnx"):
        MouthFromSound(model=tmp_path / "net.onnx")


def test_real_recordings_move_as_the_sound_says(data_folder: Path) -> None:
    folder = data_folder / "lrc_ar" / "val"
    videos = list(read_openings(folder, most=60))
    figures = measure_videos(videos)
    assert figures["videos"] >= 45
    assert figures["median_correlation"] > MIN_REAL
    assert abs(figures["lag_frames"]) <= 1
    # The sound of another video must not do as well.
    others = [(name, videos[i - 7][1], opening) for i, (name, _, opening) in enumerate(videos)]
    chance = measure_videos(others)["mean_correlation_at_lag"][0]
    assert figures["mean_correlation_at_lag"][0] > chance + 0.1


def test_telephone_sound_moves_the_same_mouth(sound: Floats) -> None:
    down = Resampler(SAMPLE_RATE, 8000)
    narrow = np.concatenate([down.feed(sound), down.flush()])
    wide = mouth_from_sound(sound, SAMPLE_RATE)[:, JAW]
    assert correlate(mouth_from_sound(narrow, 8000)[: len(wide), JAW], wide) > 0.8


def test_marks_and_sound_agree_on_when_there_is_speech(spoken: list[Utterance]) -> None:
    for u in spoken[:6]:
        mouth = mouth_from_sound(u.samples, SAMPLE_RATE)
        track = mouth_track(u.marks, SAMPLE_RATE, 0, len(mouth))
        assert np.mean((mouth[:, JAW] > 0.05) == (track[:, JAW] > 0.05)) > 0.85


def test_lead_is_even_around_the_frame() -> None:
    # Row 4 i begins as much before frame i as row 4 i + 3 ends after it.
    assert LEAD == WINDOW - HOP - LEAD
