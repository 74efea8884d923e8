"""One clip, and perhaps its reference, to all figures that were asked for.

Pictures go by one at a time and only what each metric needs of them is kept; of a clip of an hour that is
half a gigabyte of landmarks, whatever its size in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from visavis.core.errors import Cancelled, InputError
from visavis.core.types import FPS, Floats, Picture
from visavis.evaluation import clip_reading as reading
from visavis.evaluation.clip_task import STRIP, ClipFigures, Options, Task
from visavis.evaluation.judges import Judges
from visavis.evaluation.metrics import BY_NAME, METRICS

_ROUNDED = 6
_BATCH = 16
_IN_TIME = 1
"""Frames that nobody notices."""
_SYNC_SIZE = 192
"""Pixels of the crops that the expert was taught by."""


def measure_clip(
    task: Task,
    options: Options,
    judges: Judges,
    *,
    progress: reading.Progress | None = None,
    stop: reading.Stop | None = None,
) -> ClipFigures:
    """Measure one clip.

    Raises:
        FileUnreadable: A file is missing, broken or no media.
        NoVideoStream: Sound only.
        NoFaceFound: In no frame.
        InputError: The reference has another number of frames or another shape.
        MissingWeights: A network is not on this machine.
        Cancelled: ``stop`` said so.
    """
    return _Measuring(task, options, judges, progress, stop).run()


class _Measuring:
    """One clip on its way."""

    def __init__(
        self,
        task: Task,
        options: Options,
        judges: Judges,
        progress: reading.Progress | None,
        stop: reading.Stop | None,
    ) -> None:
        self._task, self._groups, self._every = task, options.groups, options.every
        self._judges, self._stop = judges, stop
        self._figures: dict[str, float] = {}
        self._notes: dict[str, str] = {}

        def read(path: Path) -> reading.FaceSeries:
            return reading.read_faces(
                path,
                judges.detector,
                judges.landmarker,
                most_frames=options.most_frames,
                progress=progress,
                stop=stop,
            )

        self._made = read(task.made)
        self._real = read(task.real) if task.real is not None else None
        self._sound = reading.hear(task.made, len(self._made))
        self._strip: list[Picture] = []
        self._features: tuple[list[Floats], list[Floats]] = ([], [])

    def run(self) -> ClipFigures:
        if self._real is not None:
            self._check_lengths(self._made, self._real)
        self._measure_series()
        self._measure_pictures()
        self._measure_sync()
        self._measure_file()
        wanted = {m.name for m in METRICS if m.group in self._groups}
        figures = {
            name: round(float(value), _ROUNDED)
            for name, value in self._figures.items()
            if name in wanted and np.isfinite(value)
        }
        for name in sorted(wanted - set(figures)):
            self._notes.setdefault(name, self._why_missing(name))
        strip = np.stack(self._strip) if self._strip else np.empty((0, 1, 1, 3), np.uint8)
        made, real = (np.concatenate(rows) if rows else None for rows in self._features)
        features = (made, real) if made is not None and real is not None else None
        notes = {name: self._notes[name] for name in sorted(self._notes)}
        return ClipFigures(
            self._task.name, self._task.made, figures, notes, len(self._made), strip, features
        )

    def _check_lengths(self, made: reading.FaceSeries, real: reading.FaceSeries) -> None:
        apart = abs(len(made) - len(real))
        if apart > 2:
            raise InputError(
                f"{self._task.made} has {len(made)} frames at {FPS} a second, and its reference"
                f" {self._task.real} has {len(real)}; give clips of the same length"
            )

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
        shown = set(np.linspace(0, len(self._made) - 1, STRIP).round().astype(int).tolist())
        for face in self._go_through(self._task.made, self._made):
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
                    csim = Csim(self._judges.identity, (face.image.copy(), marks))
                else:
                    csim.add(face.image, marks)
            if face.index in shown:
                self._strip.append(face.aligned)
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
        from visavis.media.video import read_video

        real, made, groups = self._real, self._made, self._groups
        assert real is not None
        assert self._task.real is not None
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
        pairs = zip(
            read_video(self._task.made),
            self._go_through(self._task.real, real, all_frames=True),
            strict=False,
        )
        for frame, face in pairs:
            if frame.index >= len(made) or face is None or face.index not in maps:
                continue
            to_aligned = maps[face.index]
            cut = warp(frame.image, compose(to_aligned, to_real), reading.ALIGNED, reading.ALIGNED)
            if "pixels" in groups:
                decibels.append(psnr(cut, face.aligned))
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
            if "fid" in groups and frame.index in own:
                alone = warp(frame.image, own[frame.index], reading.ALIGNED, reading.ALIGNED)
                for rows, picture in zip(self._features, (alone, face.aligned), strict=True):
                    rows.append(self._judges.inception.embed(picture[None]))
        if decibels:
            self._figures["psnr"] = float(np.mean(decibels))
            self._figures["ssim"] = ssim.value()
        if lpips is not None:
            self._figures["lpips"] = lpips.value()
        if csim is not None:
            self._figures["csim"] = csim.value()
        return sharpness

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

    def _frames(self) -> Iterator[Picture]:
        """The clip's pictures, as far as its faces were read."""
        from visavis.media.video import read_video

        for frame in islice(read_video(self._task.made), len(self._made)):
            self._ask_to_stop()
            yield frame.image

    def _measure_file(self) -> None:
        from visavis.evaluation.stream_offset import stream_offset

        if self._sound is None:
            return
        if "file" in self._groups:
            self._figures["stream_offset"] = stream_offset(self._task.made)
        if "words" in self._groups and self._task.text and self._judges.recognise is not None:
            from visavis.evaluation.word_errors import word_errors

            heard = self._judges.recognise(self._sound.waveform)
            self._figures["word_errors"] = word_errors(self._task.text, heard)

    def _go_through(
        self, path: Path, series: reading.FaceSeries, all_frames: bool = False
    ) -> Iterator[Any]:
        """Faces of a file; with ``all_frames`` one item a frame, None where there is no face."""
        expected = 0
        for face in reading.align_faces(path, series):
            self._ask_to_stop()
            while all_frames and expected < face.index:
                yield None
                expected += 1
            yield face
            expected = face.index + 1

    def _ask_to_stop(self) -> None:
        if self._stop is not None and self._stop():
            raise Cancelled(f"stopped while {self._task.made} was measured")

    def _why_missing(self, name: str) -> str:
        needs = BY_NAME[name].needs
        if "reference" in needs and self._real is None:
            return "no reference was given"
        if "sound" in needs and self._sound is None:
            return "the file has no sound"
        if "syncnet" in needs and self._judges.syncnet is None:
            return "needs the published SyncNet v2; see --syncnet"
        if "emotion" in needs and self._task.emotion is None:
            return "no emotion was asked for"
        if "text" in needs and not self._task.text:
            return "no text was given"
        if "set" in needs:
            return "of a set, not of a clip"
        if "silence" in needs:
            return "nobody is silent for long enough"
        return self._notes.get(BY_NAME[name].group, "too short, or too few frames with a face")


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
