"""One video into packed clips, or the reasons why there are none."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from visavis.core.errors import AudioSilent, NoFaceFound
from visavis.core.types import FPS, Floats, Picture, Waveform
from visavis.media.audio import is_silent, read_audio, rms_dbfs
from visavis.media.geometry import apply, warp
from visavis.media.lip_crop import crop_square, lip_boxes, square_to_affine
from visavis.media.sharpness import measure_sharpness
from visavis.media.upright_crop import CROP_SIDE, upright_crop
from visavis.media.video import read_video
from visavis.media.video_timing import picture_lateness
from visavis.training.data.clip_cutting import Cutting, cut_clips, find_turns
from visavis.training.data.clip_offsets import SURE, compare, find_offset
from visavis.training.data.clip_scan import BYSTANDER, FaceReaders, Followed, Told, scan_faces
from visavis.training.data.clip_store import SAMPLE_RATE, SAMPLES_PER_FRAME, ClipInfo
from visavis.training.data.clip_writer import PackedClip, pack_clip
from visavis.training.data.who_speaks import lip_opening, speaks_alone

AROUND = 25
"""Frames of sound kept before and after a clip where there are any, so that an offset can be taken
out without loss."""
_UNCLEAR = "several people, and it is not clear that this one speaks"
_KEEP_BYTES = 256 << 20
"""Videos whose frames fit into this are decoded once, others twice."""
_QUALITY_EVERY = 5
_IDENTITIES = 3
"""Frames of a clip of which the face's vector is the mean."""
_LEAST_SEEN = 0.9
"""Share of a clip's frames in which the face must have been found."""
_LEAST_MOTION = 0.001
"""Standard deviation of the lips' opening, in face heights: less is a face that does not speak. At
rest it is 0.0003, in a second of speech with hardly parted lips 0.0012, usually 0.01 to 0.03."""


@dataclass(frozen=True, slots=True)
class Making:
    """What clips are to be like.

    Attributes:
        size: Pixels of a side of the crop.
        upright: Pixels of a side of the upright crops, or 0 for none.
        identify: Whether to note whose face it is.
        cutting: How long they are.
        least_face: Pixels of the side of the crop in the source; smaller faces are left out.
        most_turned: Degrees of yaw or pitch; faces turned further are left out.
        least_sharp: Sharpness below which a face is left out.
    """

    size: int = 192
    upright: int = 0
    identify: bool = False
    cutting: Cutting = field(default_factory=Cutting)
    least_face: float = 64.0
    most_turned: float = 45.0
    least_sharp: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """A clip before its pictures are cut out.

    Attributes:
        start: First frame of the video.
        face: The face in its frames alone.
        boxes: float32 (T, 4) pixels of the video.
        faces: In view at most, this one included.
        is_clear: Whether it is known that this face speaks; else the expert is asked.
    """

    start: int
    face: Followed
    boxes: Floats
    faces: int
    is_clear: bool

    @property
    def end(self) -> int:
        return self.start + len(self.boxes)


def make_clips(
    path: Path,
    source: str,
    person: str,
    making: Making,
    readers: FaceReaders,
    refused: Counter[str],
    *,
    have: Iterable[str] = (),
    told: Told | None = None,
) -> Iterator[PackedClip]:
    """Make all clips of a video.

    Args:
        path: The video.
        source: How its clips call it.
        person: Who is in it.
        making: What clips are to be like.
        readers: The networks.
        refused: Reasons why stretches became no clip, counted here.
        have: Names of clips that need not be made again.
        told: Called with the number of frames looked at.

    Raises:
        FileUnreadable: The file is missing, broken or no media.
        NoVideoStream: There is no picture in it.
        NoAudioStream: There is no sound in it.
        AudioSilent: Nothing is heard in it.
        NoFaceFound: Nobody is seen in it.
    """
    sound = _read_sound(path)
    scan = scan_faces(path, readers, keep_bytes=_KEEP_BYTES, told=told)
    if not scan.faces:
        raise NoFaceFound(f"no face is seen in {path}; give a video of somebody who talks")
    known = set(have)
    plans = [
        plan
        for plan in _choose(scan.faces, sound, making, refused)
        if name_clip(source, plan.start) not in known
    ]
    images = _read_frames(path, plans) if scan.kept is None else enumerate(scan.kept)
    for plan, crops in _cut_out(plans, images, making, readers):
        if crops.sharpness < making.least_sharp:
            refused["not sharp"] += 1
        elif not (plan.is_clear or _speaks(plan, crops, sound, readers)):
            refused[_UNCLEAR] += 1
        else:
            yield _pack(plan, crops, sound, name_clip(source, plan.start), source, person, making)


