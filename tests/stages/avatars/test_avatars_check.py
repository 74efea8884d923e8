"""What a check finds in pictures, fit and unfit."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from nobodies import face_of

from visavis.core.errors import (
    FaceUnusable,
    InputError,
    NoFaceFound,
    PictureUnusable,
    SeveralFacesFound,
)
from visavis.core.types import Picture
from visavis.models.face_landmarker.predictor import Face
from visavis.stages.avatars.check import check_picture
from visavis.stages.avatars.quality import measure_quality
from visavis.stages.avatars.reading import Readers, frame_picture
from visavis.stages.avatars.report import CheckItem, CheckReport

pytestmark = pytest.mark.assets


def item(report: CheckReport, name: str) -> CheckItem:
    return next(i for i in report.items if i.name == name)


def blur(image: Picture, sigma: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def scale_light(image: Picture, factor: float) -> Picture:
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def fill(image: Picture, points: np.ndarray, colour: tuple[int, int, int]) -> Picture:
    out = image.copy()
    cv2.fillConvexPoly(out, cv2.convexHull(points.astype(np.int32)), colour)
    return out


def lower_face(face: Face) -> np.ndarray:
    points = face.landmarks[:468, :2]
    return points[points[:, 1] > points[4, 1]]


@pytest.mark.parametrize("name", ["mei", "adam", "ruth"])
def test_shipped_faces_are_flawless(name: str) -> None:
    report = check_picture(face_of(name), name)
    assert report.verdict == "ok", report.describe()
    assert len(report.items) == 11


def test_grey_picture_is_fit(mei: Picture) -> None:
    grey = np.repeat(cv2.cvtColor(mei, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    assert check_picture(grey).verdict == "ok"


@pytest.mark.parametrize("name", ["beard", "glasses", "hat", "veil"])
def test_beards_glasses_hats_and_veils_cover_nothing(name: str) -> None:
    report = check_picture(face_of(name))
    assert item(report, "mouth seen").verdict == "ok"
    assert item(report, "eyes seen").verdict == "ok"
    assert report.verdict != "fail"


@pytest.mark.parametrize("name", ["mei", "adam", "ruth"])
@pytest.mark.parametrize("colour", [(150, 190, 215), (235, 235, 238), (30, 30, 32)])
def test_pleated_masks(name: str, colour: tuple[int, int, int], readers: Readers) -> None:
    image = face_of(name)
    face = readers.landmarker.detect(image)
    assert face is not None
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(lower_face(face).astype(np.int32)), 1)
    rows = np.arange(image.shape[0])[:, None, None]
    pleats = (1 + 0.1 * np.sin(rows / 7)) * (1 - 0.35 * (np.abs(rows % 35 - 17) < 2))
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    cloth = np.asarray(cv2.GaussianBlur(colour * pleats + noise, (0, 0), 1))
    image[mask > 0] = np.clip(cloth, 0, 255)[mask > 0]
    assert item(check_picture(image), "mouth seen").verdict == "fail"


@pytest.mark.parametrize("name", ["mei", "adam", "ruth"])
def test_fingers_over_the_mouth(name: str, readers: Readers) -> None:
    image = face_of(name)
    face = readers.landmarker.detect(image)
    assert face is not None
    x, y = (int(v) for v in face.landmarks[151, :2])
    palm = cv2.resize(image[y - 20 : y + 20, x - 55 : x + 55], (150, 110))
    for k in (1, 2, 3):
        palm[:, k * 37 - 1 : k * 37 + 1] = palm[:, k * 37 - 1 : k * 37 + 1] * 0.6
    x, y = (int(v) for v in face.landmarks[13, :2])
    image[y - 55 : y + 55, x - 75 : x + 75] = palm
    assert item(check_picture(image), "mouth seen").verdict == "fail"


@pytest.mark.parametrize("kind", ["noise", "flat", "stripes"])
def test_no_face(kind: str) -> None:
    rng = np.random.default_rng(3)
    image = {
        "noise": rng.integers(0, 256, (480, 640, 3), dtype=np.uint8),
        "flat": np.full((300, 300, 3), 128, np.uint8),
        "stripes": np.repeat(
            (np.indices((256, 256)).sum(0) // 9 % 2 * 200).astype(np.uint8)[..., None], 3, axis=2
        ),
    }[kind]
    report = check_picture(image, "a.png")
    assert [i.name for i in report.failures] == ["faces"]
    with pytest.raises(NoFaceFound, match=r"^a\.png: no face was found; give a picture"):
        report.raise_failures()


def test_two_faces_name_both_sizes(mei: Picture, adam: Picture) -> None:
    small = cv2.resize(adam, (300, 300), interpolation=cv2.INTER_AREA)
    both = np.full((512, 812, 3), 200, np.uint8)
    both[:, :512], both[212:, 512:] = mei, small
    report = check_picture(both, "two.png")
    with pytest.raises(SeveralFacesFound, match=r"2 faces were found \(2\d\d, 1\d\d pixels wide\)"):
        report.raise_failures()


def test_somebody_small_in_the_background_is_a_warning(mei: Picture, adam: Picture) -> None:
    crowd = np.full((512, 640, 3), 200, np.uint8)
    crowd[:, :512] = mei
    crowd[400:500, 520:620] = cv2.resize(adam, (100, 100), interpolation=cv2.INTER_AREA)
    report = check_picture(crowd)
    assert item(report, "faces").verdict == "warn"
    assert "background" in item(report, "faces").found
    assert not report.failures


UNFIT: dict[str, tuple[str, Callable[[Picture, Face], Picture]]] = {
    "blurred": ("sharp", lambda im, f: blur(im, 6)),
    "tiny": ("size", lambda im, f: cv2.resize(im, (150, 150), interpolation=cv2.INTER_AREA)),
    "dark": ("light", lambda im, f: scale_light(im, 0.05)),
    "blown out": ("light", lambda im, f: scale_light(im, 2.2)),
    "blue mask": ("mouth seen", lambda im, f: fill(im, lower_face(f), (120, 170, 210))),
    "white mask": ("mouth seen", lambda im, f: fill(im, lower_face(f), (240, 240, 240))),
    "black mask": ("mouth seen", lambda im, f: fill(im, lower_face(f), (20, 20, 20))),
    "skin-coloured cloth": ("mouth seen", lambda im, f: fill(im, lower_face(f), (222, 188, 170))),
    "black bar over the eyes": (
        "eyes seen",
        lambda im, f: fill(im, f.landmarks[[70, 105, 107, 336, 334, 300, 347, 118], :2], (15,) * 3),
    ),
    "chin cut off": ("inside", lambda im, f: im[: int(f.landmarks[17, 1])]),
    "side cut off": ("inside", lambda im, f: im[:, int(f.landmarks[159, 0]) :]),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_unfit(kind: str, mei: Picture, mei_face: Face) -> None:
    name, spoil = UNFIT[kind]
    report = check_picture(np.ascontiguousarray(spoil(mei, mei_face)), "p.jpg")
    failed = {i.name for i in report.failures}
    assert name in failed or failed == {"faces"}, report.describe()
    with pytest.raises(InputError) as caught:
        report.raise_failures()
    message = str(caught.value)
    assert message.startswith("p.jpg: ")
    assert "\n" not in message
    assert all(i.advice for i in report.failures)


@pytest.mark.parametrize(
    ("face", "name", "verdict"),
    [
        ("profile", "frontal", "fail"),
        ("turned", "frontal", "warn"),
        ("sunglasses", "eyes seen", "fail"),
        ("shout", "mouth shut", "fail"),
        ("laugh", "mouth shut", "warn"),
        ("squint", "eyes open", "warn"),
    ],
)
def test_painted_people(face: str, name: str, verdict: str) -> None:
    report = check_picture(face_of(face))
    assert item(report, name).verdict == verdict, report.describe()
    assert (verdict == "fail") == bool(report.failures), report.describe()


def test_profile_is_refused_with_the_angle() -> None:
    with pytest.raises(FaceUnusable, match=r"turned to the left by 5\d°.*look straight"):
        check_picture(face_of("profile")).raise_failures()


def test_light_from_one_side_is_a_warning(mei: Picture) -> None:
    ramp = np.linspace(0.02, 1.1, mei.shape[1])[None, :, None]
    report = check_picture(np.clip(mei * ramp, 0, 255).astype(np.uint8))
    assert item(report, "light").verdict == "warn"
    assert "one side" in item(report, "light").found


def test_picture_of_fifty_pixels(mei: Picture) -> None:
    report = check_picture(cv2.resize(mei, (50, 50), interpolation=cv2.INTER_AREA), "s.png")
    with pytest.raises(PictureUnusable, match=r"^s\.png: 50 x 50 pixels; give a picture of at"):
        report.raise_failures()


@pytest.mark.parametrize("turn", [-30, 30])
def test_roll_is_found_with_its_side(mei: Picture, turn: int) -> None:
    matrix = cv2.getRotationMatrix2D((256, 256), -turn, 0.7)
    turned = cv2.warpAffine(mei, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    found = item(check_picture(turned), "frontal")
    assert found.verdict == "warn"
    side = "clockwise" if turn > 0 else "anticlockwise"
    degrees = int(found.found.split(" by ")[1].split("°")[0])
    assert f"tilted {side}" in found.found
    assert abs(degrees - 30) <= 3


def test_measures_do_not_depend_on_size(mei: Picture, readers: Readers) -> None:
    qualities = []
    for side in (512, 384):
        image = np.asarray(cv2.resize(mei, (side, side), interpolation=cv2.INTER_AREA))
        face = readers.landmarker.detect(image)
        assert face is not None
        qualities.append(measure_quality(image, face))
    one, two = qualities
    assert two.width == pytest.approx(one.width * 0.75, rel=0.03)
    for name in ("yaw", "pitch", "roll"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), abs=1.0)
    for name in ("lip_line", "eye_contrast", "brightness"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), rel=0.2)


def test_sharpness_falls_with_blur(mei: Picture, mei_face: Face) -> None:
    values = [measure_quality(blur(mei, s), mei_face).sharpness for s in (0.3, 1, 2, 4, 8)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 20 * values[-1]


def test_large_picture_is_cut_to_the_head_rather_than_shrunk_away(mei: Picture) -> None:
    scene = np.full((2400, 3600, 3), 180, np.uint8)
    scene[1400:1912, 2600:3112] = mei
    box = np.array([2718, 1500, 3000, 1862], np.float32)
    frame, corner, scale = frame_picture(scene, box, 1280)
    assert max(frame.shape) <= 1280
    assert (box[2] - box[0]) * scale > 250
    inside = (box.reshape(2, 2) - corner) * scale
    assert (inside > 0).all()
    assert (inside < frame.shape[1::-1]).all()


def test_frames_have_even_sides() -> None:
    frame, _, _ = frame_picture(np.zeros((333, 1999, 3), np.uint8), None, 1280)
    assert frame.shape == (212, 1280, 3)


def test_report_is_plain_json(mei: Picture) -> None:
    import json

    described = json.loads(json.dumps(check_picture(mei, "x").describe()))
    assert described["verdict"] == "ok"
    assert {"name", "verdict", "found", "advice"} == set(described["items"][0])
