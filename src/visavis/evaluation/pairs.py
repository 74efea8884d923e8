"""Which clips to measure: files, folders, or a list of pairs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from visavis.core.errors import FileUnreadable, InputError
from visavis.core.types import Emotion
from visavis.evaluation.clip_task import Task
from visavis.media.files import read_bytes

VIDEOS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".flv"})
LISTS = frozenset({".csv", ".json"})
_COLUMNS = ("made", "real", "name", "text", "emotion")


def find_tasks(
    given: Sequence[Path], reference: Path | None = None, emotion: Emotion | None = None
) -> list[Task]:
    """Find the clips to measure.

    Args:
        given: Videos, folders of videos (with what is in them), or lists: CSV with a header or JSON with
            an array of objects, of ``made`` and perhaps ``real``, ``name``, ``text``, ``emotion``; paths in a
            list are relative to it. What is said in a video may lie beside it as ``.txt``.
        reference: The real video of the one that is given, or the folder whose files have the same
            relative names, whatever their endings.
        emotion: What all were to show, where a list does not say.

    Raises:
        FileUnreadable: Something is missing, or a list cannot be read.
        InputError: Nothing is there to measure, or a reference is missing.
    """
    tasks: list[Task] = []
    for path in given:
        if not path.exists():
            raise FileUnreadable(f"{path} is not there; give videos, folders or a list of them")
        if path.is_dir():
            tasks += _in_folder(path, reference)
        elif path.suffix.lower() in LISTS:
            tasks += _listed(path)
        else:
            real = reference
            if reference is not None and reference.is_dir():
                real = _twin(reference, Path(path.name))
            tasks.append(Task(path, path.stem, real))
    if not tasks:
        raise InputError(
            f"there is no video in {', '.join(map(str, given))}; endings that count:"
            f" {', '.join(sorted(VIDEOS))}"
        )
    return _named_apart([_complete(task, emotion) for task in tasks])


def _in_folder(folder: Path, reference: Path | None) -> Iterable[Task]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in VIDEOS or not path.is_file():
            continue
        inside = path.relative_to(folder)
        real = None if reference is None else _twin(reference, inside)
        yield Task(path, inside.with_suffix("").as_posix(), real)


def _twin(reference: Path, inside: Path) -> Path:
    if not reference.is_dir():
        raise InputError(f"{reference} is no folder; the reference of a folder is a folder")
    near = reference / inside
    for found in sorted(near.parent.glob(f"{_literal(near.stem)}.*")):
        if found.suffix.lower() in VIDEOS:
            return found
    raise InputError(
        f"{inside} has no reference in {reference}; give it one of the same name, or leave it out"
    )


def _literal(text: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


def _listed(path: Path) -> list[Task]:
    try:
        text = read_bytes(path).decode("utf-8-sig")
        rows: Any = (
            json.loads(text)
            if path.suffix.lower() == ".json"
            else list(csv.DictReader(io.StringIO(text)))
        )
    except (UnicodeDecodeError, ValueError, csv.Error) as error:
        raise FileUnreadable(
            f"{path} is no list of clips: {error}; write it in UTF-8, with {', '.join(_COLUMNS)}"
        ) from error
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise FileUnreadable(f"{path} is no list of objects with {', '.join(_COLUMNS)}")
    tasks = []
    for number, row in enumerate(rows, 1):
        values = {key: str(row.get(key) or "").strip() for key in _COLUMNS}
        if not values["made"]:
            raise InputError(f"{path}: row {number} names no video as 'made'")
        made = path.parent / values["made"]
        real = path.parent / values["real"] if values["real"] else None
        for file in (made, real):
            if file is not None and not file.is_file():
                raise FileUnreadable(f"{path}: row {number}: {file} is not there")
        emotion: Any = values["emotion"] or None
        if emotion is not None and emotion not in get_args(Emotion):
            raise InputError(
                f"{path}: row {number}: {emotion!r} is no emotion; there are:"
                f" {', '.join(get_args(Emotion))}"
            )
        tasks.append(Task(made, values["name"] or made.stem, real, values["text"], emotion))
    return tasks


def _complete(task: Task, emotion: Emotion | None) -> Task:
    beside = task.made.with_suffix(".txt")
    text = task.text
    if not text and beside.is_file():
        text = read_bytes(beside).decode("utf-8-sig", "replace").strip()
    return Task(task.made, task.name, task.real, text, task.emotion or emotion)


def _named_apart(tasks: Sequence[Task]) -> list[Task]:
    """Give clips of the same name their numbers."""
    seen: dict[str, int] = {}
    apart = []
    for task in tasks:
        seen[task.name] = seen.get(task.name, 0) + 1
        number = seen[task.name]
        name = task.name if number == 1 else f"{task.name} ({number})"
        apart.append(Task(task.made, name, task.real, task.text, task.emotion))
    return apart
