"""Whether a picture is fit to be an avatar, and what to do when it is not.

The limits were set on 600 painted faces (poses to 56 degrees, sunglasses, hats, beards, open and
shut mouths) and on the default faces blurred, shrunk and painted over.
"""

from __future__ import annotations

from dataclasses import dataclass

from visavis.core.types import Picture
from visavis.stages.avatars.quality import Quality, measure_quality
from visavis.stages.avatars.reading import Readers, Reading, read_face, shared_readers
from visavis.stages.avatars.report import CheckItem, CheckName, CheckReport, Verdict

SMALLEST_PICTURE = 64
MIN_WIDTH, GOOD_WIDTH = 96.0, 200.0
"""Pixels of face."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Where a measure starts to warn and to fail; above, or below when ``warn > fail``."""

    warn: float
    fail: float

    def judge(self, value: float) -> Verdict:
        """Compare a measure."""
        rising = self.fail >= self.warn
        if value >= self.fail if rising else value <= self.fail:
            return "fail"
        return "warn" if (value > self.warn if rising else value < self.warn) else "ok"


NEVER = float("inf")
WIDTH = Limit(warn=GOOD_WIDTH, fail=MIN_WIDTH - 1e-3)
YAW = Limit(warn=15, fail=30)
PITCH = Limit(warn=16, fail=30)
ROLL = Limit(warn=20, fail=50)
SHARPNESS = Limit(warn=0.02, fail=0.006)
MOUTH_GAP = Limit(warn=0.02, fail=0.1)
EYES_SHUT = Limit(warn=0.4, fail=0.6)
MOUTH_COVER = Limit(warn=0.2, fail=0.3)
LIP_LINE = Limit(warn=0.045, fail=0.02)
LIP_TINT = Limit(warn=3.0, fail=-NEVER)
NO_TINT, FAINT_LINE, ODD_COLOUR = 2.0, 0.06, 0.12
"""Lips no redder than the skin may be a drawing's; with one more oddity they are covered."""
EYE_CONTRAST = Limit(warn=0.25, fail=0.18)
BRIGHTNESS = Limit(warn=60, fail=25)
OVEREXPOSED = Limit(warn=0.03, fail=0.3)
SIDE_LIGHT = Limit(warn=0.45, fail=NEVER)
OUTSIDE = Limit(warn=0.0, fail=0.02)
HEADROOM = Limit(warn=-0.15, fail=-NEVER)


def check_picture(
    image: Picture, source: str = "the picture", readers: Readers | None = None
) -> CheckReport:
    """Look at everything that a portrait needs.

    Args:
        image: RGB uint8 (H, W, 3).
        source: What to call it.
        readers: The networks; None takes the process's own.

    Raises:
        MissingWeights: The networks are not on this machine.
    """
    height, width = image.shape[:2]
    size = f"{width} x {height} pixels"
    if min(height, width) < SMALLEST_PICTURE:
        advice = f"give a picture of at least {SMALLEST_PICTURE} pixels a side, better 512"
        return CheckReport(source, "picture", (CheckItem("picture", "fail", size, advice),))
    picture = CheckItem("picture", "ok", size)
    reading = read_face(image, readers or shared_readers())
    return CheckReport(source, "picture", (picture, *check_reading(reading)))


def check_reading(reading: Reading) -> tuple[CheckItem, ...]:
    """Judge a picture whose faces have been found."""
    faces = judge_faces(reading)
    if reading.face is None or faces.verdict == "fail":
        return (faces,)
    return (faces, *judge_quality(measure_quality(reading.frame, reading.face)))


def judge_faces(reading: Reading) -> CheckItem:
    """Exactly one face."""
    sizes = [f"{round(d.box[2] - d.box[0])} pixels" for d in reading.detections]
    if not sizes:
        return CheckItem(
            "faces",
            "fail",
            "no face was found",
            "give a picture of one face that looks at the camera, lit and uncovered",
        )
    if reading.face is None:
        return CheckItem(
            "faces",
            "fail",
            f"a face {sizes[0]} wide was found, but not its eyes and mouth",
            "give a picture in which the face is frontal, sharp and uncovered",
        )
    if reading.rivals:
        count = 1 + len(reading.rivals)
        wide = ", ".join(s.removesuffix(" pixels") for s in sizes[:count])
        return CheckItem(
            "faces",
            "fail",
            f"{count} faces were found ({wide} pixels wide)",
            "cut the picture so that one face is left",
            several=True,
        )
    if len(sizes) > 1:
        return CheckItem(
            "faces",
            "warn",
            f"one face {sizes[0]} wide, and {len(sizes) - 1} small in the background",
            "the largest is taken; cut the others off for a calm background",
        )
    return CheckItem("faces", "ok", f"one face {sizes[0]} wide")


def judge_quality(quality: Quality) -> tuple[CheckItem, ...]:
    """Judge what was measured of a face."""
    return (
        _judge_size(quality),
        _judge_pose(quality),
        _judge_border(quality),
        _judge_sharpness(quality),
        _judge_mouth_cover(quality),
        _judge_eye_cover(quality),
        _judge_mouth_gap(quality),
        _judge_eyes(quality),
        _judge_light(quality),
    )


