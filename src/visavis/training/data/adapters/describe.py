"""What is in a dataset: clips, people, splits, hours, labels, and what is missing or malformed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from visavis.core.errors import Error
from visavis.media.video import probe
from visavis.training.data.adapters.record import Adapter, ClipRecord, Problem


@dataclass(slots=True)
class Share:
    """A part of a dataset.

    Attributes:
        clips: How many.
        seconds: Of those whose length is known.
        speakers: Who is seen, where published.
    """

    clips: int = 0
    seconds: float = 0.0
    speakers: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Description:
    """What was counted. Memory grows with the speakers and kinds of labels, not with the clips.

    Attributes:
        dataset: Name of the adapter.
        clips: By labels, those without a file included.
        missing: Clips whose video is not there.
        without_length: Clips of unknown length, which ``seconds`` do not count.
        seconds: Of all other clips.
        speakers: Names, where published.
        splits: By name; clips of none are under ``none``.
        emotions: Clips by the project's names; what fits none is by its own, in brackets.
        intensities: Clips by the dataset's own names.
        languages: Clips; ``unknown`` where not published.
        views: Clips by camera.
        transcribed: Clips with text.
        timed: Clips with times of words.
        kinds: Problems by kind.
        problems: The first of them.
        missing_files: The first videos that are not there.
    """

    dataset: str
    clips: int = 0
    missing: int = 0
    without_length: int = 0
    seconds: float = 0.0
    speakers: set[str] = field(default_factory=set)
    splits: dict[str, Share] = field(default_factory=dict)
    emotions: Counter[str] = field(default_factory=Counter)
    intensities: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    views: Counter[str] = field(default_factory=Counter)
    transcribed: int = 0
    timed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    missing_files: list[str] = field(default_factory=list)


def describe(
    adapter: Adapter, root: Path, *, probe_files: bool = False, shown: int = 10
) -> Description:
    """Read a whole dataset and count.

    Args:
        adapter: The dataset's.
        root: Its folder.
        probe_files: Ask the videos how long they are, rather than the labels. A clip that is a part
            of a video is as long as its labels say, in any case.
        shown: Problems and missing files that are kept, of each.
    """
    found = Description(adapter.name)

    def tell(problem: Problem) -> None:
        found.kinds[problem.kind] += 1
        if len(found.problems) < shown:
            found.problems.append(problem)

    for record in adapter.records(root, tell):
        is_there = bool(record.video) and (root / record.video).is_file()
        if not is_there:
            found.missing += 1
            if len(found.missing_files) < shown:
                found.missing_files.append(record.video)
        seconds = record.seconds
        if probe_files and is_there and record.start is None:
            try:
                seconds = probe(root / record.video).duration
            except Error as error:
                tell(Problem(record.video, "video cannot be read", str(error)))
        _count(found, record, seconds)
    return found


def _count(found: Description, record: ClipRecord, seconds: float | None) -> None:
    share = found.splits.setdefault(record.split or "none", Share())
    for counted in (found, share):
        counted.clips += 1
        counted.seconds += seconds or 0.0
        if record.speaker:
            counted.speakers.add(record.speaker)
    found.without_length += seconds is None
    found.languages[record.language or "unknown"] += 1
    found.transcribed += bool(record.text)
    found.timed += bool(record.words)
    if record.emotion_label:
        found.emotions[record.emotion or f"({record.emotion_label})"] += 1
    if record.intensity_label:
        found.intensities[record.intensity_label] += 1
    if record.view:
        found.views[record.view] += 1
