"""Records as what ``visavis prepare`` takes: videos, each with its person and split.

``prepare`` takes whole video files of which folders tell person and split, finds faces and cuts
sentences by itself. So a clip that is a part of a video, has its sound apart or has no file cannot be
handed on as it is; ``why_not`` says which.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from visavis.core.errors import Error, OutputUnwritable
from visavis.media.files import unwritable
from visavis.media.video import probe
from visavis.training.data.adapters.record import ClipRecord, Problem, Tell
from visavis.training.data.clip_sources import SPLITS, Source

_UNSAFE = re.compile(r"[^\w.-]+")


def why_not(record: ClipRecord, root: Path) -> str:
    """Why a clip cannot be handed to ``prepare``; empty where it can."""
    if record.start is not None or record.end is not None:
        return "part of a longer video"
    if not record.video or not (root / record.video).is_file():
        return "video not there"
    if record.audio and not probe(root / record.video).audio_codec:
        return "sound apart from the video"
    return ""


def to_sources(
    records: Iterable[ClipRecord], root: Path, tell: Tell, view: str = ""
) -> Iterator[Source]:
    """Sources of ``clip_sources``, one for each clip that can be used.

    A person is the speaker; where none is published the folder that the dataset cut it from; where
    that is not known either, the clip is a person of its own.

    Args:
        records: Of one dataset.
        root: Its folder.
        tell: Told what cannot be used.
        view: Only clips of this camera, where there are several.
    """
    for record in records:
        if view and record.view and record.view != view:
            continue
        try:
            reason = why_not(record, root)
        except Error as error:
            tell(Problem(record.video, "video cannot be read", str(error)))
            continue
        if reason:
            tell(Problem(record.video or "?", reason))
            continue
        person = record.speaker or (record.origin.id if record.origin else "") or record.video
        yield Source(
            root / record.video, f"{record.dataset}/{record.video}", person, record.split or None
        )


def link_sources(sources: Iterable[Source], output: Path) -> int:
    """Make a tree of links whose folders tell ``prepare`` person and split: SPLIT/PERSON/NAME.

    A clip that is a person of its own lies in the folder of its split without a person's; links that
    are there already stay.

    Args:
        sources: Of `to_sources`.
        output: The tree.

    Returns:
        Links in the tree that stand for the sources.

    Raises:
        OutputUnwritable: It cannot be made, or another file is in the way.
    """
    made = 0
    for source in sources:
        folder = output / source.split if source.split else output
        inside = source.name.partition("/")[2]
        if source.person != inside:
            folder /= _folder_name(source.person)
        # The same name in two folders of one person (two cameras, two emotions) must not collide.
        link = folder / inside.replace("/", "__")
        target = source.path.resolve()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (link.is_symlink() and Path(os.readlink(link)) == target):
                link.symlink_to(target)
        except FileExistsError as error:
            raise OutputUnwritable(
                f"{link} is in the way; name an empty folder for the links"
            ) from error
        except OSError as error:
            raise unwritable(link, error) from error
        made += 1
    return made


def _folder_name(person: str) -> str:
    """A folder's name that ``prepare`` takes for this person and for no split."""
    name = _UNSAFE.sub("_", person).strip(".") or "_"
    if name != person or name.lower() in SPLITS:
        name = f"{name}-{hashlib.blake2b(person.encode(), digest_size=3).hexdigest()}"
    return name
