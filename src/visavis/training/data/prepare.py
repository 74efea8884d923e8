"""Folders of videos into a store of clips: resumable, parallel, and nothing fatal but a full disk.

In the output folder lie ``clips.lmdb`` (see ``clip_store``), ``manifest.json`` (settings, people,
every source with its SHA-256 and what became of it) and ``report.html``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import visavis
from visavis.core.errors import ConfigError, FileUnreadable
from visavis.media.files import finish_or_discard
from visavis.training.data.clip_making import Making
from visavis.training.data.clip_sources import PersonBy, Source, assign_splits, find_sources
from visavis.training.data.clip_store import ClipInfo
from visavis.training.data.clip_writer import ClipWriter, PackedClip
from visavis.training.data.people_by_face import group_faces
from visavis.training.data.preparing_pool import Outcome, Position, run_pool

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """What a store is made with; one store, one setting.

    Attributes:
        making: What clips are to be like.
        person_by: Whether a folder or a file is a person, or who looks like one.
        val_share: Of the people that no folder's name places, how many are for validation.
    """

    making: Making = field(default_factory=Making)
    person_by: PersonBy = "folder"
    val_share: float = 0.1


@dataclass(slots=True)
class Progress:
    """How far preparing is.

    Attributes:
        sources: Videos in all.
        done: Videos finished, those of earlier runs included.
        earlier: Of these, finished in earlier runs.
        clips: Stored so far, in all.
        failed: Videos of which nothing could be made.
        under_way: For each video that is being read, the share done.
    """

    sources: int = 0
    done: int = 0
    earlier: int = 0
    clips: int = 0
    failed: int = 0
    under_way: dict[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Of all videos, 0..1."""
        return (self.done + sum(self.under_way.values())) / max(self.sources, 1)


Told = Callable[[Progress], None]


def prepare(
    paths: Sequence[Path],
    output: Path,
    settings: PrepareSettings,
    *,
    jobs: int = 1,
    limit: int | None = None,
    expert: Path | None = None,
    told: Told = lambda progress: None,
) -> dict[str, Any]:
    """Prepare videos, or go on where an earlier run was stopped.

    Videos that are done and have not changed since are passed over; of one that was stopped in the
    middle, the clips that are there are kept.

    Args:
        paths: Videos and folders of videos.
        output: The folder of the store.
        settings: How.
        jobs: Worker processes.
        limit: Videos at most, the first by name.
        expert: Folder of a sync expert, which tells who speaks where that is not clear.
        told: Told how far it is.

    Returns:
        The manifest.

    Raises:
        FileUnreadable: No video is there.
        OutputUnwritable: The disk is full, or the folder cannot be written to.
        ConfigError: The store was made with other settings.
        AssetError: A network is not on this machine.
    """
    sources = find_sources(paths, settings.person_by)[:limit]
    with ClipWriter(output) as writer:
        _check_settings(writer, output, settings)
        progress = Progress(sources=len(sources))
        try:
            _make_all(sources, writer, settings, jobs, expert, progress, told)
        finally:
            # Also when stopped: what is there can be trained on and says what it is.
            _place(writer, sources, settings)
            manifest = {**_describe(writer), "settings": asdict(settings)}
            write_manifest(output, manifest)
    return manifest


def _make_all(
    sources: Sequence[Source],
    writer: ClipWriter,
    settings: PrepareSettings,
    jobs: int,
    expert: Path | None,
    progress: Progress,
    told: Told,
) -> None:
    by_name = {source.name: source for source in sources}
    waiting, have = _find_waiting(sources, writer)
    progress.done = progress.earlier = len(sources) - len(waiting)
    progress.clips = sum(map(len, have.values()))
    told(progress)
    making = replace(settings.making, identify=settings.person_by == "face")
    with _closing(run_pool(waiting, making, have, jobs, expert)) as events:
        for event in events:
            match event:
                case PackedClip():
                    writer.add(event)
                    progress.clips += 1
                case Position():
                    progress.under_way[event.source] = event.share
                case Outcome():
                    source = by_name[event.source]
                    writer.record(source.name, {**_fingerprint(source), **asdict(event)})
                    progress.under_way.pop(event.source, None)
                    progress.done += 1
                    progress.failed += bool(event.error)
            told(progress)


@contextmanager
def _closing(events: Iterator[Any]) -> Iterator[Iterator[Any]]:
    try:
        yield events
    finally:
        events.close()  # type: ignore[attr-defined]


