"""One clip, and perhaps its reference, to all figures that were asked for.

A clip of more than a minute is measured minute by minute, in constant memory; its figures are then those of its
minutes, weighted by their frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from visavis.core.errors import InputError, NoFaceFound
from visavis.core.types import FPS, Floats, Picture
from visavis.evaluation import clip_reading as reading
from visavis.evaluation.clip_task import STRIP, ClipFigures, Options, Task
from visavis.evaluation.judges import Judges
from visavis.evaluation.metrics import BY_NAME, METRICS
from visavis.evaluation.stretch_measuring import (
    Pieces,
    Stretch,
    StretchFigures,
    measure_stretch,
)

_ROUNDED = 6
_APART = 2
"""Frames by which a clip and its reference may differ in length."""
_LARGEST = frozenset({"longest_freeze", "head_periodicity"})
"""Figures of which the largest counts."""
_MIDDLE = frozenset({"sync_offset", "lse_offset"})
"""Of which the median does: a minute in which the face is hidden may have any."""


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
    clip = _Clip(task, options, judges, progress, stop)
    try:
        return clip.run()
    finally:
        clip.close()


class _Clip:
    """One clip on its way."""

    def __init__(
        self,
        task: Task,
        options: Options,
        judges: Judges,
        progress: reading.Progress | None,
        stop: reading.Stop | None,
    ) -> None:
        self._task, self._options, self._judges = task, options, judges
        self._progress, self._stop = progress, stop
        self._film = reading.Reel(task.made, options.most_frames)
        self._real_film = (
            None if task.real is None else reading.Reel(task.real, options.most_frames)
        )
        followers = (
            reading.FaceFollower(judges.detector, judges.landmarker, stop) for _ in range(2)
        )
        self._made_faces, self._real_faces = followers
        self._hearing = reading.Hearing(task.made)
        self._parts: list[tuple[int, StretchFigures]] = []
        self._strip: list[tuple[int, Picture]] = []
        self._features: Pieces = {}
        self._heard: list[str] = []
        self._has_sound = False

    def close(self) -> None:
        """Close the files."""
        self._film.close()
        if self._real_film is not None:
            self._real_film.close()

    def run(self) -> ClipFigures:
        start = seen = 0
        source: tuple[Picture, Floats] | None = None
        while True:
            made, real = self._read(start)
            if not len(made):
                break
            sound = self._hearing.take(len(made))
            self._has_sound = sound is not None
            seen += int(made.seen.sum())
            if made.seen.any() and (real is None or real.seen.any()):
                stretch = Stretch(start, made, real, sound, self._film, self._real_film, source)
                found = measure_stretch(
                    stretch, self._task, self._options, self._judges, self._stop
                )
                source = found.source
                self._keep(start, len(made), found)
            if sound is not None and self._hears_words:
                assert self._judges.recognise is not None
                self._heard.append(self._judges.recognise(sound.waveform))
            start += len(made)
            if len(made) < reading.STRETCH:
                break
        if not seen:
            raise NoFaceFound(
                f"no face is in any frame of {self._task.made}; give a video of one person's face"
            )
        return self._sum_up(start, seen)

    @property
    def _hears_words(self) -> bool:
        wanted = "words" in self._options.groups and bool(self._task.text)
        return wanted and self._judges.recognise is not None

    def _read(self, start: int) -> tuple[reading.FaceSeries, reading.FaceSeries | None]:
        def tell(seconds: float) -> None:
            if self._progress is not None:
                self._progress(start / FPS + seconds)

        made = self._made_faces.read(self._film.take("faces", start, reading.STRETCH), tell)
        if self._real_film is None:
            return made, None
        real = self._real_faces.read(self._real_film.take("faces", start, reading.STRETCH))
        if abs(len(made) - len(real)) > _APART:
            raise InputError(
                f"{self._task.made} has {self._count(start, made)} frames at {FPS} a second, and its"
                f" reference {self._task.real} has {self._count(start, real)}; give clips of the same"
                " length"
            )
        return made, real

    @staticmethod
    def _count(start: int, series: reading.FaceSeries) -> str:
        more = "at least " if len(series) == reading.STRETCH else ""
        return f"{more}{start + len(series)}"

    def _keep(self, start: int, frames: int, found: StretchFigures) -> None:
        self._parts.append((frames, found))
        self._strip += [(start + index, face) for index, face in found.strip]
        found.strip = []
        if len(self._strip) > 4 * STRIP:
            self._strip = _evenly(self._strip, start + frames, 2 * STRIP)
        for name, pieces in found.features.items():
            for rows, more in zip(self._features.setdefault(name, ([], [])), pieces, strict=True):
                rows += more
        found.features = {}

    def _sum_up(self, frames: int, seen: int) -> ClipFigures:
        from visavis.evaluation.stream_offset import stream_offset

        found = _combine(self._parts)
        found["faces_lost"] = 1 - seen / frames
        notes = {name: note for _, part in self._parts for name, note in part.notes.items()}
        if self._has_sound and "file" in self._options.groups:
            found["stream_offset"] = stream_offset(self._task.made)
        if self._heard:
            from visavis.evaluation.word_errors import word_errors

            found["word_errors"] = word_errors(self._task.text, " ".join(self._heard))
        wanted = {m.name for m in METRICS if m.group in self._options.groups}
        figures = {
            name: round(float(value), _ROUNDED)
            for name, value in found.items()
            if name in wanted and np.isfinite(value)
        }
        for name in sorted(wanted - set(figures)):
            notes.setdefault(name, self._why_missing(name, notes))
        shown = [face for _, face in _evenly(self._strip, frames, STRIP)]
        strip = np.stack(shown) if shown else np.empty((0, 1, 1, 3), np.uint8)
        features = {
            name: (np.concatenate(made), np.concatenate(real))
            for name, (made, real) in self._features.items()
        }
        return ClipFigures(
            self._task.name,
            self._task.made,
            figures,
            dict(sorted(notes.items())),
            frames,
            strip,
            features,
        )

    def _why_missing(self, name: str, notes: Mapping[str, str]) -> str:
        needs = BY_NAME[name].needs
        if "reference" in needs and self._task.real is None:
            return "no reference was given"
        if "sound" in needs and not self._has_sound:
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
        return notes.get(BY_NAME[name].group, "too short, or too few frames with a face")


def _evenly(
    strip: Sequence[tuple[int, Picture]], frames: int, count: int
) -> list[tuple[int, Picture]]:
    """Those of some faces that lie nearest to so many evenly taken frames, each once."""
    wanted = np.linspace(0, frames - 1, count)
    at = np.array([index for index, _ in strip])
    nearest = [int(np.abs(at - frame).argmin()) for frame in wanted] if len(at) else []
    return [strip[k] for k in dict.fromkeys(nearest)]


def _combine(parts: Sequence[tuple[int, StretchFigures]]) -> dict[str, float]:
    """Figures of stretches to those of the clip; those that could not be told do not count."""
    combined = {}
    for name in dict.fromkeys(name for _, part in parts for name in part.figures):
        pairs = [
            (frames, part.figures[name])
            for frames, part in parts
            if np.isfinite(part.figures.get(name, np.nan))
        ]
        if not pairs:
            continue
        frames, values = (np.array(some, np.float64) for some in zip(*pairs, strict=True))
        if name in _LARGEST:
            combined[name] = float(values.max())
        elif name in _MIDDLE:
            combined[name] = float(np.sort(values)[(len(values) - 1) // 2])
        else:
            combined[name] = float(np.average(values, weights=frames))
    return combined
