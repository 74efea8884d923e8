"""MODALITY: speakers read commands to a computer before two cameras and nine microphones.

As published, the archives of a speaker's sessions unpacked (a folder of a session in a folder of the
speaker, or either alone)::

    SPEAKER03/SPEAKER03_S5/SPEAKER03_S5_STRL.mkv    left camera, 1080x1920, 100 frames a second
                           SPEAKER03_S5_STRR.mkv    right; newer archives have …_STRL_h265.mkv
                           SPEAKER03_S5_AUD1.wav    … AUD8 and one of the laptop
                           SPEAKER03_S5_AUD1.lab    utterances; also …_AUD1_crop.lab

Sessions C1 … C6 are commands, word by word, S1 … S6 sequences of them. A line of a ``.lab`` file is
``START END WORDS`` in units of 100 ns (HTK's). Each line makes a record of each camera. No split is
published; archives of some speakers are called ``test``, which is not taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from visavis.training.data.adapters import label_files as files
from visavis.training.data.adapters.record import About, Adapter, ClipRecord, Problem, Tell, Word
from visavis.training.data.clip_sources import SUFFIXES

_UNIT = 1e-7
"""Seconds."""
_VIDEO = re.compile(r"(SPEAKER\d{2})_([CS]\d)_STR([LR])(?:_h26\d)?", re.ASCII | re.IGNORECASE)
_FOLDER = re.compile(r"SPEAKER\d{2}(_[CS]\d)?(_?test)?", re.ASCII | re.IGNORECASE)
_VIEWS = {"L": "left", "R": "right"}
_SILENCE = frozenset({"sil", "sp", "#", ""})

ABOUT = About(
    title="MODALITY corpus",
    paper="Czyzewski, Kostek, Bratoszewski, Kotus, Szykulski: An audio-visual corpus for multimodal"
    " automatic speech recognition. Journal of Intelligent Information Systems 49, 2017",
    size="42 speakers (35 in the paper), 12 sessions each, 31 h",
    licence="its own agreement",
    terms="An agreement that is shown on its page; not read for this.",
    page="http://www.modality-corpus.org/",
    unverified="Which folders the archives unpack into (their names and those of their files are"
    " known); how silence is labelled, if at all; whether the videos carry sound (none is assumed).",
)


def matches(root: Path) -> bool:
    """Whether there is a video of a speaker's session."""
    return any(
        _VIDEO.fullmatch(path.stem)
        for folder in _folders(root, None)
        for path in files.first_files(folder, SUFFIXES)
    )


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each utterance and camera."""
    for folder in _folders(root, tell):
        for video in files.list_videos(folder):
            name = _VIDEO.fullmatch(video.stem)
            if name is None:
                tell(Problem(files.place_of(video, root), "no MODALITY file name"))
                continue
            yield from _utterances(root, video, name, tell)


def _folders(root: Path, tell: Tell | None) -> Iterator[Path]:
    """The root, speakers in it, sessions in them."""
    yield root
    for folder in files.list_folders(root, tell):
        if _FOLDER.fullmatch(folder.name):
            yield folder
            for inner in files.list_folders(folder, tell):
                if _FOLDER.fullmatch(inner.name):
                    yield inner


def _utterances(root: Path, video: Path, name: re.Match[str], tell: Tell) -> Iterator[ClipRecord]:
    stem = f"{name[1]}_{name[2]}_AUD1"
    labels = _beside(video, f"{stem}.lab", f"{stem}_crop.lab")
    if labels is None:
        tell(Problem(files.place_of(video, root), "label file missing", f"{stem}.lab"))
        return
    sound = _beside(video, f"{stem}.wav")
    if sound is None:
        tell(Problem(files.place_of(video, root), "no sound file", f"{stem}.wav"))
    for number, line in files.read_lines(labels, root, tell):
        times, text = _read(line)
        if times is None:
            tell(Problem(f"{files.place_of(labels, root)}:{number}", "malformed label row", line))
            continue
        if text.lower() in _SILENCE:
            continue
        start, end = times
        single = (Word(text, 0.0, end - start),) if " " not in text else ()
        yield ClipRecord(
            "modality",
            files.place_of(video, root),
            speaker=name[1].upper(),
            start=start,
            end=end,
            seconds=end - start,
            audio=files.place_of(sound, root) if sound else "",
            text=text,
            words=single,
            language="en",
            view=_VIEWS[name[3].upper()],
            licence=ABOUT.licence,
        )


def _beside(video: Path, *names: str) -> Path | None:
    places = [folder / name for folder in (video.parent, video.parent.parent) for name in names]
    return next((path for path in places if path.is_file()), None)


def _read(line: str) -> tuple[tuple[float, float] | None, str]:
    """Times in seconds, None where they make no sense, and what was said."""
    parts = line.split()
    numbers = [files.to_number(part) for part in parts[:2]]
    if len(parts) < 3 or numbers[0] is None or numbers[1] is None or numbers[1] <= numbers[0]:
        return None, ""
    return (numbers[0] * _UNIT, numbers[1] * _UNIT), " ".join(parts[2:])


ADAPTER = Adapter(
    "modality", ABOUT, "SPEAKER01/ … with files named as SPEAKER01_C1_STRL.mkv", matches, records
)
