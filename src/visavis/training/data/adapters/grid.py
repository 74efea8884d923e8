"""GRID: 34 talkers, 1000 sentences of six words each, front view.

As published, the archives of a talker unpacked::

    s1/video/mpg_6000/bbaf2n.mpg      720x576; s1/video/mpg_vcd/ is the same in 360x288
    s1/align/bbaf2n.align             or align/s1/…, alignments/s1/…, alignments/s1/align/…
    s1/bbaf2n.mpg                     as many copies have it

A line of an ``.align`` file is ``START END WORD``, in samples at 25 kHz, so that 75000 is the end of
the three seconds; ``sil`` and ``sp`` are no words. The file's name is the sentence: command, colour,
preposition, letter, digit (z is zero), adverb, a letter each.

Talker 21 has no video. No split is published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from visavis.training.data.adapters import label_files as files
from visavis.training.data.adapters.record import About, Adapter, ClipRecord, Problem, Tell, Word
from visavis.training.data.clip_sources import SUFFIXES

_RATE = 25_000
"""Units of an ``.align`` file a second."""
_TALKER = re.compile(r"s([1-9]\d?)(_processed)?", re.ASCII)
_CODE = re.compile(r"[blps][bgrw][abiw][a-z][z1-9][anps]")
_DIGITS = {
    "z": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six",
    "7": "seven", "8": "eight", "9": "nine",
}  # fmt: skip
_SLOTS: tuple[dict[str, str], ...] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {},
    _DIGITS,
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
_NO_WORDS = frozenset({"sil", "sp"})
_QUALITIES = ("video/mpg_6000", "video/mpg_vcd", "mpg_6000", "mpg_vcd", "video", "")
"""Where the videos of a talker lie, the best first; only the first that has any is read."""

ABOUT = About(
    title="The GRID audiovisual sentence corpus",
    paper="Cooke, Barker, Cunningham, Shao: An audio-visual corpus for speech perception and automatic"
    " speech recognition. JASA 120 (5), 2006",
    size="34 talkers (33 with video), 1,000 sentences of 3 s each, 27.5 h",
    licence="CC BY 4.0 (u)",
    terms="Free for research; the copy on Zenodo is CC BY 4.0, by others' word.",
    page="https://spandh.dcs.shef.ac.uk/gridcorpus/",
    unverified="How the official archives unpack: copies put the same files in several places, all"
    " of which are tried.",
)


def sentence(code: str) -> str | None:
    """The six words that a file's name stands for, or None where it is no GRID name."""
    if not _CODE.fullmatch(code):
        return None
    return " ".join(slot.get(sign, sign) for slot, sign in zip(_SLOTS, code, strict=True))


def matches(root: Path) -> bool:
    """Whether a talker's folder has videos by GRID's names."""
    return any(
        _CODE.fullmatch(path.stem.lower())
        for talker in files.first_folders(root)
        if _TALKER.fullmatch(talker.name)
        for place in _places(talker)
        for path in files.first_files(place, SUFFIXES)
    )


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each video."""
    talkers = [(m, t) for t in files.list_folders(root, tell) if (m := _TALKER.fullmatch(t.name))]
    for match, talker in sorted(talkers, key=lambda pair: int(pair[0][1])):
        name = f"s{match[1]}"
        videos: list[Path] = []
        for place in _places(talker):
            videos = files.list_videos(place)
            if videos:
                break
        if not videos:
            tell(Problem(files.place_of(talker, root), "talker without video"))
        for video in videos:
            yield from _record(root, name, talker, video, tell)


def _record(root: Path, name: str, talker: Path, video: Path, tell: Tell) -> Iterator[ClipRecord]:
    code = video.stem.lower()
    place = files.place_of(video, root)
    text = sentence(code)
    if text is None:
        tell(Problem(place, "no GRID file name"))
        return
    align = _find_align(root, name, talker, code)
    words: tuple[Word, ...] = ()
    seconds = None
    if align is None:
        tell(Problem(place, "no alignment"))
    else:
        words, seconds = _read_align(align, root, tell)
        heard = " ".join(word.text for word in words)
        if heard != text:
            tell(Problem(files.place_of(align, root), "words differ from the name", heard))
    yield ClipRecord(
        "grid",
        place,
        speaker=name,
        seconds=seconds,
        text=text,
        words=words,
        language="en",
        licence=ABOUT.licence,
    )


def _places(talker: Path) -> Iterator[Path]:
    for quality in _QUALITIES:
        yield talker / quality
    yield talker / talker.name


def _find_align(root: Path, name: str, talker: Path, code: str) -> Path | None:
    folders = [talker / "align", talker, talker / "video" / "align"]
    for top in ("align", "alignments", "alignments/alignments"):
        folders += [root / top / name, root / top / name / "align"]
    return next((p for f in folders if (p := f / f"{code}.align").is_file()), None)


def _read_align(path: Path, root: Path, tell: Tell) -> tuple[tuple[Word, ...], float | None]:
    words = []
    last = None
    for number, line in files.read_lines(path, root, tell):
        parts = line.split()
        times = [files.to_number(part) for part in parts[:2]]
        if len(parts) != 3 or times[0] is None or times[1] is None or times[1] < times[0]:
            tell(Problem(f"{files.place_of(path, root)}:{number}", "malformed alignment", line))
            continue
        last = times[1] / _RATE
        if parts[2].lower() not in _NO_WORDS:
            words.append(Word(parts[2].lower(), times[0] / _RATE, last))
    return tuple(words), last


ADAPTER = Adapter(
    "grid", ABOUT, "folders s1 … s34 with videos named as bbaf2n.mpg", matches, records
)
