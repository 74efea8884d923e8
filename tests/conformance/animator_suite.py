"""What every animator must do."""

from collections.abc import Iterator

import numpy as np
import pytest

from visavis.core.protocols import Animator, Performance
from visavis.core.types import FPS, Avatar, Mark, Segment, Sentence, Speech, VideoFrame, Waveform

RATE = 24_000


def make_sentence(turn: int = 1, index: int = 0) -> Sentence:
    return Sentence(turn, index, "words", "en")


def make_speech(seconds: float, *, turn: int = 1, seed: int = 0, marks: bool = True) -> Speech:
    """Buzzing syllables, four a second, with a pause at the end of each."""
    rng = np.random.default_rng(seed)
    length = round(seconds * RATE)
    times = np.arange(length) / RATE
    pitch = rng.uniform(90, 200)
    buzz = sum(np.sin(2 * np.pi * pitch * k * times) / k for k in range(1, 12))
    gate = np.clip(8 * np.abs(np.sin(2 * np.pi * 2 * times)) - 3, 0, 1)
    samples = (0.15 * buzz * gate).astype(np.float32)
    step = RATE // 8
    spelled = tuple(
        Mark("phoneme", "mabufio"[i % 7], i * step, (i + 1) * step) for i in range(length // step)
    )
    sound = Waveform(samples, RATE)
    return Speech(turn, make_sentence(turn), sound, spelled if marks else ())


def cut(speech: Speech, sizes: list[int]) -> Iterator[Speech]:
    """Cut a speech into pieces of the given sizes, repeated; marks go with the piece they begin in."""
    start, number, total = 0, 0, len(speech.audio.samples)
    while start < total:
        end = min(start + sizes[number % len(sizes)], total)
        marks = tuple(m for m in speech.marks if start <= m.start < end)
        sound = Waveform(speech.audio.samples[start:end], RATE, start)
        yield Speech(speech.turn, speech.sentence, sound, marks, is_last=end == total)
        start, number = end, number + 1


def run(performance: Performance, *speeches: Speech) -> list[Segment]:
    segments = [segment for speech in speeches for segment in performance.feed(speech)]
    return segments + list(performance.flush())


def sound_of(segments: list[Segment]) -> np.ndarray:
    return np.concatenate([s.audio.samples for s in segments] or [np.zeros(0, np.float32)])


def frames_of(segments: list[Segment]) -> np.ndarray:
    return np.stack([frame.image for s in segments for frame in s.frames])


class AnimatorSuite:
    """Subclass with the fixtures ``animator`` (made anew for each test) and ``avatar``."""

    tolerance = 0.0
    """Mean difference of grey levels that two ways to the same frame may have."""
    seconds = 1.3

    @pytest.fixture
    def twin(self, animator: Animator) -> Animator:
        """Give a second animator with the same seed; override where weights are dear to load."""
        return animator

    def assert_same(self, left: list[Segment], right: list[Segment]) -> None:
        a, b = frames_of(left), frames_of(right)
        assert a.shape == b.shape
        worst = max(
            float(np.abs(x.astype(np.int16) - y.astype(np.int16)).mean())
            for x, y in zip(a, b, strict=True)
        )
        assert worst <= self.tolerance, f"frames differ by {worst:.3f} grey levels"
        assert np.array_equal(sound_of(left), sound_of(right))

    def test_is_an_animator(self, animator: Animator, avatar: Avatar) -> None:
        assert isinstance(animator, Animator)
        performance = animator.open(avatar)
        assert isinstance(performance, Performance)
        assert 0 <= performance.lookahead <= 1.0
        performance.close()
        performance.close()

    def test_segments_hold_sound_and_frames_together(
        self, animator: Animator, avatar: Avatar
    ) -> None:
        performance = animator.open(avatar)
        speech = make_speech(self.seconds + 0.013)
        segments = run(performance, speech)
        position = 0
        for segment in segments:
            assert segment.turn == speech.turn
            assert segment.sentence == speech.sentence
            assert segment.audio.sample_rate == RATE
            assert segment.audio.samples.dtype == np.float32
            assert segment.audio.offset == position
            assert 1 <= len(segment.frames) <= 5, "chunks are 200 ms or less"
            assert len(segment.frames) == len(segment.audio.samples) * FPS // RATE
            for number, frame in enumerate(segment.frames):
                assert isinstance(frame, VideoFrame)
                assert frame.index == position * FPS // RATE + number
                assert frame.image.dtype == np.uint8
                assert frame.image.shape == segments[0].frames[0].image.shape
                assert frame.image.shape[2] == 3
            position += len(segment.audio.samples)
        fed = speech.audio.samples
        made = sound_of(segments)
        assert np.array_equal(made[: len(fed)], fed), "the sound comes out as it went in"
        assert 0 <= len(made) - len(fed) < RATE // FPS, "padded to a whole frame and no further"
        assert not made[len(fed) :].any(), "padded with silence"
        performance.close()

    @pytest.mark.parametrize("marks", [True, False], ids=["marks", "sound only"])
    def test_chunked_equals_whole(self, animator: Animator, avatar: Avatar, marks: bool) -> None:
        speech = make_speech(self.seconds, marks=marks)
        whole = run(animator.open(avatar), speech)
        chunked = run(animator.open(avatar), *cut(speech, [777, 4801, 960, 3333]))
        self.assert_same(whole, chunked)

    def test_same_seed_same_output(
        self, animator: Animator, twin: Animator, avatar: Avatar
    ) -> None:
        speech = make_speech(self.seconds)
        self.assert_same(run(animator.open(avatar), speech), run(twin.open(avatar), speech))

    def test_two_sessions_do_not_mix(self, animator: Animator, avatar: Avatar) -> None:
        left, right = make_speech(self.seconds, seed=1), make_speech(self.seconds, turn=7, seed=2)
        alone = run(animator.open(avatar), left), run(animator.open(avatar), right)
        first, second = animator.open(avatar), animator.open(avatar)
        mixed: tuple[list[Segment], list[Segment]] = ([], [])
        for a, b in zip(cut(left, [4800]), cut(right, [4800]), strict=True):
            mixed[0].extend(first.feed(a))
            mixed[1].extend(second.feed(b))
        mixed[0].extend(first.flush())
        mixed[1].extend(second.flush())
        self.assert_same(alone[0], mixed[0])
        self.assert_same(alone[1], mixed[1])

    def test_reset_forgets_all_sound(self, animator: Animator, avatar: Avatar) -> None:
        performance = animator.open(avatar)
        list(performance.feed(make_speech(self.seconds, turn=1, seed=1)))
        performance.reset()
        assert list(performance.flush()) == []
        after = make_speech(self.seconds, turn=2, seed=2)
        segments = run(performance, after)
        assert {s.turn for s in segments} == {2}
        assert segments[0].audio.offset == 0
        assert segments[0].frames[0].index == 0
        length = len(after.audio.samples)
        assert np.array_equal(sound_of(segments)[:length], after.audio.samples)

    def test_can_be_broken_off_at_any_segment(self, animator: Animator, avatar: Avatar) -> None:
        performance = animator.open(avatar)
        for count in range(4):
            generator = performance.feed(make_speech(0.9, turn=count))
            for _ in range(count):
                next(generator)
            generator.close()  # type: ignore[attr-defined]
            performance.reset()
        segments = run(performance, make_speech(0.4, turn=9))
        assert {s.turn for s in segments} == {9}
        assert segments[0].audio.offset == 0

    def test_turns_follow_one_another(self, animator: Animator, avatar: Avatar) -> None:
        performance = animator.open(avatar)
        first = run(performance, make_speech(0.5, turn=1))
        idle = performance.idle()
        second = run(performance, make_speech(0.5, turn=2, seed=3))
        assert {s.turn for s in second} == {2}
        assert idle.image.shape == first[0].frames[0].image.shape
        assert idle.image.dtype == np.uint8

    def test_takes_sound_of_any_length(self, animator: Animator, avatar: Avatar) -> None:
        performance = animator.open(avatar)
        for length in (0, 1, 959, 960, 961):
            sound = Waveform(np.full(length, 0.1, np.float32), RATE)
            segments = run(performance, Speech(1, make_sentence(), sound))
            assert sum(len(s.frames) for s in segments) == -(-length // 960)
            performance.reset()

    def test_one_second_stays_one_second(self, animator: Animator, avatar: Avatar) -> None:
        segments = run(animator.open(avatar), make_speech(1.0))
        assert sum(len(s.frames) for s in segments) == FPS
