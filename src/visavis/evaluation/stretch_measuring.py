"""One stretch of a clip, and perhaps of its reference, to figures.

Pictures go by one at a time, and only what each metric needs of them is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from visavis.core.errors import Cancelled, InputError
from visavis.core.types import Floats, Picture, VideoFrame
from visavis.evaluation import clip_reading as reading
from visavis.evaluation.clip_task import STRIP, Options, Task
from visavis.evaluation.judges import Judges

if TYPE_CHECKING:
    from visavis.evaluation.fvd import Windows

Pieces: TypeAlias = dict[str, tuple[list[Floats], list[Floats]]]
_BATCH = 16
_IN_TIME = 1
"""Frames that nobody notices."""
_SYNC_SIZE = 192
"""Pixels of the crops that the expert was taught by."""


@dataclass(slots=True, eq=False)
class Stretch:
    """What a stretch is measured from.

    Attributes:
        start: Its first frame.
        made: Faces of the clip.
        real: Of the reference, or None.
        sound: Of the clip, or None.
        film: The clip's pictures.
        real_film: The reference's, or None.
        source: First frame of the whole clip with its landmarks, whose face others are compared with where
            there is no reference; None in the first stretch, which finds it.
    """

    start: int
    made: reading.FaceSeries
    real: reading.FaceSeries | None
    sound: reading.Sound | None
    film: reading.Reel
    real_film: reading.Reel | None
    source: tuple[Picture, Floats] | None = None


@dataclass(slots=True, eq=False)
class StretchFigures:
    """What was measured of it.

    Attributes:
        figures: By metric; NaN where it could not be told.
        notes: Why, by group.
        strip: Aligned faces, evenly taken, with their frames in the stretch.
        features: As `visavis.evaluation.clip_task.ClipFigures.features`, in pieces.
        source: As `Stretch.source`, for the next.
    """

    figures: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    strip: list[tuple[int, Picture]] = field(default_factory=list)
    features: Pieces = field(default_factory=dict)
    source: tuple[Picture, Floats] | None = None


def measure_stretch(
    stretch: Stretch, task: Task, options: Options, judges: Judges, stop: reading.Stop | None
) -> StretchFigures:
    """Measure a stretch in which there is a face, and one in that of the reference, too.

    Raises:
        InputError: The reference has another shape.
        MissingWeights: A network is not on this machine.
        Cancelled: ``stop`` said so.
    """
    return _Measuring(stretch, task, options, judges, stop).run()


class _Measuring:
    """One stretch on its way."""

    def __init__(
        self,
        stretch: Stretch,
        task: Task,
        options: Options,
        judges: Judges,
        stop: reading.Stop | None,
    ) -> None:
        self._stretch, self._task = stretch, task
        self._groups, self._every = options.groups, options.every
        self._judges, self._stop = judges, stop
        self._made, self._real, self._sound = stretch.made, stretch.real, stretch.sound
        self._found = StretchFigures(source=stretch.source)
        self._figures, self._notes = self._found.figures, self._found.notes
        self._watched = 0
        self._windows: tuple[Windows, Windows] | None = None

    def run(self) -> StretchFigures:
        self._measure_series()
        self._measure_pictures()
        self._measure_sync()
        return self._found

    def _measure_series(self) -> None:
        """What landmarks and pose alone tell."""
        from visavis.evaluation.blinks import measure_blinks
        from visavis.evaluation.head_motion import head_motion

        made = self._made
        self._figures["faces_lost"] = 1 - float(made.seen.mean())
        if "blinks" in self._groups:
            blinks = measure_blinks(made.landmarks)
            self._figures |= {
                "blink_rate": blinks.rate,
                "blink_interval": blinks.interval_s if np.isfinite(blinks.rate) else blinks.rate,
                "blink_regularity": blinks.regularity,
            }
        if "head" in self._groups:
            head = head_motion(made.pose)
            self._figures |= {
                "head_range": max(head.range),
                "head_periodicity": head.periodicity,
            }
        if "lmd" in self._groups and self._real is not None:
            from visavis.evaluation.lip_shape import landmark_distance

            count = min(len(made), len(self._real))
            one, other = (s.landmarks[:count, :, :2] for s in (self._real, made))
            self._figures["m_lmd"] = landmark_distance(one, other)
            self._figures["f_lmd"] = landmark_distance(one, other, np.arange(one.shape[1]))
        if self._sound is not None:
            self._measure_mouth(self._sound)

    def _measure_mouth(self, sound: reading.Sound) -> None:
        from visavis.evaluation import opening_range as opening
        from visavis.evaluation.silence_motion import silence_motion

        made = self._made.landmarks
        if "opening" in self._groups:
            found = opening.opening_range(made, sound.speaking)
            self._figures["opening_range"] = found.range
            self._figures["mouth_shut_in_speech"] = opening.mouth_shut_in_speech(
                made, sound.speaking, sound.loudness
            )
            if self._real is not None:
                count = min(len(made), len(self._real))
                real = opening.opening_range(self._real.landmarks[:count], sound.speaking[:count])
                self._figures["opening_against"] = opening.opening_against(found, real)
        if "silence" in self._groups:
            quiet = silence_motion(made, sound.speaking)
            self._figures |= {"silence_motion": quiet.motion, "silence_opening": quiet.opening}

    def _measure_pictures(self) -> None:
        """What needs pictures: the clip's alone first, and then beside the reference's."""
        from visavis.evaluation.flicker import Flicker
        from visavis.evaluation.freezing import Freezing
        from visavis.evaluation.identity import Csim
        from visavis.evaluation.mouth_sharpness import MouthSharpness, sharpness_against

        flicker, freezing, sharpness = Flicker(), Freezing(), MouthSharpness()
        groups, emotion = self._groups, None
        if "emotion" in groups and self._task.emotion is not None:
            from visavis.evaluation.emotion_shown import ShownEmotion

            emotion = ShownEmotion(self._judges.emotions, self._task.emotion, every=1)
        csim: Csim | None = None
        if self._found.source is not None:
            csim = Csim(self._judges.identity, self._found.source)
        shown = set(np.linspace(0, len(self._made) - 1, STRIP).round().astype(int).tolist())
        for face in self._go_through(self._film(), self._made):
            if "flicker" in groups:
                flicker.add(face.aligned, face.marks)
            if "freezing" in groups:
                freezing.add(face.image)
            if "sharpness" in groups and not face.index % self._every:
                sharpness.add(face.aligned, face.marks)
            if emotion is not None and not face.index % self._every:
                emotion.add(face.image, self._made.landmarks[face.index])
            if "csim" in groups and self._real is None and not face.index % self._every:
                marks = self._made.landmarks[face.index]
                if csim is None:
                    self._found.source = face.image.copy(), marks
                    csim = Csim(self._judges.identity, self._found.source)
                else:
                    csim.add(face.image, marks)
            if face.index in shown:
                self._found.strip.append((face.index, face.aligned))
        if "flicker" in groups:
            found = flicker.value()
            self._figures["flicker_mouth"] = found.mouth_ratio
            self._figures["flicker_rim"] = found.rim_ratio
        if "freezing" in groups:
            still = freezing.value()
            self._figures |= {
                "frozen_share": still.frozen_share,
                "longest_freeze": still.longest_freeze_s,
                "repeated_share": still.repeated_share,
            }
        if emotion is not None:
            seen = emotion.value()
            self._figures["emotion_share"] = seen.share
            self._figures["emotion_probability"] = seen.probability
        if csim is not None:
            self._figures["csim"] = csim.value()
        if "sharpness" in groups:
            self._figures["mouth_sharpness"] = sharpness.value().ratio
        if self._real is not None:
            real_sharpness = self._compare_pictures()
            if "sharpness" in groups:
                self._figures["mouth_sharpness"] = sharpness_against(
                    sharpness.value(), real_sharpness.value()
                )

    def _compare_pictures(self) -> Any:
        """Frame by frame beside the reference, both cut where the reference's face is."""
        from visavis.evaluation.identity import Csim
        from visavis.evaluation.lpips import Lpips
        from visavis.evaluation.mouth_sharpness import MouthSharpness
        from visavis.evaluation.psnr import psnr
        from visavis.evaluation.ssim import Ssim
        from visavis.media.geometry import compose, warp

        real, made, groups = self._real, self._made, self._groups
        assert real is not None
        scale = np.array(made.size) / np.array(real.size)
        if abs(scale[0] / scale[1] - 1) > 0.01:
            raise InputError(
                f"{self._task.made} is {made.size[0]} x {made.size[1]} pixels and its reference"
                f" {real.size[0]} x {real.size[1]}, of another shape; pictures cannot be compared"
            )
        to_real = [
            [1 / scale[0], 0, (1 / scale[0] - 1) / 2],
            [0, 1 / scale[1], (1 / scale[1] - 1) / 2],
        ]
        maps, own = reading.alignments(real), reading.alignments(made)
        ssim, sharpness = Ssim(), MouthSharpness()
        lpips = Lpips(self._judges.perceptual) if "lpips" in groups else None
        csim = Csim(self._judges.identity) if "csim" in groups else None
        decibels = []
        film = self._stretch.real_film
        assert film is not None
        beside = film.take("pictures", self._stretch.start, reading.STRETCH)
        pairs = zip(self._film(), self._go_through(beside, real, all_frames=True), strict=False)
        for frame, face in pairs:
            if frame.index >= len(made) or face is None or face.index not in maps:
                self._see_motion(None)
                continue
            to_aligned = maps[face.index]
            cut = warp(frame.image, compose(to_aligned, to_real), reading.ALIGNED, reading.ALIGNED)
            if "pixels" in groups:
                decibels.append(psnr(cut, face.aligned))
            alone = None
            if frame.index in own and groups & {"fid", "fvd"}:
                alone = warp(frame.image, own[frame.index], reading.ALIGNED, reading.ALIGNED)
            self._see_motion(None if alone is None else (alone, face.aligned))
            if face.index % self._every:
                continue
            if "pixels" in groups:
                ssim.add(cut, face.aligned)
            if "sharpness" in groups:
                sharpness.add(face.aligned, face.marks)
            if lpips is not None:
                lpips.add(cut, face.aligned)
            if csim is not None:
                csim.add(
                    frame.image, made.landmarks[frame.index], face.image, real.landmarks[face.index]
                )
            if "fid" in groups and alone is not None:
                for rows, picture in zip(self._pieces("fid"), (alone, face.aligned), strict=True):
                    rows.append(self._judges.inception.embed(picture[None]))
        if decibels:
            self._figures["psnr"] = float(np.mean(decibels))
            self._figures["ssim"] = ssim.value()
        if lpips is not None:
            self._figures["lpips"] = lpips.value()
        if csim is not None:
            self._figures["csim"] = csim.value()
        return sharpness

    def _pieces(self, name: str) -> tuple[list[Floats], list[Floats]]:
        return self._found.features.setdefault(name, ([], []))

    def _see_motion(self, faces: tuple[Picture, Picture] | None) -> None:
        """Show every frame to what judges motion; None where it breaks off."""
        if "fvd" not in self._groups:
            return
        from visavis.evaluation.fvd import Windows

        if self._windows is None:
            self._windows = Windows(self._judges.video), Windows(self._judges.video)
        if faces is None:
            for windows in self._windows:
                windows.break_off()
            return
        for rows, windows, face in zip(self._pieces("fvd"), self._windows, faces, strict=True):
            rows.append(windows.add(face))

    def _measure_sync(self) -> None:
        from visavis.models.common.mel import log_mel

        if self._sound is None:
            return
        samples = self._sound.waveform.samples
        if "sync" in self._groups:
            from visavis.models.syncnet.predictor import measure_sync

            expert = self._judges.sync
            faces = _embed_windows(expert, self._sync_crops(expert.size))
            speech = expert.embed_speech(log_mel(samples))
            try:
                found = measure_sync(faces, speech)
            except (InputError, ValueError) as error:
                self._notes["sync"] = str(error)
            else:
                self._figures |= {
                    "sync_offset": found.offset,
                    "sync_in_time": float(abs(found.offset) <= _IN_TIME),
                    "sync_distance": found.distance,
                    "sync_confidence": found.confidence,
                }
        if "lse" in self._groups and self._judges.syncnet is not None:
            try:
                judged = self._judges.syncnet.measure(self._frames, self._made.landmarks, samples)
            except InputError as error:
                self._notes["lse"] = str(error)
            else:
                lse = judged.lateness, judged.distance, judged.confidence
                self._figures |= zip(("lse_offset", "lse_d", "lse_c"), lse, strict=True)

    def _sync_crops(self, size: int) -> Iterator[Picture]:
        """Squares as the expert was taught by: of `_SYNC_SIZE` pixels, then brought to its size."""
        import cv2

        for image, square in zip(self._frames(), reading.lip_squares(self._made), strict=False):
            crop = square.cut(image, max(size, _SYNC_SIZE))
            if size < len(crop):
                crop = np.asarray(cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA))
            yield crop

    def _film(self) -> Iterator[VideoFrame]:
        """The clip's frames once more, as far as its faces were read."""
        self._watched += 1
        reader, start = f"look {self._watched}", self._stretch.start
        for frame in self._stretch.film.take(reader, start, len(self._made)):
            self._ask_to_stop()
            yield frame

    def _frames(self) -> Iterator[Picture]:
        return (frame.image for frame in self._film())

    def _go_through(
        self, frames: Iterable[VideoFrame], series: reading.FaceSeries, all_frames: bool = False
    ) -> Iterator[Any]:
        """Faces of a stretch; with ``all_frames`` one item a frame, None where there is no face."""
        expected = 0
        for face in reading.align_faces(frames, series):
            self._ask_to_stop()
            while all_frames and expected < face.index:
                yield None
                expected += 1
            yield face
            expected = face.index + 1

    def _ask_to_stop(self) -> None:
        if self._stop is not None and self._stop():
            raise Cancelled(f"stopped while {self._task.made} was measured")


def _embed_windows(expert: Any, crops: Iterator[Picture]) -> Floats:
    """Vectors of all windows of five frames, in constant memory."""
    from visavis.models.common.mel import WINDOW_FRAMES

    kept: list[Picture] = []
    found: list[Floats] = []
    for crop in crops:
        kept.append(crop)
        if len(kept) == _BATCH + WINDOW_FRAMES - 1:
            found.append(expert.embed_faces(np.stack(kept)))
            kept = kept[_BATCH:]
    if len(kept) >= WINDOW_FRAMES:
        found.append(expert.embed_faces(np.stack(kept)))
    return np.concatenate(found) if found else np.empty((0, 1), np.float32)
