"""A face whose mouth is drawn by a network: what every animator does, and what only this one does.

The network is tiny and knows nothing; what is looked at is what is done with it.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from conformance.animator_suite import AnimatorSuite, frames_of, make_speech, run
from conformance.lip_generator import write_tiny_generator
from visavis.core.errors import LicenceNotAccepted, MissingWeights, UnknownStage
from visavis.core.types import (
    FPS,
    Avatar,
    FaceTrack,
    Floats,
    Picture,
    Sentence,
    Speech,
    Waveform,
    replace,
)
from visavis.evaluation.lip_shape import lip_opening
from visavis.media.geometry import apply, invert
from visavis.models.face_landmarker.predictor import FaceLandmarker
from visavis.models.puppet.stand import Stand
from visavis.models.wav2lip.predictor import FaceFeatures, Wav2LipPredictor
from visavis.stages.animators import wav2lip_weights
from visavis.stages.animators.puppet import PuppetAnimator
from visavis.stages.animators.wav2lip import Wav2LipAnimator, Wav2LipPerformance
from visavis.stages.animators.wav2lip_faces import AvatarFaces, EncodedFace, FaceShelf
from visavis.stages.animators.wav2lip_weights import find_weights
from visavis.stages.avatars import store
from visavis.stages.avatars.tuned import find_tuned, keep_tuned, read_card

RATE = 24_000
pytestmark = pytest.mark.assets


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_generator(tmp_path_factory.mktemp("lips"))


@pytest.fixture(scope="module")
def portrait() -> Avatar:
    return store.load(store.DEFAULT)


@pytest.fixture(scope="module")
def loop(portrait: Avatar) -> Avatar:
    """Twelve frames of a head that sways: the portrait, shifted and turned by known amounts."""
    frames, tracks = [], []
    height, width = portrait.frames.shape[1:3]
    for i in range(12):
        phase = 2 * np.pi * i / 12
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 3 * np.sin(phase), 1.0)
        turn[:, 2] += (8 * np.cos(phase), 5 * np.sin(phase))
        frames.append(cv2.warpAffine(portrait.frames[0], turn, (width, height), borderMode=1))
        marks = portrait.track.landmarks[0].copy()
        marks[:, :2] = marks[:, :2] @ turn[:, :2].T + turn[:, 2]
        tracks.append(marks)
    landmarks = np.stack(tracks).astype(np.float32)
    boxes = np.concatenate([landmarks[..., :2].min(1), landmarks[..., :2].max(1)], 1)
    track = FaceTrack(boxes, landmarks, np.ones(12, np.float32), np.zeros((12, 2, 3), np.float32))
    return replace(portrait, name="swaying", frames=np.stack(frames), track=track, mattes=None)


def quiet(seconds: float, index: int = 0) -> Speech:
    sound = Waveform(np.zeros(round(seconds * RATE), np.float32), RATE)
    return Speech(1, Sentence(1, index, "", "en"), sound)


def lower_half(image: Picture) -> Floats:
    return image[len(image) // 2 :].astype(np.float32)


class TestOnAPortrait(AnimatorSuite):
    tolerance = 0.5
    seconds = 0.84

    @pytest.fixture
    def animator(self, weights: Path) -> Wav2LipAnimator:
        return Wav2LipAnimator(size=192, seed=3, weights=weights)

    @pytest.fixture
    def avatar(self, portrait: Avatar) -> Avatar:
        return portrait


class TestOnALoop(AnimatorSuite):
    tolerance = 0.5
    seconds = 0.84

    @pytest.fixture
    def animator(self, weights: Path) -> Wav2LipAnimator:
        return Wav2LipAnimator(size=192, seed=3, weights=str(weights))

    @pytest.fixture
    def avatar(self, loop: Avatar) -> Avatar:
        return loop


@pytest.fixture(params=["portrait", "loop"])
def avatar(request: pytest.FixtureRequest) -> Avatar:
    found: Avatar = request.getfixturevalue(request.param)
    return found


def open_still(weights: Path, avatar: Avatar) -> Wav2LipPerformance:
    return Wav2LipAnimator(size=192, liveliness="still", weights=weights).open(avatar)


class TestSilence:
    def test_between_turns_it_is_the_puppet(self, weights: Path, portrait: Avatar) -> None:
        drawn = Wav2LipAnimator(size=192, seed=5, weights=weights).open(portrait)
        puppet = PuppetAnimator(size=192, seed=5).open(portrait)
        for _ in range(40):
            assert np.array_equal(drawn.idle().image, puppet.idle().image)

    def test_a_loop_at_rest_keeps_its_own_pixels(self, weights: Path, loop: Avatar) -> None:
        performance = Wav2LipAnimator(size=None, weights=weights).open(loop)
        for i in range(15):
            assert np.array_equal(performance.idle().image, loop.frames[i % 12])

    def test_no_sound_no_mouth(self, weights: Path, avatar: Avatar) -> None:
        performance, idle = open_still(weights, avatar), open_still(weights, avatar)
        frames = frames_of(run(performance, quiet(1.0)))
        assert np.array_equal(frames, np.stack([idle.idle().image for _ in range(FPS)]))

    def test_the_mouth_comes_and_goes_without_a_jump(self, weights: Path, avatar: Avatar) -> None:
        performance, idle = open_still(weights, avatar), open_still(weights, avatar)
        pause = quiet(0.4).audio.samples
        words = make_speech(0.8).audio.samples
        said = Speech(
            1, Sentence(1, 0, "", "en"), Waveform(np.concatenate([pause, words, pause]), RATE)
        )
        frames = list(frames_of(run(performance, said)))
        frames += [performance.idle().image for _ in range(8)]
        away = np.array([
            np.abs(lower_half(f) - lower_half(idle.idle().image)).mean() for f in frames
        ])  # fmt: skip
        assert away[:4].max() == 0, "before anything is heard"
        assert away[-4:].max() == 0, "shut again"
        assert away.max() > 2, "a mouth was drawn"
        assert np.abs(np.diff(away)).max() < 0.7 * away.max(), "over several frames"

    def test_a_mouth_that_is_cut_off_shuts_over_some_frames(
        self, weights: Path, avatar: Avatar
    ) -> None:
        performance, idle = open_still(weights, avatar), open_still(weights, avatar)
        shown = [f for s in performance.feed(make_speech(1.0)) for f in s.frames]
        rest = [idle.idle().image for _ in range(len(shown) + 8)][-9:]
        performance.reset()
        frames = [shown[-1].image] + [performance.idle().image for _ in range(8)]
        away = [
            np.abs(lower_half(a) - lower_half(b)).mean() for a, b in zip(frames, rest, strict=True)
        ]
        assert away[0] > 2
        assert 0 < away[1] < 1.5 * away[0]
        assert all(b <= a + 0.2 for a, b in itertools.pairwise(away[1:]))
        assert away[-1] == 0


class TestGoingBack:
    def test_a_face_taken_back_goes_on_as_if_it_had_not_gone_ahead(
        self, weights: Path, avatar: Avatar
    ) -> None:
        ahead = Wav2LipAnimator(size=192, seed=3, weights=weights).open(avatar)
        plain = Wav2LipAnimator(size=192, seed=3, weights=weights).open(avatar)
        said = make_speech(1.6)
        shown = [f for s in ahead.feed(said) for f in s.frames]
        assert len(shown) > 20
        ahead.reset()
        ahead.rewind(9)
        # The other never went further than to picture 9.
        speech = plain.feed(said)
        assert [f for s in itertools.islice(speech, 2) for f in s.frames][-1].index == 9
        speech.close()  # type: ignore[attr-defined]
        plain.reset()
        for _ in range(8):
            assert np.array_equal(ahead.idle().image, plain.idle().image)


class TestTheFaceAroundIt:
    def test_emotions_show_around_a_mouth_that_speaks(
        self, weights: Path, portrait: Avatar
    ) -> None:
        said = make_speech(1.0)
        glad = replace(said, sentence=replace(said.sentence, emotion="happy", intensity=1.0))
        plain, happy = (
            frames_of(run(open_still(weights, portrait), one))[-1].astype(float)
            for one in (said, glad)
        )
        brows = slice(len(plain) // 4, len(plain) // 2)
        assert np.abs(plain - happy)[brows].mean() > 0.5

    def test_an_emotion_opens_no_lips_that_speak(self, weights: Path, portrait: Avatar) -> None:
        performance = open_still(weights, portrait)
        performance.feel("surprised", 1.0)
        for _ in range(20):
            performance.idle()
        looks = []
        draw = performance._draw
        performance._draw = lambda look: (looks.append(look), draw(look))[1]  # type: ignore[method-assign,func-returns-value,assignment]
        run(performance, make_speech(1.0))
        speaking = [look for look in looks if look.share == 1]
        assert speaking
        from visavis.models.common.units import UNIT_INDEX

        for name in ("jawOpen", "mouthUpperUpLeft", "mouthLowerDownRight", "mouthFunnel"):
            assert all(look.pose.units[UNIT_INDEX[name]] == 0 for look in speaking)
        assert all(look.pose.lips == 1 for look in speaking)

    def test_the_head_moves_with_a_portrait_and_not_with_a_loop(
        self, weights: Path, portrait: Avatar, loop: Avatar
    ) -> None:
        for one, moves in ((portrait, True), (loop, False)):
            performance = Wav2LipAnimator(size=192, liveliness="lively", weights=weights).open(one)
            frames = [performance.idle().image for _ in range(25)]
            same = np.array_equal(frames[0], frames[24] if one is portrait else frames[12])
            assert same is not moves

    def test_thrift_shows_pictures_twice(self, weights: Path, avatar: Avatar) -> None:
        whole, spared = open_still(weights, avatar), open_still(weights, avatar)
        spared.spare(True)
        for one, other in zip(
            run(whole, make_speech(0.8)), run(spared, make_speech(0.8)), strict=True
        ):
            for i, frame in enumerate(other.frames):
                assert np.array_equal(frame.image, one.frames[i - i % 2].image)


class TestWeights:
    def test_there_is_no_silent_default(self, portrait: Avatar, monkeypatch) -> None:
        with pytest.raises((LicenceNotAccepted, MissingWeights), match="--weights"):
            Wav2LipAnimator().open(portrait)

    def test_those_that_are_shipped_must_be_asked_for(
        self, weights: Path, portrait: Avatar, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wav2lip_weights, "_shipped", {"192": weights}.get)
        with pytest.raises(LicenceNotAccepted, match=r"research only.* to 192"):
            Wav2LipAnimator().open(portrait)
        Wav2LipAnimator(size=128, weights="192").open(portrait).close()
        with pytest.raises(MissingWeights, match=r"of 384 pixels.* 192"):
            Wav2LipAnimator(weights="384").open(portrait)

    def test_a_folder_without_a_network(self, portrait: Avatar, tmp_path: Path) -> None:
        with pytest.raises(MissingWeights, match="holds no lip generator"):
            Wav2LipAnimator(weights=tmp_path).open(portrait)

    def test_a_tuned_avatar_takes_its_own(
        self, weights: Path, portrait: Avatar, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("VISAVIS_HOME", str(tmp_path / "home"))
        shipped = Path(shutil.copytree(weights, tmp_path / "shipped"))
        monkeypatch.setattr(wav2lip_weights, "_shipped", {"192": shipped}.get)
        made = Path(shutil.copytree(weights, tmp_path / "made"))
        own = keep_tuned(portrait, made, {"steps": 3})
        assert not made.exists()
        assert find_weights("", portrait) == find_weights("192", portrait) == own
        assert find_weights("192", portrait, own_first=False) == shipped
        assert find_weights(weights, portrait) == weights
        assert read_card(own)["steps"] == 3  # type: ignore[index]
        again = Path(shutil.copytree(weights, tmp_path / "made"))
        assert keep_tuned(portrait, again, {"steps": 4}) == own
        assert read_card(own)["steps"] == 4  # type: ignore[index]
        assert [p.name for p in own.parent.iterdir()] == [own.name]
        # Another face of that name does not get it, nor does a name that no file can have.
        mirrored = replace(portrait, frames=portrait.frames[:, :, ::-1])
        assert find_weights("192", mirrored) != own
        assert find_tuned(replace(portrait, name="../" + portrait.name)) is None

    def test_an_enhancer_that_is_not_there(self, weights: Path, portrait: Avatar) -> None:
        with pytest.raises(UnknownStage, match=r"'nothing'.* span"):
            Wav2LipAnimator(weights=weights, enhancer="nothing").open(portrait)

    def test_what_is_drawn_can_be_enhanced(self, weights: Path, portrait: Avatar) -> None:
        class Doubling:
            seen = 0

            def enhance(self, faces: Picture) -> Picture:
                Doubling.seen += 1
                assert faces.shape == (1, 24, 24, 3)
                return faces.repeat(2, 1).repeat(2, 2)

        plain = open_still(weights, portrait)
        enhanced = Wav2LipPerformance(
            *PuppetAnimator(size=192, liveliness="still").set_up(portrait),
            plain._predictor,
            plain._faces,
            Doubling(),
        )
        frames = frames_of(run(enhanced, make_speech(0.6)))
        assert Doubling.seen > 5
        away = np.abs(frames.astype(int) - frames_of(run(plain, make_speech(0.6))))
        assert 0 < away.mean() < 1.5


class TestKeptFaces:
    def face(self, size: int) -> EncodedFace:
        maps = FaceFeatures((np.zeros(size - 3, np.uint8),), np.zeros((0, 1, 3), np.uint8))
        return EncodedFace(np.zeros((1, 1, 3), np.uint8), maps)

    def test_memory_is_bounded_and_a_loop_keeps_what_it_has(self) -> None:
        shelf = FaceShelf(1000)
        for frame in range(20):
            shelf.put("a", frame, self.face(100))
        assert shelf.nbytes == 1000
        assert [shelf.find("a", i) is not None for i in range(12)] == [True] * 10 + [False] * 2

    def test_the_avatar_unused_for_longest_gives_way(self) -> None:
        shelf = FaceShelf(1000)
        for name in "abc":
            for frame in range(3):
                shelf.put(name, frame, self.face(100))
        assert shelf.find("a", 0)
        for frame in range(4):
            shelf.put("d", frame, self.face(100))
        assert shelf.find("b", 0) is None
        assert shelf.find("a", 0)
        assert shelf.find("c", 0)
        assert shelf.nbytes == 1000

    def test_what_is_too_large_is_not_kept(self) -> None:
        shelf = FaceShelf(1000)
        shelf.put("a", 0, self.face(1001))
        assert shelf.nbytes == 0
        assert shelf.find("a", 0) is None

    def test_a_frame_is_encoded_once_for_all_sessions(
        self, weights: Path, loop: Avatar, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encoded = []
        encode = Wav2LipPredictor.encode
        monkeypatch.setattr(
            Wav2LipPredictor, "encode", lambda *a: (encoded.append(1), encode(*a))[1]
        )
        shelf = FaceShelf()
        for _ in range(2):
            faces = AvatarFaces(loop, Wav2LipPredictor(weights), "tiny", shelf)
            for i in range(30):
                faces.encoded(i)
        assert len(encoded) == len(loop.frames)

    def test_a_loop_is_encoded_while_nobody_speaks(
        self, weights: Path, loop: Avatar, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encoded = []
        encode = Wav2LipPredictor.encode
        monkeypatch.setattr(
            Wav2LipPredictor, "encode", lambda *a: (encoded.append(1), encode(*a))[1]
        )
        opened = open_still(weights, loop)
        shelf = FaceShelf()
        faces = AvatarFaces(loop, opened._predictor, "x", shelf)
        performance = Wav2LipPerformance(
            *PuppetAnimator(size=192, liveliness="still").set_up(loop), opened._predictor, faces
        )
        del encoded[:]
        performance.attend(True)
        performance.idle()
        assert not encoded, "who listens leaves the machine to those who hear"
        performance.attend(False)
        for _ in range(30):
            performance.idle()
        assert len(encoded) == len(loop.frames) - 1, "one was needed to open"
        one = FaceShelf(faces.encoded(0).nbytes)
        narrow = AvatarFaces(loop, opened._predictor, "x", one)
        narrow.encoded(0)
        del encoded[:]
        narrow.encode_ahead(5)
        assert not encoded, "what cannot be kept is not made ahead"

    def test_other_weights_and_other_avatars_do_not_mix(
        self, weights: Path, loop: Avatar, portrait: Avatar
    ) -> None:
        shelf = FaceShelf()
        predictor = Wav2LipPredictor(weights)
        one = AvatarFaces(loop, predictor, "one", shelf).encoded(0)
        assert AvatarFaces(loop, predictor, "one", shelf).encoded(12) is one
        assert AvatarFaces(loop, predictor, "two", shelf).encoded(0) is not one
        named_alike = replace(portrait, name=loop.name)
        assert AvatarFaces(named_alike, predictor, "one", shelf).encoded(0) is not one

    def test_a_portrait_is_referred_to_with_lips_a_little_apart(
        self, weights: Path, loop: Avatar, portrait: Avatar, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given: list[tuple[Picture, Picture]] = []
        encode = Wav2LipPredictor.encode
        monkeypatch.setattr(
            Wav2LipPredictor,
            "encode",
            lambda self, crops, references: (
                given.append((crops[0], references[0])),
                encode(self, crops, references),
            )[1],
        )
        landmarker = FaceLandmarker()

        def opening(avatar: Avatar, size: int | None) -> float:
            predictor = Wav2LipPredictor(weights)
            stand = None if size is None else Stand(avatar, size)
            AvatarFaces(avatar, predictor, "x", FaceShelf(), stand).encoded(0)
            frame, reference = given[-1]
            # Nothing but the mouth is elsewhere.
            top = slice(0, len(frame) // 2)
            if avatar.is_portrait:
                assert np.abs(frame[top].astype(int) - reference[top]).mean() < 6
            large = cv2.resize(reference, (384, 384), interpolation=cv2.INTER_CUBIC)
            face = landmarker.detect(large)
            assert face is not None
            return float(lip_opening(face.landmarks[None, :, :2])[0])

        shut, parted = opening(portrait, None), opening(portrait, 512)
        assert shut + 0.003 < parted < shut + 0.04
        # However large the stand is; and what one was encoded with is not taken for the other.
        shelf = FaceShelf()
        predictor = Wav2LipPredictor(weights)
        one, other = (
            AvatarFaces(portrait, predictor, "x", shelf, Stand(portrait, size)).encoded(0)
            for size in (384, 512)
        )
        assert one is not other
        assert opening(portrait, 384) == pytest.approx(parted, abs=0.015)
        assert opening(loop, 192) == pytest.approx(shut, abs=0.01)

    def test_squares_go_round_smoothly(self, weights: Path, loop: Avatar) -> None:
        squares = AvatarFaces(loop, Wav2LipPredictor(weights), "x", FaceShelf()).squares
        corners = np.stack([apply(invert(s.to_unit), [[0, 0], [1, 1]]).ravel() for s in squares])
        steps = np.abs(np.diff(np.concatenate([corners, corners[:1]]), axis=0)).max(1)
        assert steps[-1] <= steps[:-1].max() * 1.2
