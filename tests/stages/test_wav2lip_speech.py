"""What a lip generator hears, in pieces and at once."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from visavis.core.types import FPS, Floats, Waveform
from visavis.media.audio import read_audio
from visavis.media.resampling import resample
from visavis.models.common.mel import SAMPLE_RATE, SILENCE, log_mel, mel_windows
from visavis.stages.animators.wav2lip_speech import SILENT, Heard, SpeechTimeline

FIXTURES = Path(__file__).parent.parent / "fixtures"
pytestmark = pytest.mark.assets


@pytest.fixture(scope="module")
def speech() -> Waveform:
    """Three seconds of speech between a second of silence before and two after."""
    sound = resample(read_audio(FIXTURES / "speech_en.wav"), 24_000)
    quiet = np.zeros(24_000, np.float32)
    return Waveform(np.concatenate([quiet, sound.samples[: 3 * 24_000], quiet, quiet]), 24_000)


def hear(timeline: SpeechTimeline, sound: Waveform, sizes: list[int]) -> list[Heard]:
    """All frames of a sound that comes in pieces, each taken as soon as it is ready."""
    heard: list[Heard] = []
    start, pieces = 0, itertools.cycle(sizes)
    while start < len(sound.samples):
        piece = sound.samples[start : start + next(pieces)]
        timeline.choose(())
        timeline.add(Waveform(piece, sound.sample_rate, start), ())
        start += len(piece)
        ready = min(timeline.ready(), start * FPS // sound.sample_rate)
        heard += timeline.take(len(heard), ready - len(heard), sound.sample_rate)
        timeline.drop_before(len(heard) - 14)
    timeline.finish()
    rest = -(-len(sound.samples) * FPS // sound.sample_rate) - len(heard)
    return heard + list(timeline.take(len(heard), rest, sound.sample_rate))


def windows_of(heard: list[Heard]) -> Floats:
    return np.stack([h.window for h in heard])


@pytest.mark.parametrize("lead", [0, 1, 2])
@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_windows_are_those_of_the_whole_sound(speech: Waveform, rate: int, lead: int) -> None:
    sound = resample(speech, rate)
    heard = hear(SpeechTimeline(lead), sound, [len(sound.samples)])
    mel = log_mel(resample(sound, SAMPLE_RATE).samples)
    wanted = mel_windows(mel, np.arange(len(heard)) - lead)
    # At both ends the whole sound's rows are repeated; the stream has silence there.
    np.testing.assert_allclose(windows_of(heard)[3:-8], wanted[3:-8], atol=2e-3)


def test_pieces_give_what_the_whole_gives(speech: Waveform) -> None:
    whole = hear(SpeechTimeline(2), speech, [len(speech.samples)])
    for sizes in ([777, 4801, 960, 3333], [100], [24_000]):
        pieces = hear(SpeechTimeline(2), speech, sizes)
        assert len(pieces) == len(whole) == 6 * FPS
        np.testing.assert_allclose(windows_of(pieces), windows_of(whole), atol=1e-4)
        np.testing.assert_allclose(
            [h.speaking for h in pieces], [h.speaking for h in whole], atol=1e-3
        )


def test_a_frame_is_ready_when_its_lookahead_was_heard(speech: Waveform) -> None:
    from visavis.stages.animators.wav2lip import LOOKAHEAD_FRAMES

    timeline = SpeechTimeline(2)
    for frame in range(60):
        timeline.add(Waveform(speech.samples[frame * 960 : (frame + 1) * 960], 24_000), ())
        assert timeline.ready() >= frame + 1 - LOOKAHEAD_FRAMES


def test_it_tells_speech_from_silence(speech: Waveform) -> None:
    speaking = np.array([h.speaking for h in hear(SpeechTimeline(2), speech, [2400])])
    assert speaking[: FPS // 2].max() == 0
    assert speaking[2 * FPS : 3 * FPS].mean() > 0.8
    assert speaking[-FPS:].max() == 0


def test_what_follows_the_sound_is_silence(speech: Waveform) -> None:
    timeline = SpeechTimeline(0)
    timeline.add(Waveform(speech.samples[: 2 * 24_000 + 500], 24_000), ())
    timeline.finish()
    (last,) = timeline.take(50, 1, 24_000)
    assert last.window[:, 0].max() > SILENCE
    assert np.all(last.window[:, 8:] == SILENCE)


def test_a_mouth_cut_off_hears_silence_come_nearer() -> None:
    heard = Heard(np.ones_like(SILENT.window), 1.0)
    quiet = []
    for _ in range(6):
        heard = heard.fall_silent()
        quiet.append(int((heard.window[0] == SILENCE).sum()))
    assert quiet == [3, 6, 9, 12, 15, 16]
    assert heard.speaking == 0


def test_memory_of_a_long_stream_is_bounded() -> None:
    timeline = SpeechTimeline(2)
    rng = np.random.default_rng(0)
    for second in range(30):
        noise = rng.standard_normal(24_000).astype(np.float32) * 0.1
        timeline.add(Waveform(noise, 24_000), ())
        timeline.drop_before(second * FPS)
    assert len(timeline._rows) < 250
    assert len(timeline._speaking) < 100
    assert len(timeline._sound) < 2 * SAMPLE_RATE
    (heard,) = timeline.take(29 * FPS, 1, 24_000)
    assert heard.window.max() > 0


def test_what_is_not_finite_is_silence() -> None:
    timeline = SpeechTimeline(2)
    timeline.add(Waveform(np.full(24_000, np.nan, np.float32), 24_000), ())
    timeline.finish()
    assert all(np.isfinite(h.window).all() for h in timeline.take(0, 25, 24_000))
