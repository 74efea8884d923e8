"""VoxCeleb1: 1,251 celebrities from YouTube; sound and face tracks, no videos.

The layout is in ``voxceleb``. Identities are id10001 … id11251; boxes are in pixels of a video of
unknown size. The publishers offer no videos: records point to ``mp4/`` beside ``txt/``, where one may
put those cut from YouTube by the tracks. The split is that of verification (``dev``, ``test``), not that
of identification (``iden_split.txt``). Faces under people's names (``unzippedFaces``) are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from visavis.training.data.adapters import voxceleb
from visavis.training.data.adapters.record import About, Adapter, ClipRecord, Tell

ABOUT = About(
    title="VoxCeleb1",
    paper="Nagrani, Chung, Zisserman: VoxCeleb: a large-scale speaker identification dataset."
    " Interspeech 2017",
    size="1,251 people, 153,516 utterances, 352 h",
    licence="CC BY 4.0 (u)",
    terms="Labels CC BY 4.0, by others' word; videos belong to who published them. Asked for by a form.",
    page="https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html",
    unverified="In which size of video the boxes are; frames are counted at 25 a second by those who"
    " use them.",
)
_RELEASE = voxceleb.Release(
    "voxceleb1", "vox1", range(10_001, 11_252), "pixels", ("wav", ".wav"), ABOUT.licence
)


def matches(root: Path) -> bool:
    """Whether there are folders of its identities."""
    return voxceleb.matches(_RELEASE, root)


def records(root: Path, tell: Tell) -> Iterator[ClipRecord]:
    """One record for each face track or video."""
    return voxceleb.records(_RELEASE, root, tell)


ADAPTER = Adapter("voxceleb1", ABOUT, "dev/, test/ with txt/id10001/ … id11251/", matches, records)