def _item(name: CheckName, verdict: Verdict, found: str, advice: str) -> CheckItem:
    return CheckItem(name, verdict, found, "" if verdict == "ok" else advice)


def worst(*verdicts: Verdict) -> Verdict:
    """The worst of several."""
    return "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "ok"


def _judge_size(q: Quality) -> CheckItem:
    return _item(
        "size",
        WIDTH.judge(q.width),
        f"the face is {q.width:.0f} pixels wide",
        f"come closer or give a larger picture: {GOOD_WIDTH:.0f} pixels look good,"
        f" {MIN_WIDTH:.0f} are the least",
    )


def _judge_pose(q: Quality) -> CheckItem:
    parts, verdicts = [], []
    for limit, angle, one, other in (
        (YAW, q.yaw, "to the right", "to the left"),
        (PITCH, q.pitch, "up", "down"),
        (ROLL, q.roll, "tilted clockwise", "tilted anticlockwise"),
    ):
        verdict = limit.judge(abs(angle))
        verdicts.append(verdict)
        if verdict != "ok":
            turned = one if angle > 0 else other
            parts.append(f"{'' if 'tilted' in turned else 'turned '}{turned} by {abs(angle):.0f}°")
    found = f"the head is {' and '.join(parts)}" if parts else "the head is frontal"
    return _item("frontal", worst(*verdicts), found, "look straight at the camera, held level")


def _judge_border(q: Quality) -> CheckItem:
    if OUTSIDE.judge(q.outside) == "fail":
        return CheckItem(
            "inside",
            "fail",
            f"{q.outside:.0%} of the face lies beyond the picture's border",
            "give a picture that shows the whole face, from the hair to the chin",
        )
    cut = worst(OUTSIDE.judge(q.outside), HEADROOM.judge(q.headroom))
    return _item(
        "inside",
        cut,
        "the whole face is in the picture" if cut == "ok" else "the head is cut off",
        "leave some room above the hair and below the chin",
    )


def _judge_sharpness(q: Quality) -> CheckItem:
    verdict = SHARPNESS.judge(q.sharpness)
    words = {"ok": "sharp", "warn": "a little soft", "fail": "blurred"}
    return _item(
        "sharp",
        verdict,
        f"the face is {words[verdict]} ({q.sharpness:.3f})",
        "focus on the eyes, hold still, or give the original instead of a shrunk copy",
    )


def _judge_mouth_cover(q: Quality) -> CheckItem:
    verdict = worst(LIP_TINT.judge(q.lip_tint), MOUTH_COVER.judge(q.mouth_cover))
    if q.mouth_gap <= MOUTH_GAP.warn:
        # Between open lips lie teeth or the dark of the mouth: a line there proves nothing.
        verdict = worst(verdict, LIP_LINE.judge(q.lip_line))
    if q.lip_tint < NO_TINT and (q.lip_line < FAINT_LINE or q.mouth_cover > ODD_COLOUR):
        verdict = "fail"
    found = {
        "ok": "the mouth is in full view",
        "warn": "something may lie over the mouth",
        "fail": "the mouth is covered",
    }[verdict]
    return _item("mouth seen", verdict, found, "take hand, mask or cup away from the mouth")


def _judge_eye_cover(q: Quality) -> CheckItem:
    verdict = EYE_CONTRAST.judge(q.eye_contrast)
    if q.eyes_shut > EYES_SHUT.warn:
        verdict = "ok"  # shut eyes have no whites; the item on them says so
    found = {
        "ok": "the eyes are in full view",
        "warn": "the eyes are hard to see",
        "fail": "the eyes are covered",
    }[verdict]
    return _item("eyes seen", verdict, found, "take dark glasses, hair or shadow off the eyes")


def _judge_mouth_gap(q: Quality) -> CheckItem:
    verdict = MOUTH_GAP.judge(q.mouth_gap)
    found = {"ok": "shut", "warn": "a little open", "fail": "wide open"}[verdict]
    return _item(
        "mouth shut",
        verdict,
        f"the mouth is {found}",
        "close the lips without showing teeth: the mouth at rest is taken from this picture",
    )


def _judge_eyes(q: Quality) -> CheckItem:
    verdict = EYES_SHUT.judge(q.eyes_shut)
    found = {"ok": "open", "warn": "half shut", "fail": "shut"}[verdict]
    return _item("eyes open", verdict, f"the eyes are {found}", "open the eyes")


def _judge_light(q: Quality) -> CheckItem:
    dark = BRIGHTNESS.judge(q.brightness)
    glare = OVEREXPOSED.judge(q.overexposed)
    side = SIDE_LIGHT.judge(q.side_light)
    parts = []
    if dark != "ok":
        parts.append("dark")
    if glare != "ok":
        parts.append(f"white without detail in {q.overexposed:.0%} of its area")
    if side != "ok":
        parts.append("lit from one side only")
    found = f"the face is {' and '.join(parts)}" if parts else "the face is evenly lit"
    return _item("light", worst(dark, glare, side), found, "use soft light from the front")
