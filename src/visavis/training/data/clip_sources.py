"""Which videos there are, who is in them, and who belongs to which split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from visavis.core.errors import FileUnreadable
from visavis.media.files import unreadable

PersonBy: TypeAlias = Literal["folder", "file", "face"]

SUFFIXES = frozenset(
    [
        ".mp4",
        ".mov",
        ".m4v",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".ts",
        ".mts",
        ".wmv",
        ".flv",
    ]
)
SPLITS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
}
"""Names of folders that say which split what is in them belongs to."""


@dataclass(frozen=True, slots=True)
class Source:
    """A video.

    Attributes:
        path: Where it is.
        name: What its clips call it: its place in the folder that was given, with slashes.
        person: Who is in it.
        split: What a folder's name says, or None.
    """

    path: Path
    name: str
    person: str
    split: str | None


def find_sources(paths: Sequence[Path], person_by: PersonBy = "folder") -> list[Source]:
    """All videos of files and folders, by name.

    The person is the folder that a video lies in. One that lies directly in a folder that was
    given, or was given itself, is a person of its own, as all are with ``person_by`` ``file``. With
    ``face`` nobody is named here: who is who is told when the faces were seen.

    Raises:
        FileUnreadable: A path does not exist, or there is no video at all.
    """
    found: dict[Path, Source] = {}
    several = len(paths) > 1
    for given in paths:
        if given.is_dir():
            try:
                files = sorted(p for p in given.rglob("*") if p.suffix.lower() in SUFFIXES)
            except OSError as error:
                raise unreadable(given, error) from error
            root = given.resolve().name
            for path in files:
                place = PurePosixPath(path.relative_to(given).as_posix())
                if path.is_file() and path.resolve() not in found:
                    name = PurePosixPath(root) / place if several else place
                    found[path.resolve()] = _describe(path, name, place, person_by)
        elif given.is_file():
            if given.resolve() not in found:
                name = PurePosixPath(given.name)
                found[given.resolve()] = _describe(given, name, name, person_by)
        else:
            raise FileUnreadable(f"there is no file or folder {given}; check the name")
    if not found:
        places = ", ".join(str(path) for path in paths)
        raise FileUnreadable(f"no video is in {places}; give a folder of videos")
    return sorted(_unique(found.values()), key=lambda source: source.name)


def _describe(path: Path, name: PurePosixPath, place: PurePosixPath, by: PersonBy) -> Source:
    folders = place.parts[:-1]
    splits = [SPLITS[part.lower()] for part in name.parts[:-1] if part.lower() in SPLITS]
    named = [part for part in folders if part.lower() not in SPLITS]
    if by == "face":
        return Source(path, str(name), "", splits[0] if splits else None)
    person = named[-1] if named and by == "folder" else str(place.with_suffix(""))
    return Source(path, str(name), person, splits[0] if splits else None)


def _unique(sources: Iterable[Source]) -> list[Source]:
    """Two files of one name that were given apart get their folder's name before it."""
    kept: dict[str, Source] = {}
    for source in sources:
        name = source.name
        if name in kept:
            digest = hashlib.blake2b(str(source.path).encode(), digest_size=4).hexdigest()
            name = f"{digest}/{name}"
        kept[name] = Source(source.path, name, source.person, source.split)
    return list(kept.values())


def assign_splits(
    people: Mapping[str, set[str]], share: float, before: Mapping[str, str]
) -> dict[str, str]:
    """Put each person into one split.

    Args:
        people: For each, the splits that folders' names gave their videos; empty where none.
        share: Of the people that no folder places, how many are for validation, 0..1.
        before: What was decided in an earlier run, which stays.

    Returns:
        Person to split. Who lies in folders of several splits is in ``train`` only if in no other.
    """
    splits: dict[str, str] = {}
    free = []
    for person, given in sorted(people.items()):
        if given:
            order = ("test", "val", "train")
            splits[person] = next(split for split in order if split in given)
        elif person in before:
            splits[person] = before[person]
        else:
            free.append(person)
    wanted = [person for person in free if _draw(person) < share]
    placed = any(split == "val" for split in splits.values())
    if share > 0 and not placed and not wanted and len(free) > 1:
        wanted = [min(free, key=_draw)]
    if len(wanted) == len(free) > 0 and "train" not in splits.values() and share < 1:
        wanted.remove(max(wanted, key=_draw))
    splits.update({person: "val" if person in wanted else "train" for person in free})
    return splits


def _draw(person: str) -> float:
    """The same number in [0, 1) for the same person, whoever else is there."""
    digest = hashlib.blake2b(person.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