def _find_waiting(
    sources: Sequence[Source], writer: ClipWriter
) -> tuple[list[Source], dict[str, list[str]]]:
    """Videos that are not done, and what clips of each are there already."""
    have: dict[str, list[str]] = {}
    for clip in writer.clips():
        have.setdefault(clip.source, []).append(clip.name)
    records = writer.records()
    waiting = []
    for source in sources:
        record = records.get(source.name)
        now = _fingerprint(source)
        if record is not None and all(record.get(name) == value for name, value in now.items()):
            if record["is_final"]:
                continue
        elif record is not None:  # another file of that name
            writer.remove(have.pop(source.name, []))
        waiting.append(source)
        if record is None:
            # So that clips of a video that is changed after a kill are known as another's.
            writer.record(source.name, {**now, **asdict(Outcome(source.name, "", is_final=False))})
    return waiting, have


def _fingerprint(source: Source) -> dict[str, Any]:
    try:
        found = source.path.stat()
    except OSError:
        return {"bytes": 0, "modified": 0}
    return {"bytes": found.st_size, "modified": found.st_mtime_ns}


def _check_settings(writer: ClipWriter, output: Path, settings: PrepareSettings) -> None:
    wanted = json.loads(json.dumps(asdict(settings)))
    stored = writer.settings(wanted)
    changed = _differences(stored, wanted)
    if changed:
        raise ConfigError(
            f"{output} was prepared with other settings ({', '.join(changed)});"
            " use the same, or another folder"
        )


def _differences(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    found = []
    for name in sorted({*stored, *wanted}):
        one, other = stored.get(name), wanted.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += _differences(one, other)
        elif one != other:
            found.append(f"{name} {one} and not {other}")
    return found


def _place(writer: ClipWriter, sources: Sequence[Source], settings: PrepareSettings) -> None:
    """Put each person's clips into one split; what an earlier run decided stays."""
    people: dict[str, set[str]] = {}
    given = {source.name: source.split for source in sources}
    if settings.person_by == "face":
        _name_people(writer)
    clips = writer.clips()
    before: dict[str, str] = {}
    for clip in clips:
        wanted = people.setdefault(clip.person, set())
        split = given.get(clip.source)
        if split is not None:
            wanted.add(split)
        if clip.split:
            before[clip.person] = clip.split
    splits = assign_splits(people, settings.val_share, before)
    writer.update_all(
        {
            clip.name: {"split": splits[clip.person]}
            for clip in clips
            if clip.split != splits[clip.person]
        }
    )


def _name_people(writer: ClipWriter) -> None:
    """Tell people apart by their faces; who has a name keeps it."""
    clips = writer.clips()
    known = {clip.name: clip.person for clip in clips if clip.person}
    people = group_faces(writer.identities(), known)
    writer.update_all(
        {
            clip.name: {"person": people.get(clip.name, clip.name)}
            for clip in clips
            if not clip.person
        }
    )


def _describe(writer: ClipWriter) -> dict[str, Any]:
    """The manifest."""
    clips = writer.clips()
    by_source: dict[str, list[ClipInfo]] = {}
    for clip in clips:
        by_source.setdefault(clip.source, []).append(clip)
    people: dict[str, dict[str, Any]] = {}
    for clip in clips:
        person = people.setdefault(clip.person, {"split": clip.split, "clips": 0, "frames": 0})
        person["clips"] += 1
        person["frames"] += clip.frames
    sources = []
    for name, record in sorted(writer.records().items()):
        own = by_source.get(name, [])
        sources.append(
            {
                "file": name,
                "sha256": record["sha256"],
                "bytes": record["bytes"],
                "clips": len(own),
                "frames": sum(clip.frames for clip in own),
                "refused": record["refused"],
                "error": record["error"],
                "finished": record["is_final"],
            }
        )
    splits = {clip.split for clip in clips}
    return {
        "visavis": visavis.__version__,
        "clips": len(clips),
        "frames": sum(clip.frames for clip in clips),
        "splits": {
            split: {
                "clips": sum(clip.split == split for clip in clips),
                "frames": sum(clip.frames for clip in clips if clip.split == split),
                "people": sum(person["split"] == split for person in people.values()),
            }
            for split in sorted(splits)
        },
        "people": dict(sorted(people.items())),
        "sources": sources,
    }


def write_manifest(output: Path, manifest: Mapping[str, Any]) -> None:
    """Write it beside the clips.

    Raises:
        OutputUnwritable: It cannot be.
    """
    text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    with finish_or_discard(output / MANIFEST) as part:
        part.write_text(text, "utf-8")


def read_manifest(output: Path) -> dict[str, Any]:
    """What was written beside the clips.

    Raises:
        FileUnreadable: Nothing was prepared there.
    """
    path = output / MANIFEST
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FileUnreadable(
            f"{output} holds no prepared clips ({MANIFEST} is missing or broken);"
            " make them with `visavis prepare`"
        ) from error
    assert isinstance(content, dict)
    return content


def refresh(output: Path) -> dict[str, Any]:
    """Write the manifest anew from what is stored, and return it."""
    before = read_manifest(output)
    with ClipWriter(output) as writer:
        manifest = {**_describe(writer), "settings": before["settings"]}
    write_manifest(output, manifest)
    return manifest
