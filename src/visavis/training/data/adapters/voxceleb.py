"""What VoxCeleb 1 and 2 have in common: identities, videos, face tracks.

As published, the archives unpacked::

    dev/txt/id00012/21Uxsk56VDQ/00001.txt     face tracks; see ``track_files``
    dev/mp4/id00012/21Uxsk56VDQ/00001.mp4     VoxCeleb2 only: 224x224, 25 frames a second
    dev/aac/….m4a                             VoxCeleb2; VoxCeleb1 has dev/wav/….wav
    test/…                                    likewise
    vox1_meta.csv, vox2_meta.csv              identity, name, gender, …, dev or test

Archives that are unpacked in one place lose ``dev`` and ``test``: then the list of identities tells.
``vox2_dev_txt/txt`` and the like are found, too. What is said, and in which language, is not published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visavis.training.data.adapters import label_files as files
from visavis.training.data.adapters.record import ClipRecord, Origin, Problem, Split, Tell
from visavis.training.data.adapters.track_files import read_track_file

_IDENTITY = re.compile(r"id(\d{5})", re.ASCII)
_SPLITS: dict[str, Split] = {"dev": "train", "test": "test"}
_KINDS = ("txt", "mp4", "wav", "aac")


@dataclass(frozen=True, slots=True)
class Release:
    """One of the two.

    Attributes:
        name: Of the adapter.
        prefix: Of its archives' names.
        identities: Numbers of its identities; the two do not overlap.
        unit: Of its boxes.
        sound: Folder and ending of its sound files.
        licence: In short.
    """

    name: str
    prefix: str
    identities: range
    unit: Literal["pixels", "share"]
    sound: tuple[str, str]
    licence: str


def matches(release: Release, root: Path) -> bool:
    """Whether there are folders of this release's identities."""
    return any(
        _number(person.name) in release.identities
        for tops in _parts(release, root).values()
        for top in tops.values()
        for person in files.first_folders(top)
    )


def records(release: Release, root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each face track or video."""
    sets = _read_meta(root / f"{release.prefix}_meta.csv", root)
    for part, tops in _parts(release, root).items():
        people = {p.name for kind in ("txt", "mp4") if kind in tops for p in _people(tops[kind])}
        if not people:
            tell(Problem(part or ".", "no face tracks and no videos", ", ".join(sorted(tops))))
        for person in sorted(people):
            if _number(person) not in release.identities:
                tell(Problem(person, f"no identity of {release.name}"))
                continue
            split = _SPLITS.get(part) or sets.get(person, "")
            for video in sorted({v.name for t in tops.values() for v in _people(t / person)}):
                folders = {kind: top / person / video for kind, top in tops.items()}
                yield from _clips(release, root, person, video, folders, split, tell)


def _clips(
    release: Release,
    root: Path,
    person: str,
    video: str,
    folders: dict[str, Path],
    split: Split,
    tell: Tell,
) -> Iterator[ClipRecord]:
    named = [folders[kind] for kind in ("txt", "mp4") if kind in folders]
    kind, ending = release.sound
    for name in files.list_stems(named, [".txt", ".mp4"]):
        labels = None
        if "txt" in folders:
            path = folders["txt"] / f"{name}.txt"
            labels = read_track_file(path, root, release.unit, tell)
            if labels is not None and labels.box is None:
                tell(Problem(files.place_of(path, root), "no face track"))
        sound = folders[kind] / f"{name}{ending}" if kind in folders else None
        # Face tracks without videos are what VoxCeleb1 is: the path says where a video would lie.
        pictures = folders.get("mp4", folders["txt"].parents[2] / "mp4" / person / video)
        yield ClipRecord(
            release.name,
            files.place_of(pictures / f"{name}.mp4", root),
            split=split,
            speaker=person,
            seconds=labels.seconds if labels else None,
            audio=files.place_of(sound, root) if sound is not None and sound.is_file() else "",
            origin=labels.origin(video) if labels else Origin(video),
            licence=release.licence,
        )


def _parts(release: Release, root: Path) -> dict[str, dict[str, Path]]:
    """The folders of identities that are there: by dev, test or neither, then by kind."""
    found: dict[str, dict[str, Path]] = {}
    for part in ("dev", "test", ""):
        for kind in _KINDS:
            places = [root / part / kind]
            if part:
                packed = f"{release.prefix}_{part}_{kind}"
                places += [root / packed / kind, root / part / packed / kind]
            top = next((place for place in places if place.is_dir()), None)
            if top is not None:
                found.setdefault(part, {})[kind] = top
    return found


def _people(top: Path) -> list[Path]:
    return files.list_folders(top)


def _number(identity: str) -> int:
    found = _IDENTITY.fullmatch(identity)
    return int(found[1]) if found else -1


def _read_meta(path: Path, root: Path) -> dict[str, Split]:
    """Split by identity; none where there is no list."""
    sets: dict[str, Split] = {}
    if path.is_file():
        for _, line in files.read_lines(path, root, lambda problem: None):
            cells = [cell.strip() for cell in re.split(r"[\t,]", line)]
            if cells[-1] in _SPLITS and _number(cells[0]) >= 0:
                sets[cells[0]] = _SPLITS[cells[-1]]
    return sets
