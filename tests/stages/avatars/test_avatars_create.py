"""Avatars of pictures and videos, good and bad."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from nobodies import WriteVideo, face_of, sway, swaying

from visavis.core.errors import (
    Cancelled,
    FaceUnusable,
    FileUnreadable,
    NoFaceFound,
    NoVideoStream,
    PictureUnusable,
    SeveralFacesFound,
)
from visavis.core.types import Avatar, Picture, Waveform
from visavis.media.audio import write_wav
from visavis.media.picture import write_png
from visavis.media.upright_crop import CROP_SIDE
from visavis.models.face_landmarker.predictor import Face
from visavis.stages.avatars.check_video import check_video
from visavis.stages.avatars.create import create_avatar, create_from_picture
from visavis.stages.avatars.reading import Readers

pytestmark = pytest.mark.assets


def seam_and_usual(avatar: Avatar) -> tuple[float, float]:
    """Mean change from the last frame to the first, and the median change inside."""
    frames = avatar.frames.astype(np.int16)
    steps = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
    return float(np.abs(frames[-1] - frames[0]).mean()), float(np.median(steps))


def marks_error(avatar: Avatar, readers: Readers) -> float:
    """Largest mean distance of the track from landmarks found anew, in face widths."""
    worst = 0.0
    for i in range(0, len(avatar.frames), 7):
        face = readers.landmarker.detect(avatar.frames[i])
        assert face is not None
        error = np.linalg.norm(face.landmarks[:, :2] - avatar.track.landmarks[i, :, :2], axis=1)
        worst = max(worst, float(error.mean() / np.ptp(face.landmarks[:, 0])))
    return worst


def test_picture_becomes_one_frame_with_its_track(
    tmp_path: Path, mei: Picture, mei_face: Face
) -> None:
    path = tmp_path / "mei.png"
    write_png(path, mei)
    avatar, report = create_avatar(path, "Méi 梅", voice={"zh": "zf_xiaoxiao"})
    assert report.verdict == "ok"
    assert avatar.name == "Méi 梅"
    assert avatar.is_portrait
    assert np.array_equal(avatar.frames[0], mei)
    track = avatar.track
    assert track.landmarks.shape == (1, 478, 3)
    assert track.blendshapes is not None
    assert track.blendshapes.shape == (1, 52)
    assert track.pose is not None
    assert track.scores[0] > 0.9
    for array in (track.boxes, track.landmarks, track.to_crop, track.blendshapes, track.pose):
        assert array.dtype == np.float32
    assert np.abs(track.landmarks[0] - mei_face.landmarks)[:, :2].mean() < 3
    assert avatar.voice == {"zh": "zf_xiaoxiao"}
    assert avatar.info["source"] == "mei.png"
    assert len(avatar.info["source_sha256"]) == 64


def test_person_is_cut_out_of_the_background(mei: Picture, readers: Readers) -> None:
    avatar, _ = create_from_picture(mei, "x", readers=readers)
    assert avatar.mattes is not None
    assert avatar.mattes.shape == (1, 512, 512)
    assert avatar.mattes[0, 200:400, 200:320].min() > 240
    assert avatar.mattes[0, :30, :30].max() < 10


def test_doubtful_cut_out_is_left_out(mei: Picture, readers: Readers) -> None:
    class HalfBlind:
        def matte(self, image: Picture) -> Picture:
            alpha = np.full(image.shape[:2], 255, np.uint8)
            alpha[:, : image.shape[1] // 2] = 0
            return alpha

    avatar, _ = create_from_picture(mei, "x", readers=replace(readers, matting=HalfBlind()))
    assert avatar.mattes is None


@pytest.mark.parametrize("turn", [0, 25])
def test_crop_is_upright_and_holds_the_face(tmp_path: Path, mei: Picture, turn: int) -> None:
    matrix = cv2.getRotationMatrix2D((256, 256), -turn, 0.7)
    path = tmp_path / "turned.png"
    write_png(path, cv2.warpAffine(mei, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE))
    avatar, _ = create_avatar(path, "x")
    points = avatar.track.landmarks[0, :, :2]
    moved = points @ avatar.track.to_crop[0, :, :2].T + avatar.track.to_crop[0, :, 2]
    assert moved.min() > 0
    assert moved.max() < CROP_SIDE
    eyes = moved[263] - moved[33]
    assert eyes[0] > 50
    assert abs(eyes[1]) < 1
    assert moved[152, 1] > moved[10, 1]


@pytest.mark.parametrize(
    "kind", ["cmyk.jpg", "deep.png", "rotated.jpg", "grey.jpg", "a b ü 脸.webp"]
)
def test_pictures_of_all_kinds(tmp_path: Path, mei: Picture, kind: str) -> None:
    from PIL import Image

    path = tmp_path / kind
    image = Image.fromarray(mei)
    if kind == "cmyk.jpg":
        image.convert("CMYK").save(path, quality=95)
    elif kind == "deep.png":
        cv2.imwrite(str(path), mei[..., ::-1].astype(np.uint16) * 257)
    elif kind == "rotated.jpg":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.rotate(90, expand=True).save(path, exif=exif, quality=95)
    elif kind == "grey.jpg":
        image.convert("L").save(path, quality=95)
    else:
        image.save(path, quality=95)
    avatar, report = create_avatar(path, "x")
    assert report.verdict == "ok", report.describe()
    difference = np.abs(avatar.frames[0].mean(-1) - mei.mean(-1)).mean()
    assert difference < 12


def test_fifty_megapixels(tmp_path: Path, mei: Picture) -> None:
    scene = np.full((6144, 8192, 3), 170, np.uint8)
    scene[2048:4096, 3072:5120] = cv2.resize(mei, (2048, 2048), interpolation=cv2.INTER_CUBIC)
    path = tmp_path / "large.jpg"
    assert cv2.imwrite(str(path), scene[..., ::-1])
    avatar, report = create_avatar(path, "x")
    assert not report.failures
    assert max(avatar.frames.shape) <= 1280
    assert np.ptp(avatar.track.landmarks[0, :, 0]) > 200


def test_fifty_pixels(tmp_path: Path, mei: Picture) -> None:
    path = tmp_path / "small.png"
    write_png(path, cv2.resize(mei, (50, 50), interpolation=cv2.INTER_AREA))
    with pytest.raises(PictureUnusable, match="50 x 50 pixels"):
        create_avatar(path, "x")


def test_profile_is_refused_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "profile.png"
    write_png(path, face_of("profile"))
    with pytest.raises(FaceUnusable, match="look straight"):
        create_avatar(path, "x")
    avatar, report = create_avatar(path, "x", force=True)
    assert report.verdict == "fail"
    assert any("turned" in warning for warning in avatar.info["warnings"])


def test_force_makes_no_face_out_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "flat.png"
    write_png(path, np.full((200, 200, 3), 99, np.uint8))
    with pytest.raises(NoFaceFound):
        create_avatar(path, "x", force=True)


@pytest.mark.parametrize("name", ["text.png", "text.mp4", "text.txt", "missing.png", "missing"])
def test_what_is_no_picture(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.startswith("text"):
        path.write_text("this is a letter, " * 50)
    with pytest.raises(FileUnreadable, match=name):
        create_avatar(path, "x")


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    write_wav(path, Waveform(np.zeros(16000, np.float32), 16000))
    with pytest.raises(NoVideoStream, match="no moving picture"):
        create_avatar(path, "x")


def test_video_that_comes_back_is_looped_forward(
    write_video: WriteVideo, mei: Picture, readers: Readers
) -> None:
    path = write_video(swaying(mei, 150, 70))
    told: list[float] = []
    avatar, report = create_avatar(path, "x", progress=lambda what, done: told.append(done))
    assert not report.failures, report.describe()
    assert avatar.info["loop"] == "forward"
    assert len(avatar.frames) in (70, 140)
    assert avatar.track.landmarks.shape == (len(avatar.frames), 478, 3)
    seam, usual = seam_and_usual(avatar)
    assert seam <= 1.5 * usual
    assert marks_error(avatar, readers) < 0.02
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


def test_video_that_never_comes_back_goes_back_and_forth(
    write_video: WriteVideo, mei: Picture, readers: Readers
) -> None:
    small = cv2.resize(mei, (256, 256), interpolation=cv2.INTER_AREA)
    path = write_video(sway(small, -30 + 0.6 * i) for i in range(100))
    avatar, _ = create_avatar(path, "x")
    assert avatar.info["loop"] == "back and forth"
    seam, usual = seam_and_usual(avatar)
    assert usual > 0.2
    assert seam <= 1.5 * usual
    steps = np.linalg.norm(np.diff(avatar.track.landmarks[:, 4, :2], axis=0), axis=1)
    assert steps.max() < 3
    assert marks_error(avatar, readers) < 0.02


def test_face_in_half_of_the_frames(write_video: WriteVideo, mei: Picture) -> None:
    small = cv2.resize(mei, (256, 256), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    frames = [sway(small, 0.2 * i) for i in range(50)] + [noise] * 50
    path = write_video(frames)
    with pytest.raises(NoFaceFound, match="50% of the frames have no face; cut out where"):
        create_avatar(path, "x")
    avatar, _ = create_avatar(path, "x", force=True)
    assert avatar.info["loop_end"] <= 2.0
    assert (avatar.track.scores > 0).all()


def test_a_blink_of_the_detector_is_filled_in(write_video: WriteVideo, mei: Picture) -> None:
    frames = list(swaying(mei, 75, 60))
    for i in (30, 31, 32):
        frames[i] = np.full_like(frames[i], 90)
    path = write_video(frames)
    report = check_video(path)
    faces = next(i for i in report.items if i.name == "faces")
    assert faces.verdict == "warn"
    assert faces.found == "4% of the frames have no face"
    avatar, _ = create_avatar(path, "x")
    assert np.ptp(avatar.track.landmarks[:, 4, 0]) < 30


def test_only_one_shot_is_used(write_video: WriteVideo, mei: Picture, adam: Picture) -> None:
    first = list(swaying(adam, 30, 60))
    second = list(swaying(mei, 80, 60))
    path = write_video(first + second)
    avatar, report = create_avatar(path, "x")
    cuts = next(i for i in report.items if i.name == "cuts")
    assert cuts.verdict == "warn"
    assert cuts.found == "1 cut, the first at 1.2 seconds"
    assert avatar.info["loop_start"] >= 30 / 25
    brightness = avatar.frames.mean((1, 2, 3))
    assert np.ptp(brightness) < 5


def test_two_people_in_a_video(write_video: WriteVideo, mei: Picture, adam: Picture) -> None:
    left, right = swaying(mei, 40, 60), swaying(adam, 40, 60)
    path = write_video(np.hstack(pair) for pair in zip(left, right, strict=True))
    with pytest.raises(SeveralFacesFound, match=r"2 faces were found in 100% of the frames"):
        create_avatar(path, "x")


def test_video_without_a_face(write_video: WriteVideo) -> None:
    path = write_video([np.full((128, 128, 3), i, np.uint8) for i in range(40)])
    with pytest.raises(NoFaceFound, match="no face was found in any frame"):
        create_avatar(path, "x", force=True)


def test_half_a_second_is_too_short(write_video: WriteVideo, mei: Picture) -> None:
    path = write_video(swaying(mei, 12, 60))
    with pytest.raises(PictureUnusable, match=r"0\.5 seconds; record 4 to 20 seconds"):
        create_avatar(path, "x")


def test_stopping_leaves_nothing(write_video: WriteVideo, mei: Picture) -> None:
    path = write_video(swaying(mei, 60, 60))
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    with pytest.raises(Cancelled):
        create_avatar(path, "x", stop=stop)
    assert asked == 6


def test_still_video_has_a_loop_without_a_jump(write_video: WriteVideo, mei: Picture) -> None:
    small = cv2.resize(mei, (256, 256), interpolation=cv2.INTER_AREA)
    path = write_video([small] * 60)
    avatar, report = create_avatar(path, "x")
    assert not report.failures
    seam, _ = seam_and_usual(avatar)
    assert seam < 1.0


def test_clip_of_a_real_studio(data_folder: Path, readers: Readers) -> None:
    path = sorted((data_folder / "lrc_ar" / "val").glob("*/*.mp4"))[0]
    avatar, report = create_avatar(path, "x")
    assert not report.failures, report.describe()
    assert next(i for i in report.items if i.name == "length").verdict == "warn"
    assert len(avatar.frames) >= 20
    seam, usual = seam_and_usual(avatar)
    assert seam <= 1.5 * usual
    assert marks_error(avatar, readers) < 0.03


@pytest.mark.slow
def test_template_video_of_a_real_scene(data_folder: Path, readers: Readers) -> None:
    path = data_folder / "templates" / "woman-1080x1920-10s.mp4"
    avatar, report = create_avatar(path, "x", max_side=1000, seconds=3.0)
    assert not report.failures, report.describe()
    assert avatar.frames.shape[1:] == (1000, 562, 3)
    assert 25 <= len(avatar.frames) <= 75
    seam, usual = seam_and_usual(avatar)
    assert seam <= 1.5 * usual
    assert marks_error(avatar, readers) < 0.03
