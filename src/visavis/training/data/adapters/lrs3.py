"""LRS3-TED: sentences from TED and TEDx talks.

As published::

    pretrain/00j9bKdiOjk/00001.mp4    224x224, 25 frames a second; as trainval/ and test/
    pretrain/00j9bKdiOjk/00001.txt    Text:, Conf:, Ref:, FRAME X Y W H, WORD START END ASDSCORE

``track_files`` tells the rest. The paper counts speakers by folders, of which each is a talk, and so it
is done here; a person may have given several talks. ``pretrain`` and ``trainval`` are train: no
validation set is published.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from visavis.training.data.adapters import label_files as files
from visavis.training.data.adapters.record import (
    About,
    Adapter,
    ClipRecord,
    Origin,
    Problem,
    Split,
    Tell,
)
from visavis.training.data.adapters.track_files import read_track_file

_PARTS: dict[str, Split] = {"pretrain": "train", "trainval": "train", "test": "test"}

ABOUT = About(
    title="Lip Reading Sentences 3 (LRS3-TED)",
    paper="Afouras, Chung, Zisserman: LRS3-TED: a large-scale dataset for visual speech recognition."
    " arXiv:1809.00496, 2018",
    size="5,090 talks and 119,000 clips for pretraining, 32,000 for training and validation, 1,452"
    " for testing, 438 h",
    licence="CC BY-NC-ND 4.0 (u)",
    terms="TED's licence, by others' word CC BY-NC-ND 4.0; not for commercial use.",
    page="https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrs3.html",
    unverified="Whether it can still be had from its page; whether every text file of trainval and"
    " test has word times (users of the dataset found some without).",
)


def matches(root: Path) -> bool:
    """Whether there are clips whose texts name the talk."""
    for part in _PARTS:
        for top in _tops(root, part):
            for folder in files.first_folders(top):
                for label in files.first_files(folder, [".txt"]):
                    text = files.read_label(label, root, lambda problem: None) or ""
                    if text.startswith("Text:"):
                        return "\nRef:" in text
    return False


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each video or text file."""
    for part, split in _PARTS.items():
        for top in _tops(root, part):
            for folder in files.list_folders(top, tell):
                for name in files.list_stems([folder], [".mp4", ".txt"]):
                    yield _record(root, folder, name, split, tell)


def _tops(root: Path, part: str) -> Iterator[Path]:
    for top in (root / part, root / f"lrs3_{part}" / part):
        if top.is_dir():
            yield top


def _record(root: Path, folder: Path, name: str, split: Split, tell: Tell) -> ClipRecord:
    path = folder / f"{name}.txt"
    labels = read_track_file(path, root, "share", tell)
    if labels is None:
        origin = Origin(folder.name)
    else:
        origin = labels.origin(labels.fields.get("ref") or folder.name)
        if not labels.fields.get("text"):
            tell(Problem(files.place_of(path, root), "no text"))
        if labels.box is None:
            tell(Problem(files.place_of(path, root), "no face track"))
    return ClipRecord(
        "lrs3",
        files.place_of(folder / f"{name}.mp4", root),
        split=split,
        speaker=folder.name,
        seconds=labels.seconds if labels else None,
        text=labels.fields.get("text", "") if labels else "",
        words=labels.words if labels else (),
        language="en",
        origin=origin,
        licence=ABOUT.licence,
    )


ADAPTER = Adapter(
    "lrs3", ABOUT, "pretrain/, trainval/ or test/ with ID/00001.txt that has Ref:", matches, records
)