def name_clip(source: str, start: int) -> str:
    """What a clip that begins at a frame of a video is called."""
    return f"{source}@{start:06d}"


def _read_sound(path: Path) -> Floats:
    """The sound from the moment of the first frame on, at 16 kHz."""
    sound = read_audio(path, SAMPLE_RATE)
    if is_silent(sound):
        raise AudioSilent(f"nothing is heard in {path}; give a recording with speech")
    late = round(picture_lateness(path) * SAMPLE_RATE)
    samples = sound.samples
    return samples[late:] if late >= 0 else np.pad(samples, (-late, 0))


def _choose(
    faces: Sequence[Followed], sound: Floats, making: Making, refused: Counter[str]
) -> list[_Plan]:
    """Which frames of which faces become clips, by start; says why others do not."""
    turns = find_turns(sound, making.cutting)
    covered = len(sound) // SAMPLES_PER_FRAME
    plans = []
    for face in faces:
        cuts = cut_clips(face.start, face.end, covered, turns, making.cutting)
        if not cuts:
            refused["too short, or nothing said"] += 1
        for start, end in cuts:
            others = [other for other in faces if other is not face]
            plan = _plan(face.part(start, end), others, sound, making)
            if isinstance(plan, str):
                refused[plan] += 1
            else:
                plans.append(plan)
    return sorted(plans, key=lambda plan: plan.start)


def _plan(
    face: Followed, everybody_else: Sequence[Followed], sound: Floats, making: Making
) -> _Plan | str:
    """A clip of all frames of a face, or why it is none."""
    start, end = face.start, face.end
    if float((face.scores > 0).mean()) < _LEAST_SEEN:
        return "the face is hidden"
    boxes = lip_boxes(face.landmarks)
    if float(np.median(boxes[:, 2] - boxes[:, 0])) < making.least_face:
        return "the face is too small"
    if float(np.abs(face.pose[:, :2]).max()) > making.most_turned:
        return "the face is turned away"
    if float(lip_opening(face.landmarks).std()) < _LEAST_MOTION:
        return "the lips do not move"
    others = [
        other.part(max(start, other.start), min(end, other.end))
        for other in everybody_else
        if other.start < end and other.end > start and other.size >= BYSTANDER * face.size
    ]
    heard = sound[start * SAMPLES_PER_FRAME : end * SAMPLES_PER_FRAME]
    rivals = [other.landmarks for other in others if len(other) == len(face)]
    is_clear = len(rivals) == len(others) and speaks_alone(face.landmarks, rivals, heard)
    return _Plan(start, face, boxes, 1 + len(others), is_clear)


def _speaks(plan: _Plan, crops: _Crops, sound: Floats, readers: FaceReaders) -> bool:
    """Ask the expert, if there is one, whether lips and sound belong together."""
    if readers.expert is None:
        return False
    around, lead = _sound_around(plan, sound)
    found = find_offset([compare(np.stack(crops.frames), around, lead, readers.expert)])
    return found.confidence >= SURE


def _sound_around(plan: _Plan, sound: Floats) -> tuple[Floats, int]:
    """The sound of a clip with what is before and after, and the sample of the first frame."""
    first = max(0, plan.start - AROUND) * SAMPLES_PER_FRAME
    last = (plan.end + AROUND) * SAMPLES_PER_FRAME
    return sound[first:last], plan.start * SAMPLES_PER_FRAME - first


def _read_frames(path: Path, plans: Sequence[_Plan]) -> Iterator[tuple[int, Picture]]:
    """Decode again, up to the last frame that is wanted."""
    last = max((plan.end for plan in plans), default=0)
    with contextlib.closing(read_video(path, FPS)) as frames:
        for frame in frames:
            if frame.index >= last:
                break
            yield frame.index, frame.image


