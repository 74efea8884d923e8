"""LRS2-BBC: sentences from British television.

As published::

    mvlrs_v1/main/5535415699068794046/00001.mp4      160x160, 25 frames a second
    mvlrs_v1/main/5535415699068794046/00001.txt      Text:, Conf:
    mvlrs_v1/pretrain/…/00001.txt                    and WORD START END ASDSCORE
    pretrain.txt  train.txt  val.txt  test.txt       lists; a line is FOLDER/CLIP, in test.txt followed
                                                     by NF or MV

The lists lie beside ``mvlrs_v1`` or in it. Without them the clips of ``main`` have no split. A folder is
a broadcast, not a person: who speaks is not published. ``pretrain`` counts as train.
"""

from __future__ import annotations

import re
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

_LISTS: tuple[tuple[str, str, Split], ...] = (
    ("pretrain", "pretrain", "train"),
    ("train", "main", "train"),
    ("val", "main", "val"),
    ("test", "main", "test"),
)
_CLIP = re.compile(r"\d+/\d{5}", re.ASCII)

ABOUT = About(
    title="Lip Reading Sentences 2 (LRS2-BBC)",
    paper="Afouras, Chung, Senior, Vinyals, Zisserman: Deep Audio-Visual Speech Recognition. TPAMI 2018",
    size="96,000 clips for pretraining, 47,000 for training and validation, 1,243 for testing, 224 h",
    licence="BBC, academic research only",
    terms="Signed agreement with BBC Research & Development; not for industrial research.",
    page="https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrs2.html",
    unverified="Where exactly the lists lie when all archives are unpacked: both places are tried.",
)


def matches(root: Path) -> bool:
    """Whether there are numbered clips under main or pretrain, whose texts name no reference."""
    for part in ("main", "pretrain"):
        for folder in files.first_folders(_top(root) / part):
            if not folder.name.isdigit():
                continue
            for label in files.first_files(folder, [".txt"]):
                text = files.read_label(label, root, lambda problem: None) or ""
                if text.startswith("Text:"):
                    return "\nRef:" not in text
    return False


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each clip, list by list."""
    top = _top(root)
    listed = {name: path for name, *_ in _LISTS if (path := _find_list(root, top, name))}
    for name, part, split in _LISTS:
        if name in listed:
            yield from _listed(root, listed[name], top / part, split, tell)
        elif name == "pretrain" and (top / part).is_dir():
            yield from _walk(root, top / part, split, tell)
        elif (top / part).is_dir():
            tell(Problem(f"{name}.txt", "list missing", f"clips of {split} are not known"))
    if (top / "main").is_dir() and not any(name in listed for name in ("train", "val", "test")):
        yield from _walk(root, top / "main", "", tell)


def _top(root: Path) -> Path:
    return root / "mvlrs_v1" if (root / "mvlrs_v1").is_dir() else root


def _find_list(root: Path, top: Path, name: str) -> Path | None:
    places = (top / f"{name}.txt", root / f"{name}.txt")
    return next((path for path in places if path.is_file()), None)


def _listed(root: Path, path: Path, part: Path, split: Split, tell: Tell) -> Iterator[ClipRecord]:
    for number, line in files.read_lines(path, root, tell):
        name = line.split()[0]
        if _CLIP.fullmatch(name):
            yield _record(root, part / name.partition("/")[0], name.partition("/")[2], split, tell)
        else:
            tell(Problem(f"{files.place_of(path, root)}:{number}", "malformed list row", line))


def _walk(root: Path, part: Path, split: Split, tell: Tell) -> Iterator[ClipRecord]:
    for folder in files.list_folders(part, tell):
        for name in files.list_stems([folder], [".mp4", ".txt"]):
            yield _record(root, folder, name, split, tell)


def _record(root: Path, folder: Path, name: str, split: Split, tell: Tell) -> ClipRecord:
    labels = read_track_file(folder / f"{name}.txt", root, "share", tell)
    if labels is not None and not labels.fields.get("text"):
        tell(Problem(files.place_of(folder / f"{name}.txt", root), "no text"))
    return ClipRecord(
        "lrs2",
        files.place_of(folder / f"{name}.mp4", root),
        split=split,
        text=labels.fields.get("text", "") if labels else "",
        words=labels.words if labels else (),
        language="en",
        origin=Origin(folder.name),
        licence=ABOUT.licence,
    )


ADAPTER = Adapter(
    "lrs2",
    ABOUT,
    "mvlrs_v1/main/ or pretrain/ with numbered folders of 00001.txt",
    matches,
    records,
)
