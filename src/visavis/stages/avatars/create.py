"""From a picture or a video to an Avatar."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import visavis
from visavis.core.errors import Cancelled, FileUnreadable
from visavis.core.types import FPS, Avatar, Floats, Picture
from visavis.media.files import unreadable
from visavis.media.picture import read_picture
from visavis.media.upright_crop import CROP_SIDE
from visavis.media.video import probe, read_video
from visavis.stages.avatars.check import SMALLEST_PICTURE, check_reading
from visavis.stages.avatars.check_video import SHORTEST_SECONDS, judge_scan
from visavis.stages.avatars.loop import Loop, find_loop, smooth_round
from visavis.stages.avatars.reading import MAX_SIDE, Readers, Reading, read_face, shared_readers
from visavis.stages.avatars.report import CheckItem, CheckReport
from visavis.stages.avatars.scan import Progress, Scan, Stop, crop_even, level_pose, scan_video
from visavis.stages.avatars.track import make_track, track_faces

PICTURE_SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".png",
        ".webp",
        ".bmp",
        ".tif",
        ".tiff",
        ".avif",
        ".jp2",
        ".ppm",
        ".pgm",
        ".pnm",
        ".tga",
        ".mpo",
    ]
)
VIDEO_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".ts",
        ".m2ts",
        ".wmv",
        ".flv",
        ".ogv",
        ".3gp",
        ".gif",
    ]
)
LOOP_SECONDS = 10.0
FRAME_BYTES = 800_000_000
"""Most memory of a loop's frames; ten seconds of 720 x 1280 are 690 MB."""
SMOOTHING = 0.8
"""Frames, standard deviation: what the landmarks tremble by without following late."""

_SURE_MATTE = 0.93
"""Mean opacity of the face's box from which on a matte is believed; its corners are hair or air."""

_BLOCK = 1 << 20


