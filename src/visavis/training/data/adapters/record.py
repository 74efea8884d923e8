"""What every dataset is turned into: a record of a clip, and the adapter that makes records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from visavis.core.types import Emotion

Split: TypeAlias = Literal["train", "val", "test", ""]


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word.

    Attributes:
        text: As published.
        start: Seconds from the beginning of the clip.
        end: Seconds.
    """

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Box:
    """Where the face is.

    Attributes:
        left: With ``unit`` ``share`` a share of the picture's width, else pixels.
        top: Likewise, of the height.
        right: As ``left``; the same number where only a point is published.
        bottom: As ``top``.
        unit: ``pixels`` or ``share``.
        lines: Height in pixels of the picture that pixels are counted in; 0 where not published.
    """

    left: float
    top: float
    right: float
    bottom: float
    unit: Literal["pixels", "share"]
    lines: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """The longer video that the dataset was cut from.

    Attributes:
        id: What its publisher calls it.
        url: Where it was found; empty where not published.
        start: Seconds in it, where published.
        end: Seconds.
        box: Of the face in its pictures, where published.
    """

    id: str
    url: str = ""
    start: float | None = None
    end: float | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One clip of a dataset, as its labels tell it.

    Attributes:
        dataset: Name of the adapter.
        video: Path of the file below the root, with slashes. The file may be missing: labels of web
            videos come without them. Empty where labels do not say what the file is called.
        split: As published; empty where no split is.
        speaker: Who is seen, by the dataset's own name; empty where not published.
        start: Seconds, where the clip is a part of ``video``; None for the whole file.
        end: Seconds, likewise.
        seconds: How long the clip is by its labels; None where they do not say.
        audio: Path of the sound below the root where it lies apart, else empty.
        text: What is said, as published.
        words: With times, where published.
        language: Of the speech, as ISO 639-1; empty where not published.
        emotion: The project's name for it; None where not published or not one of the eight.
        emotion_label: The dataset's own.
        intensity: Of the emotion, 0..1; None where not published.
        intensity_label: The dataset's own.
        view: Which camera, by the dataset's own name; empty where there is one.
        box: Of the face in the pictures of ``video``, where published.
        origin: What the clip was cut from, where published.
        licence: In short; see the adapter's ``About``.
    """

    dataset: str
    video: str
    split: Split = ""
    speaker: str = ""
    start: float | None = None
    end: float | None = None
    seconds: float | None = None
    audio: str = ""
    text: str = ""
    words: tuple[Word, ...] = ()
    language: str = ""
    emotion: Emotion | None = None
    emotion_label: str = ""
    intensity: float | None = None
    intensity_label: str = ""
    view: str = ""
    box: Box | None = None
    origin: Origin | None = None
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or row that cannot be used as published.

    Attributes:
        place: File below the root, with the line where there is one.
        kind: What is wrong, in the same words for all of the kind.
        detail: What was found there.
    """

    place: str
    kind: str
    detail: str = ""


Tell: TypeAlias = Callable[[Problem], None]
"""Is told each problem as it is met; reading goes on."""


@dataclass(frozen=True, slots=True)
class About:
    """What a dataset is.

    Attributes:
        title: Its full name.
        paper: Authors, title, place, year.
        size: As published: speakers, clips, hours.
        licence: In short; goes into every record.
        terms: What the licence asks, and what of it is not certain.
        page: Where its publishers offer it.
        unverified: What about its layout could not be checked.
    """

    title: str
    paper: str
    size: str
    licence: str
    terms: str
    page: str
    unverified: str


@dataclass(frozen=True, slots=True)
class Adapter:
    """Reads one dataset.

    Attributes:
        name: Short, as typed.
        about: What it is.
        looks_for: What a root is recognised by, in words.
        matches: Whether a folder is a root; looks at a few names only.
        records: All clips of a root, one after the other: at most one folder's names or one label
            file are held. Tells problems and goes on.
    """

    name: str
    about: About
    looks_for: str
    matches: Callable[[Path], bool]
    records: Callable[[Path, Tell], Iterator[ClipRecord]]
