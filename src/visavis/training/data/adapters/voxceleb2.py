"""VoxCeleb2: 6,112 celebrities from YouTube, with videos of their faces.

The layout is in ``voxceleb``. Identities are id00012 … id09272; boxes are shares of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from visavis.training.data.adapters import voxceleb
from visavis.training.data.adapters.record import About, Adapter, ClipRecord, Tell

ABOUT = About(
    title="VoxCeleb2",
    paper="Chung, Nagrani, Zisserman: VoxCeleb2: Deep Speaker Recognition. Interspeech 2018",
    size="6,112 people, 1,128,246 utterances, 2,440 h",
    licence="CC BY 4.0 (u)",
    terms="Labels CC BY 4.0, by others' word; videos belong to who published them. Asked for by a form.",
    page="https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox2.html",
    unverified="Whether the videos carry sound: the published sound lies apart, and is named in the"
    " records.",
)
_RELEASE = voxceleb.Release(
    "voxceleb2", "vox2", range(1, 10_001), "share", ("aac", ".m4a"), ABOUT.licence
)


def matches(root: Path) -> bool:
    """Whether there are folders of its identities."""
    return voxceleb.matches(_RELEASE, root)


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each face track or video."""
    return voxceleb.records(_RELEASE, root, tell)


ADAPTER = Adapter(
    "voxceleb2", ABOUT, "dev/, test/ with mp4/ or txt/id00012/ … id09272/", matches, records
)