def create_avatar(
    path: str | Path,
    name: str,
    *,
    voice: Mapping[str, str] | None = None,
    force: bool = False,
    max_side: int = MAX_SIDE,
    seconds: float = LOOP_SECONDS,
    readers: Readers | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> tuple[Avatar, CheckReport]:
    """Make an avatar of a picture or a video.

    Args:
        path: Of the picture or video.
        name: What to call it.
        voice: Its voice in each language; empty leaves the choice to whoever speaks with it.
        force: Make it although something about the face is unfit, as long as it can be found.
        max_side: Longest side of its frames in pixels.
        seconds: Longest loop of a video.
        readers: The networks; None takes the process's own.
        progress: Told what is being done and the share done.
        stop: Asked now and then whether to stop.

    Returns:
        The avatar, and what the check found.

    Raises:
        FileUnreadable: Missing, broken, or neither picture nor video.
        NoVideoStream: Sound only.
        PictureUnusable: Too small or too large, or the video is too short.
        NoFaceFound: No face, or in too few frames.
        SeveralFacesFound: More than one face.
        FaceUnusable: Turned away, covered, blurred, too small or with the mouth wide open.
        MissingWeights: The networks are not on this machine.
        Cancelled: ``stop`` said so.
    """
    readers = readers or shared_readers()
    info = {
        "source": Path(path).name,
        "source_sha256": hash_file(path),
        "made_with": f"visavis {visavis.__version__}",
        "crop_side": CROP_SIDE,
    }
    picture = open_picture(path)
    if picture is not None:
        avatar, report = create_from_picture(
            picture, name, source=str(path), force=force, max_side=max_side, readers=readers
        )
        if progress is not None:
            progress("finding the face", 1.0)
    else:
        avatar, report = create_from_video(
            path,
            name,
            force=force,
            max_side=max_side,
            seconds=seconds,
            readers=readers,
            progress=progress,
            stop=stop,
        )
    warnings = [item.found for item in (*report.failures, *report.warnings)]
    return (
        Avatar(
            name,
            avatar.frames,
            avatar.track,
            avatar.mattes,
            voice=dict(voice or {}),
            info={**info, **avatar.info, "warnings": warnings},
        ),
        report,
    )


def open_picture(path: str | Path) -> Picture | None:
    """Read a picture, or None when the file is a video.

    Raises:
        FileUnreadable: Missing or broken.
        PictureUnusable: A picture that is too small or too large.
    """
    suffix = Path(path).suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return None
    try:
        return read_picture(path, smallest_side=SMALLEST_PICTURE)
    except FileUnreadable:
        if suffix in PICTURE_SUFFIXES or not Path(path).is_file():
            raise
    try:
        probe(path)
    except FileUnreadable as error:
        raise FileUnreadable(
            f"{path} is neither a picture nor a video that can be read; give a JPEG, PNG or MP4"
        ) from error
    return None


def create_from_picture(
    image: Picture,
    name: str,
    *,
    source: str = "the picture",
    force: bool = False,
    max_side: int = MAX_SIDE,
    readers: Readers | None = None,
) -> tuple[Avatar, CheckReport]:
    """Make an avatar of one RGB uint8 (H, W, 3) picture. Raises as ``create_avatar``."""
    readers = readers or shared_readers()
    reading = read_face(image, readers, max_side)
    size = CheckItem("picture", "ok", f"{image.shape[1]} x {image.shape[0]} pixels")
    report = CheckReport(source, "picture", (size, *check_reading(reading)))
    if reading.face is None or not force:
        report.raise_failures()
    assert reading.face is not None
    track = track_faces([reading.face])
    mattes = _cut_out(reading, readers)
    return Avatar(name, reading.frame[None], track, mattes, info={"kind": "picture"}), report


def _cut_out(reading: Reading, readers: Readers) -> npt.NDArray[np.uint8] | None:
    """Mattes (1, H, W) of the person in a picture, or None where no network tells them apart."""
    if readers.matting is None or reading.face is None:
        return None
    matte = readers.matting.matte(reading.frame)
    x0, y0, x1, y1 = np.clip(reading.face.box, 0, None).astype(int)
    if matte[y0:y1, x0:x1].mean() < _SURE_MATTE * 255:
        return None
    return np.asarray(matte[None])


def create_from_video(
    path: str | Path,
    name: str,
    *,
    force: bool = False,
    max_side: int = MAX_SIDE,
    seconds: float = LOOP_SECONDS,
    readers: Readers | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> tuple[Avatar, CheckReport]:
    """Make an avatar of a video: the best stretch of its first half minute, as a loop."""
    scan = scan_video(
        path,
        readers or shared_readers(),
        max_side=max_side,
        progress=_part(progress, 0.0, 0.7),
        stop=stop,
    )
    report = judge_scan(scan, str(path))
    usable = [s for s in scan.stretches() if s[1] - s[0] >= SHORTEST_SECONDS * FPS]
    if not force or not usable:
        report.raise_failures()
    width, height = scan.size
    longest = max(1, min(round(seconds * FPS), FRAME_BYTES // (width * height * 3)))
    quiet = _restlessness(scan)
    start, end = max(usable, key=lambda s: _worth(s, quiet, longest))
    marks, blendshapes, pose, scores = _fill_gaps(scan, start, end)
    loop = find_loop(marks, scan.thumbnails[start:end], quiet[start:end], longest)
    frames = _cut_loop(path, max_side, loop, start, _part(progress, 0.7, 1.0), stop)
    track = make_track(
        smooth_round(_follow(marks, loop), SMOOTHING),
        _follow(scores[:, None], loop)[:, 0],
        smooth_round(_follow(blendshapes, loop), SMOOTHING),
        smooth_round(_follow(pose, loop), SMOOTHING),
    )
    info: dict[str, Any] = {
        "kind": "video",
        "loop": loop.kind,
        "loop_start": (start + loop.start) / FPS,
        "loop_end": (start + loop.end) / FPS,
    }
    return Avatar(name, frames, track, info=info), report


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file, as hex.

    Raises:
        FileUnreadable: Missing, a folder, or not allowed.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return digest.hexdigest()


def _part(progress: Progress | None, start: float, end: float) -> Progress | None:
    """Report a step as a part of the whole."""
    if progress is None:
        return None
    return lambda what, done: progress(what, start + (end - start) * done)


def _restlessness(scan: Scan) -> Floats:
    """How unfit each frame (T,) is to be shown while silent: mouth open, head turned; 0..2."""
    turned = np.abs(level_pose(scan)[:, :2]).sum(1) / 40
    cost: Floats = np.clip(scan.mouth_gaps / 0.06, 0, 1) + np.clip(turned, 0, 1)
    return cost.astype(np.float32)


def _worth(stretch: tuple[int, int], quiet: Floats, longest: int) -> float:
    start, end = stretch
    return min(end - start, longest) / longest - 0.5 * float(quiet[start:end].mean())


def _fill_gaps(scan: Scan, start: int, end: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Landmarks, units, pose and scores of a stretch, with short gaps filled in from both sides."""
    seen = np.flatnonzero(scan.scores[start:end] > 0)
    rows = np.arange(end - start)

    def fill(values: Floats) -> Floats:
        part = values[start:end]
        if len(seen) == len(part):
            return part
        flat = part.reshape(len(part), -1)
        columns = [np.interp(rows, seen, flat[seen, k]) for k in range(flat.shape[1])]
        return np.stack(columns, 1).reshape(part.shape).astype(np.float32)

    return (
        fill(scan.landmarks),
        fill(scan.blendshapes),
        fill(scan.pose),
        scan.scores[start:end],
    )


def _follow(values: Floats, loop: Loop) -> Floats:
    """What the loop makes of a value (T, ...) of each frame."""
    rows = [(1 - share) * values[one] + share * values[two] for one, two, share in loop.steps()]
    return np.stack(rows).astype(np.float32)


def _cut_loop(
    path: str | Path,
    max_side: int,
    loop: Loop,
    offset: int,
    progress: Progress | None,
    stop: Stop | None,
) -> Picture:
    """Decode again and keep the loop's frames (T, H, W, 3)."""
    import cv2

    first, last = (offset + k for k in loop.sources)
    blends = {one: (two, share) for one, two, share in loop.steps() if share > 0}
    before: dict[int, Picture] = {}
    frames: Picture | None = None
    count = loop.end - loop.start
    with contextlib.closing(read_video(path, FPS, max_side)) as video:
        for frame in video:
            if stop is not None and stop():
                raise Cancelled("cutting the loop was stopped")
            if frame.index < first:
                continue
            if frame.index >= last:
                break
            image = crop_even(frame.image)
            k = frame.index - offset
            if k < loop.start:
                before[k] = image.copy()
                continue
            if frames is None:
                frames = np.empty((len(loop), *image.shape), np.uint8)
            row = k - loop.start
            if k in blends:
                two, share = blends[k]
                cv2.addWeighted(image, 1 - share, before[two], share, 0, dst=frames[row])
            else:
                frames[row] = image
            if progress is not None:
                progress("cutting the loop", (row + 1) / count)
    assert frames is not None
    if loop.kind == "back and forth":
        frames[count:] = frames[count - 2 : 0 : -1]
    return frames
