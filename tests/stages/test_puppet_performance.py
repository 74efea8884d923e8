"""The puppet's performance beyond what every animator must do."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visavis.core.errors import FaceUnusable, MissingWeights, NoFaceFound, StageError
from visavis.core.types import (
    Avatar,
    FaceTrack,
    Mark,
    Sentence,
    Speech,
    Waveform,
    replace,
)
from visavis.models.assets import locate
from visavis.models.common.units import ARKIT_UNITS, MOUTH_UNITS, UNIT_INDEX
from visavis.models.puppet.motion import Motion
from visavis.stages.animators.expression import Expression
from visavis.stages.animators.puppet import PuppetAnimator
from visavis.stages.avatars import store
from visavis.stages.synthesizers.hibari import HibariSynthesizer

RATE = 24_000
JAW = UNIT_INDEX["jawOpen"]


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return store.load(store.DEFAULT)


def mouth(**channels: float) -> np.ndarray:
    return np.array([channels.get(name, 0.0) for name in MOUTH_UNITS], np.float32)


def speech(text: str, seconds: float, index: int = 0, *, marks: bool = True) -> Speech:
    count = round(seconds * RATE)
    rng = np.random.default_rng(index)
    samples = (0.2 * rng.standard_normal(count)).astype(np.float32)
    each = count // len(text)
    spelled = tuple(Mark("phoneme", c, i * each, (i + 1) * each) for i, c in enumerate(text))
    sentence = Sentence(1, index, text, "en")
    return Speech(1, sentence, Waveform(samples, RATE), spelled if marks else ())


def frames_of(animator: PuppetAnimator, avatar: Avatar, said: Speech) -> np.ndarray:
    performance = animator.open(avatar)
    segments = [*performance.feed(said), *performance.flush()]
    return np.stack([frame.image for segment in segments for frame in segment.frames])


class TestMouthNetwork:
    def animator(self, weights: str | Path = "") -> PuppetAnimator:
        return PuppetAnimator(size=160, liveliness="still", weights=weights)

    def test_a_chosen_network_hears_though_there_are_marks(self, avatar: Avatar) -> None:
        spelt, unspelt = (
            frames_of(self.animator(), avatar, speech("mɑmɑ", 1.0, marks=marks))
            for marks in (True, False)
        )
        heard = frames_of(self.animator(locate("audio2mouth")), avatar, speech("mɑmɑ", 1.0))
        assert not np.array_equal(heard, spelt)
        assert np.array_equal(heard, unspelt)

    @pytest.mark.parametrize("weights", ["192", "/nowhere/x.onnx", "."])
    def test_weights_that_are_none_of_the_puppets(self, avatar: Avatar, weights: str) -> None:
        with pytest.raises(MissingWeights, match="the puppet has no weights"):
            self.animator(weights).open(avatar)


class TestExpression:
    def expression(self) -> Expression:
        return Expression(Motion(1, "still"))

    def test_a_mouth_cut_off_in_the_middle_closes_without_a_jump(self) -> None:
        expression = self.expression()
        expression.speak(0, mouth(jawOpen=0.6), 1.0, "neutral", 0.5)
        jaws = [expression.idle(i).units[JAW] for i in range(1, 12)]
        assert 0.2 < jaws[0] < 0.45
        assert all(b <= a for a, b in itertools.pairwise(jaws))
        assert jaws[-1] == 0

    def test_an_emotion_comes_on_over_half_a_second(self) -> None:
        expression = self.expression()
        smile = UNIT_INDEX["mouthSmileLeft"]
        smiles = [expression.speak(i, mouth(), 0.0, "happy", 1.0).units[smile] for i in range(25)]
        assert smiles[0] < 0.2 < 0.5 < smiles[-1]
        assert max(np.diff(smiles)) < 0.15

    @pytest.mark.parametrize("emotion", ["happy", "fear", "disgusted", "surprised"])
    def test_lips_that_must_meet_do_so_whatever_is_felt(self, emotion: str) -> None:
        expression = self.expression()
        closed = mouth(jawOpen=0.1, mouthClose=0.1, mouthPress=0.6)
        for i in range(30):
            pose = expression.speak(i, closed, 0.5, emotion, 1.0)  # type: ignore[arg-type]
        for name in ("mouthUpperUpLeft", "mouthLowerDownRight", "mouthStretchLeft"):
            assert pose.units[UNIT_INDEX[name]] < 0.05

    def test_units_stay_within_their_range(self) -> None:
        expression = Expression(Motion(2, "lively"), "surprised", 1.0)
        for i in range(200):
            pose = expression.speak(i, mouth(jawOpen=1.0, mouthSmile=1.0), 1.0, "happy", 1.0)
            assert pose.units.shape == (len(ARKIT_UNITS),)
            assert pose.units.min() >= 0
            assert pose.units.max() <= 1


class TestPerformance:
    def animator(self) -> PuppetAnimator:
        return PuppetAnimator(size=160, liveliness="still")

    def test_the_mouth_moves_in_speech_and_is_shut_in_silence(self, avatar: Avatar) -> None:
        performance = self.animator().open(avatar)
        # The lower third of the picture changes with the jaw and with nothing else: "still".
        rest = performance.idle().image[100:].astype(int)
        said = speech("mɑmɑmɑ", 1.2)
        quiet = Speech(
            1, replace(said.sentence, index=1), Waveform(np.zeros(RATE, np.float32), RATE)
        )
        frames = [
            f.image[100:].astype(int)
            for s in [*performance.feed(said), *performance.flush()]
            for f in s.frames
        ]
        moved = [np.abs(f - rest).mean() for f in frames]
        assert max(moved) > 2.0
        silent = [
            np.abs(f.image[100:].astype(int) - rest).mean()
            for s in [*performance.feed(quiet), *performance.flush()]
            for f in s.frames
        ]
        assert max(silent[8:]) < 0.3

    def test_a_sentence_that_is_flushed_at_a_comma_goes_on_in_time(self, avatar: Avatar) -> None:
        whole = speech("mɑ,mɑ", 1.01)
        half = len(whole.audio.samples) // 2
        first = replace(
            whole,
            audio=Waveform(whole.audio.samples[:half], RATE),
            marks=tuple(m for m in whole.marks if m.start < half),
        )
        rest = replace(
            whole,
            audio=Waveform(whole.audio.samples[half:], RATE, half),
            marks=tuple(m for m in whole.marks if m.start >= half),
        )
        performance = self.animator().open(avatar)
        segments = [*performance.feed(first), *performance.flush()]
        flushed = sum(len(s.audio.samples) for s in segments)
        assert 0 < flushed - half < RATE // 25, "padded to a whole frame"
        segments += [*performance.feed(rest), *performance.flush()]
        told = [mark for s in segments for mark in s.marks]
        assert [m.text for m in told] == [m.text for m in whole.marks]
        for mark, before in zip(told, whole.marks, strict=True):
            late = flushed - half if before.start >= half else 0
            assert mark.start == before.start + late
        sound = np.concatenate([s.audio.samples for s in segments])
        assert np.array_equal(sound[:half], whole.audio.samples[:half])
        assert np.array_equal(sound[flushed : flushed + 1000], rest.audio.samples[:1000])

    def test_speech_in_pieces_moves_the_mouth_as_it_does_at_once(
        self, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = "Please bring your identity card and a photograph before Friday."
        pieces = list(HibariSynthesizer().iterate(Sentence(1, 0, text, "en"), ""))
        assert len(pieces) > 2
        sound = np.concatenate([piece.audio.samples for piece in pieces])
        marks = tuple(mark for piece in pieces for mark in piece.marks)
        whole = replace(pieces[-1], audio=Waveform(sound, RATE), marks=marks)
        seen: list[list[np.ndarray]] = []
        speak = Expression.speak

        def watch(face: Expression, number: int, mouth: np.ndarray, *rest: Any) -> Any:
            seen[-1].append(mouth.copy())
            return speak(face, number, mouth, *rest)

        monkeypatch.setattr(Expression, "speak", watch)
        told = []
        for speeches in (pieces, [whole]):
            performance = self.animator().open(avatar)
            seen.append([])
            segments = [s for one in speeches for s in performance.feed(one)]
            told.append([m for s in [*segments, *performance.flush()] for m in s.marks])
        assert np.array_equal(seen[0], seen[1])
        assert told[0] == told[1]

    def test_a_thrifty_face_shows_pictures_twice_and_says_the_same(self, avatar: Avatar) -> None:
        said = speech("mɑmɑmɑ", 1.2)
        whole, spared = self.animator().open(avatar), self.animator().open(avatar)
        spared.spare(True)
        usual = [*whole.feed(said), *whole.flush()]
        fewer = [*spared.feed(said), *spared.flush()]
        for one, other in zip(usual, fewer, strict=True):
            assert np.array_equal(one.audio.samples, other.audio.samples)
            assert (one.marks, one.picture) == (other.marks, other.picture)
            assert [f.index for f in one.frames] == [f.index for f in other.frames]
            for i, frame in enumerate(other.frames):
                assert np.array_equal(frame.image, one.frames[i - i % 2].image)
                assert i % 2 == 0 or frame.image is other.frames[i - 1].image

    def test_sentences_of_two_rates_follow_each_other(self, avatar: Avatar) -> None:
        performance = self.animator().open(avatar)
        first = speech("ɑ", 0.5)
        sound = Waveform(np.zeros(22_050 // 2, np.float32), 22_050)
        second = Speech(
            1, replace(first.sentence, index=1), sound, (Mark("phoneme", "i", 0, 9000),)
        )
        segments = [*performance.feed(first), *performance.feed(second), *performance.flush()]
        numbers = [f.index for s in segments for f in s.frames]
        assert numbers == list(range(len(numbers)))
        assert {s.audio.sample_rate for s in segments} == {RATE, 22_050}

    @pytest.mark.assets
    def test_marks_then_sound_alone_in_one_stream(self, avatar: Avatar) -> None:
        performance = self.animator().open(avatar)
        with_marks, without = speech("ɑ", 0.5), speech("ɑ", 0.5, 1, marks=False)
        segments = [*performance.feed(with_marks), *performance.feed(without), *performance.flush()]
        assert sum(len(s.frames) for s in segments) == 26  # 12.5 frames each, rounded up
        assert [s.sentence.index for s in segments if s.sentence] == sorted(
            s.sentence.index for s in segments if s.sentence
        )

    def test_memory_of_a_long_stream_is_bounded(self, avatar: Avatar) -> None:
        performance = self.animator().open(avatar)
        sentence = Sentence(1, 0, "x", "en")
        chunk = np.zeros(RATE // 5, np.float32)
        for i in range(60):
            marks = (Mark("phoneme", "ɑ", i * RATE // 5, i * RATE // 5 + 2000),)
            said = Speech(1, sentence, Waveform(chunk, RATE, i * RATE // 5), marks)
            list(performance.feed(said))
        assert len(performance._sound) < 5 * RATE
        assert len(performance._marks) < 40

    def test_a_rate_without_whole_frames_is_refused(self, avatar: Avatar) -> None:
        performance = self.animator().open(avatar)
        odd = Waveform(np.zeros(100, np.float32), 11_111)
        with pytest.raises(StageError, match="11111 Hz"):
            list(performance.feed(Speech(1, Sentence(1, 0, "x", "en"), odd)))

    def test_an_avatar_without_a_face_is_refused(self, avatar: Avatar) -> None:
        track = avatar.track
        none = FaceTrack(track.boxes[:0], track.landmarks[:0], track.scores[:0], track.to_crop[:0])
        with pytest.raises(NoFaceFound):
            self.animator().open(replace(avatar, track=none))
        few = replace(track, landmarks=track.landmarks[:, :68])
        with pytest.raises(FaceUnusable, match="68"):
            self.animator().open(replace(avatar, track=few))

    @pytest.mark.assets
    def test_driven_by_somebody_it_does_the_same(self, avatar: Avatar) -> None:
        from visavis.models.face_landmarker.predictor import FaceLandmarker
        from visavis.models.puppet.renderer import Pose
        from visavis.models.puppet.stand import Stand

        # The driver is another puppet, whose jaw and yaw are known; the landmarker follows it.
        driver, landmarker = Stand(store.load("adam"), 256), FaceLandmarker()
        jaw = 0.25 * (1 - np.cos(np.arange(20) * 0.7))
        yaw = 4 * np.sin(np.arange(20) * 0.3)
        faces = []
        for j, y in zip(jaw, yaw, strict=True):
            units = np.zeros(len(ARKIT_UNITS), np.float32)
            units[JAW] = j
            face = landmarker.detect(driver.render(0, Pose(units=units, yaw=float(y))))
            assert face is not None
            faces.append(face)
        track = FaceTrack(
            boxes=np.stack([f.box for f in faces]),
            landmarks=np.stack([f.landmarks for f in faces]),
            scores=np.ones(20, np.float32),
            to_crop=np.zeros((20, 2, 3), np.float32),
            blendshapes=np.stack([f.blendshapes for f in faces]),
            pose=np.stack([f.pose for f in faces]),
        )
        performance = PuppetAnimator(size=256, liveliness="still").open(avatar)
        shown = [landmarker.detect(f.image) for f in performance.drive(track)]
        gaps = [float(np.linalg.norm(f.landmarks[13] - f.landmarks[14])) for f in shown if f]
        turns = [float(f.pose[0]) for f in shown if f]
        assert len(gaps) == 20
        assert np.corrcoef(gaps, jaw)[0, 1] > 0.9
        assert np.corrcoef(turns, yaw)[0, 1] > 0.9
        assert min(gaps) < 4 < 15 < max(gaps)