@dataclass(slots=True)
class _Crops:
    """What is cut out for one clip, frame by frame."""

    frames: list[Picture] = field(default_factory=list)
    upright: list[Picture] = field(default_factory=list)
    to_upright: list[Floats] = field(default_factory=list)
    sharp: list[float] = field(default_factory=list)
    identities: list[Floats] = field(default_factory=list)

    @property
    def sharpness(self) -> float:
        return float(np.median(self.sharp))


def _cut_out(
    plans: Sequence[_Plan],
    images: Iterable[tuple[int, Picture]],
    making: Making,
    readers: FaceReaders,
) -> Iterator[tuple[_Plan, _Crops]]:
    """Cut the pictures of all clips out of the frames of a video, in memory for the crops alone."""
    waiting = list(plans)
    going: list[tuple[_Plan, _Crops]] = []
    for index, image in images:
        while waiting and waiting[0].start <= index:
            going.append((waiting.pop(0), _Crops()))
        for plan, crops in going:
            row = index - plan.start
            _cut_frame(image, row, plan, crops, making)
            looks = {len(plan.boxes) * k // (_IDENTITIES + 1) for k in range(1, _IDENTITIES + 1)}
            if readers.identity is not None and row in looks:
                crops.identities.append(readers.identity.embed(image, plan.face.landmarks[row]))
        for plan, crops in going:
            if index + 1 == plan.end:
                yield plan, crops
        going = [(plan, crops) for plan, crops in going if index + 1 < plan.end]
        if not (going or waiting):
            return


def _cut_frame(image: Picture, row: int, plan: _Plan, crops: _Crops, making: Making) -> None:
    crops.frames.append(crop_square(image, plan.boxes[row], making.size))
    to_upright = upright_crop(plan.face.landmarks[row])
    crops.to_upright.append(to_upright)
    if making.upright:
        # Edges map to edges: a crop twice as large has its first centre a quarter pixel further out.
        scale = making.upright / CROP_SIDE
        larger = to_upright * np.float32(scale)
        larger[:, 2] += (scale - 1) / 2
        crops.upright.append(warp(image, larger, making.upright, making.upright))
    if row % _QUALITY_EVERY == 0:
        crops.sharp.append(_sharpness(image, plan.boxes[row]))


def _sharpness(image: Picture, box: Floats) -> float:
    """Of the picture itself: a crop that was enlarged says nothing."""
    import cv2

    x0, y0 = np.maximum(np.floor(box[:2]).astype(int), 0)
    x1, y1 = np.maximum(np.ceil(box[2:]).astype(int), 0)
    part = image[y0:y1, x0:x1]
    if not part.size:
        return 0.0
    lab = np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2LAB), np.float32)
    return measure_sharpness(np.ascontiguousarray(lab[..., 0]))


def _pack(
    plan: _Plan,
    crops: _Crops,
    sound: Floats,
    name: str,
    source: str,
    person: str,
    making: Making,
) -> PackedClip:
    around, lead = _sound_around(plan, sound)
    heard = sound[plan.start * SAMPLES_PER_FRAME : plan.end * SAMPLES_PER_FRAME]
    face = plan.face
    landmarks = np.stack(
        [
            apply(square_to_affine(box, making.size), points)
            for box, points in zip(plan.boxes, face.landmarks, strict=True)
        ]
    )
    yaw, pitch, roll = (round(float(v), 2) for v in np.median(face.pose, axis=0))
    info = ClipInfo(
        name=name,
        person=person,
        split="",
        frames=len(plan.boxes),
        size=making.size,
        source=source,
        start=plan.start,
        face_size=round(float(np.median(plan.boxes[:, 2] - plan.boxes[:, 0])), 2),
        sharpness=round(crops.sharpness, 5),
        pose=(yaw, pitch, roll),
        turned=round(float(np.abs(face.pose[:, :2]).max()), 2),
        mouth_motion=round(float(lip_opening(face.landmarks).std()), 5),
        loudness=round(max(rms_dbfs(Waveform(heard, SAMPLE_RATE)), -120.0), 2),
        faces=plan.faces,
        lead=lead,
        upright=making.upright,
    )
    return pack_clip(
        info,
        np.stack(crops.frames),
        around,
        landmarks.astype(np.float32),
        face.blendshapes,
        face.pose,
        plan.boxes,
        np.stack(crops.to_upright),
        np.stack(crops.upright) if crops.upright else None,
        np.sum(crops.identities, axis=0) if crops.identities else None,
    )
