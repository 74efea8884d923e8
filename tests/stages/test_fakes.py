"""What the fakes promise beyond the suites that they share with the real stages."""

import numpy as np
import pytest

from visavis.core.errors import StageError
from visavis.core.types import FPS, Sentence, Speech, Waveform
from visavis.stages import fakes


async def test_tones_have_exact_marks() -> None:
    sentence = Sentence(1, 0, "Hello 世界 ok", "en")
    speeches = [s async for s in fakes.ToneSynthesizer().speak(sentence, "tone_low")]
    words = [m for s in speeches for m in s.marks if m.kind == "word"]
    assert [m.text for m in words] == ["Hello", "世", "界", "ok"]
    for speech, mark in zip(speeches, words, strict=True):
        assert mark.start == speech.audio.offset
        assert mark.end - mark.start == len(speech.audio.samples)
        assert abs(float(speech.audio.samples[0])) < 1e-6, "tones begin and end without a click"
        assert abs(float(speech.audio.samples[-1])) < 1e-6


def test_the_bar_is_as_high_as_the_sound_is_loud() -> None:
    performance = fakes.PaintingAnimator(lookahead_frames=0).open(fakes.make_avatar(size=40))
    sound = np.concatenate([np.full(960 * 3, level, np.float32) for level in (0.0, 0.5, 1.0)])
    speech = Speech(1, Sentence(1, 0, "x", "en"), Waveform(sound, 24_000))
    frames = [f.image for s in performance.feed(speech) for f in s.frames]
    heights = [int((frame[:, 20] == (255, 0, 0)).all(axis=1).sum()) for frame in frames]
    assert heights[0] == 0
    assert heights[4] == 20
    assert heights[8] == 40


def test_the_lookahead_is_held_back() -> None:
    performance = fakes.PaintingAnimator(lookahead_frames=4).open(fakes.make_avatar())
    assert performance.lookahead == pytest.approx(4 / FPS)
    speech = Speech(1, Sentence(1, 0, "x", "en"), Waveform(np.zeros(24_000, np.float32), 24_000))
    assert sum(len(s.frames) for s in performance.feed(speech)) == FPS - 4
    assert sum(len(s.frames) for s in performance.flush()) == 4


async def test_failures_come_when_asked_for() -> None:
    responder = fakes.EchoResponder("A long enough answer", fail=True)
    from visavis.core.types import Message

    pieces = []

    async def read() -> None:
        async for piece in responder.reply([Message("user", "?")]):
            pieces.append(piece)

    with pytest.raises(StageError):
        await read()
    assert pieces == ["A lo"]
