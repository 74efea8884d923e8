"""A set of clips, one after the other, to a report. What is measured is kept: a run can be gone on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import numpy as np

from visavis.core.errors import InputError
from visavis.core.types import Floats, Picture
from visavis.evaluation.clip_measuring import measure_clip
from visavis.evaluation.clip_reading import Stop
from visavis.evaluation.clip_task import Options, Task
from visavis.evaluation.judges import Judges, protocol_of
from visavis.evaluation.metrics import BY_NAME
from visavis.evaluation.protocol import Protocol
from visavis.evaluation.report import ClipRow, Figure, Report
from visavis.evaluation.stretch_measuring import Pieces
from visavis.media.files import finish_or_discard

CLIPS = "clips"
"""Folder of what is kept of each clip, in the report's."""
_KEPT = 2
"""Of the form in which clips are kept; raised when it changes."""
_SIDES = ("made", "real")
_OF_SETS = {"fid": "pictures", "fvd": "windows of 16 frames"}
"""Metrics that only a set has, and what they are of."""
_TILE = 128
_BLOCK = 1 << 20

Tell: TypeAlias = Callable[[int, Task, float], None]
"""Told the number of the clip, the clip, and the seconds of it read."""


def evaluate(
    tasks: Sequence[Task],
    name: str,
    options: Options,
    judges: Judges,
    folder: Path,
    *,
    tell: Tell = lambda number, task, seconds: None,
    stop: Stop | None = None,
) -> Report:
    """Measure clips and write the report.

    Args:
        tasks: The clips.
        name: Of what is measured.
        options: What, and how.
        judges: The networks.
        folder: Of the report. What is in it of the same files and the same protocol is not measured again.
        tell: Told how far it has come.
        stop: Asked now and then whether to stop; what was measured is kept.

    Raises:
        InputError: No clip could be measured; the first one's reason.
        OutputUnwritable: The folder cannot be written.
        MissingWeights: A network is not on this machine.
        Cancelled: ``stop`` said so.
    """
    protocol = protocol_of(options, judges)
    rows: list[ClipRow] = []
    refused: InputError | None = None
    features: Pieces = {}
    for number, task in enumerate(tasks):
        tell(number, task, 0.0)
        try:
            key = _key(task, options, protocol)
            row = _find(folder, key)
            if row is None:
                row = _measure(task, options, judges, folder, key, number, tell, stop)
        except InputError as error:
            refused = refused or error
            row = ClipRow(task.name, str(task.made), str(task.real or ""), error=str(error))
        else:
            _collect(folder / CLIPS / f"{key}.npz", features)
        rows.append(row)
    if refused is not None and all(row.error for row in rows):
        raise refused
    sets, notes = _measure_sets(features, rows)
    report = Report(name, protocol, rows, sets, notes)
    report.write(folder)
    return report


def _measure(
    task: Task,
    options: Options,
    judges: Judges,
    folder: Path,
    key: str,
    number: int,
    tell: Tell,
    stop: Stop | None,
) -> ClipRow:
    found = measure_clip(
        task,
        options,
        judges,
        progress=lambda seconds: tell(number, task, seconds),
        stop=stop,
    )
    strip = f"{CLIPS}/{key}.jpg" if len(found.strip) else ""
    row = ClipRow(
        task.name,
        str(task.made),
        str(task.real or ""),
        found.frames,
        found.figures,
        found.notes,
        strip=strip,
    )
    (folder / CLIPS).mkdir(parents=True, exist_ok=True)
    if strip:
        _write_strip(folder / strip, found.strip)
    if found.features:
        kept: dict[str, Floats] = {}
        for name, sides in found.features.items():
            kept |= {f"{name} {side}": rows for side, rows in zip(_SIDES, sides, strict=True)}
        with finish_or_discard(folder / CLIPS / f"{key}.npz") as part, part.open("wb") as stream:
            np.savez(stream, **kept)  # type: ignore[arg-type]  # names of arrays, not its options
    # Written last: where it is, all of the clip is.
    with finish_or_discard(folder / CLIPS / f"{key}.json") as part:
        part.write_text(json.dumps(asdict(row), ensure_ascii=False), encoding="utf-8")
    return row


def _find(folder: Path, key: str) -> ClipRow | None:
    try:
        return ClipRow(**json.loads((folder / CLIPS / f"{key}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _key(task: Task, options: Options, protocol: Protocol) -> str:
    """Tells a clip and how it is measured from all others: by what files hold, not by their names."""
    parts = {
        "made": _digest(task.made),
        "real": _digest(task.real) if task.real is not None else "",
        "names": [task.name, str(task.made), str(task.real or "")],
        "text": task.text,
        "emotion": task.emotion or "",
        "kept": _KEPT,
        "groups": sorted(options.groups),
        "most": options.most_frames,
        "protocol": protocol.to_dict(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _digest(path: Path) -> str:
    from visavis.media.files import check_input

    check_input(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _collect(path: Path, features: Pieces) -> None:
    if not path.is_file():
        return
    with np.load(path) as kept:
        for name in _OF_SETS:
            if f"{name} {_SIDES[0]}" in kept:
                for rows, side in zip(features.setdefault(name, ([], [])), _SIDES, strict=True):
                    rows.append(kept[f"{name} {side}"])


def _measure_sets(features: Pieces, rows: Sequence[ClipRow]) -> tuple[dict[str, Figure], list[str]]:
    """FID of all faces together, and FVD of all windows."""
    from visavis.evaluation.fid import FeatureStatistics, compare

    sets, notes = {}, []
    nan = float("nan")
    frames = sum(row.frames for row in rows)
    for name, (made, real) in features.items():
        dimensions = made[0].shape[1]
        statistics = FeatureStatistics(dimensions), FeatureStatistics(dimensions)
        for one, vectors in zip(statistics, (real, made), strict=True):
            for some in vectors:
                one.add(some)
        figure = compare(*statistics)
        sets[name] = Figure(figure.distance, nan, nan, len(made), frames)
        if not figure.has_full_rank:
            title, what = BY_NAME[name].title, _OF_SETS[name]
            notes.append(
                f"{title} is of {figure.made} {what} against {figure.real}; with fewer than"
                f" {dimensions} it is too high, and comparable only with sets as large of the same clips"
            )
    return sets, notes


def _write_strip(path: Path, faces: Picture) -> None:
    import cv2

    tiles = [cv2.resize(face, (_TILE, _TILE), interpolation=cv2.INTER_AREA) for face in faces]
    done, data = cv2.imencode(".jpg", np.concatenate(tiles, axis=1)[..., ::-1])
    assert done
    with finish_or_discard(path) as part:
        part.write_bytes(data.tobytes())
