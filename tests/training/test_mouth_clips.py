from __future__ import annotations

import numpy as np
import pytest

from visavis.models.audio2mouth.features import SILENCE
from visavis.training.data.mouth_clips import MouthClips, stack
from visavis.training.data.speech_corpus import Utterance

FRAMES, LEFT, RIGHT = 50, 48, 4


@pytest.fixture(scope="module")
def clips(bursts: Utterance) -> MouthClips:
    return MouthClips([bursts], FRAMES, LEFT, RIGHT, seed=4)


def test_shapes_and_ranges(clips: MouthClips) -> None:
    features, mouth, speaking = stack([clips.make(i) for i in range(4)])
    assert features.shape == (4, 4 * (LEFT + FRAMES + RIGHT), 80)
    assert features.dtype == np.float32
    assert features.min() >= SILENCE - 1e-6
    assert features.max() < 4
    assert mouth.shape == (4, FRAMES, 12)
    assert 0 <= mouth.min() <= mouth.max() <= 1
    assert speaking.shape == (4, FRAMES)


def test_same_number_same_clip(clips: MouthClips, bursts: Utterance) -> None:
    again = MouthClips([bursts], FRAMES, LEFT, RIGHT, seed=4)
    np.testing.assert_array_equal(clips.make(9).features, again.make(9).features)
    np.testing.assert_array_equal(clips.make(9).mouth, again.make(9).mouth)
    assert not np.array_equal(clips.make(9).features, clips.make(10).features)


def test_mouth_and_sound_are_at_the_same_time(clips: MouthClips) -> None:
    correlations = []
    for i in range(30):
        clip = clips.make(i)
        loud = clip.features.reshape(-1, 4, 80).max(axis=(1, 2))[LEFT : LEFT + FRAMES]
        jaw = clip.mouth[:, 0]
        if jaw.std() > 0.05 and loud.std() > 0.3:
            both = [np.corrcoef(np.roll(jaw, s)[5:-5], loud[5:-5])[0, 1] for s in range(-4, 5)]
            correlations.append(both)
    assert len(correlations) > 5
    assert abs(int(np.mean(correlations, axis=0).argmax()) - 4) <= 1


def test_some_clips_are_silent(clips: MouthClips) -> None:
    silent = [clips.make(i) for i in range(60)]
    assert any(not clip.mouth.any() and not clip.speaking.any() for clip in silent)
