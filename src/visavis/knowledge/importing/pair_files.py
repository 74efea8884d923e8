"""JSON and JSON Lines to rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from visavis.core.errors import FileUnreadable
from visavis.knowledge.importing.rows import Problem, Row, find_field


class _Object(dict[str, Any]):
    """A JSON object that remembers keys written twice."""

    repeated: tuple[str, ...] = ()


def read_json(text: str, path: Path) -> Iterator[Row | Problem]:
    """Read a list of objects, ``{"pairs": [objects]}`` or ``{question: answer}``.

    Several objects one after another are read as JSON Lines.

    Raises:
        FileUnreadable: It is not JSON.
    """
    try:
        whole = _parse(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip().startswith("{"):
            yield from read_json_lines(text, path)
            return
        raise FileUnreadable(
            f"{path}, line {error.lineno}, column {error.colno}: it is not JSON ({error.msg}); "
            "correct it there"
        ) from error
    except (RecursionError, ValueError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else "a number is too long"
        raise FileUnreadable(
            f"{path} is not JSON that can be read ({reason}); shorten it"
        ) from error
    yield from _read_whole(whole)


def read_json_lines(text: str, path: Path) -> Iterator[Row | Problem]:
    """Read one object a line; a file that is one JSON list is read as that.

    Raises:
        FileUnreadable: It is one JSON list and broken.
    """
    if text.lstrip().startswith("["):
        yield from read_json(text, path)
        return
    unknown: set[str] = set()
    # Only these end a line: a JSON string may hold U+2028 and its like.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            value = _parse(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "nested too deep or a number is too long")
            yield Problem(place, f"it is not JSON ({reason}); write one object a line")
            continue
        yield from _take(place, value, unknown)


def _parse(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_build)


def _build(items: list[tuple[str, Any]]) -> _Object:
    built = _Object(items)
    if len(built) < len(items):
        seen: set[str] = set()
        built.repeated = tuple(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return built


def _read_whole(whole: Any) -> Iterator[Row | Problem]:
    unknown: set[str] = set()
    if isinstance(whole, dict) and isinstance(whole.get("pairs"), list):
        whole = whole["pairs"]
    if isinstance(whole, dict):
        if {"question", "answer"} <= {find_field(key) for key in whole}:
            yield from _take("item 1", whole, unknown)
            return
        yield from _tell_repeated("file", whole)
        for number, (question, answer) in enumerate(whole.items(), 1):
            yield Row(f"item {number}", {"question": question, "answer": answer})
    elif isinstance(whole, list):
        for number, value in enumerate(whole, 1):
            yield from _take(f"item {number}", value, unknown)
    else:
        yield Problem("file", 'it holds no list of objects; write [{"question": …, "answer": …}]')


def _take(place: str, value: Any, unknown: set[str]) -> Iterator[Row | Problem]:
    if not isinstance(value, dict):
        yield Problem(place, 'it is not a JSON object; write {"question": …, "answer": …}')
        return
    yield from _tell_repeated(place, value)
    values: dict[str, Any] = {}
    for key, entry in value.items():
        meant = find_field(key)
        if meant is not None:
            values.setdefault(meant, entry)
        elif key not in unknown and len(unknown) < 100:
            unknown.add(key)
            what = f"not known and not read: the field {key[:40]!r} here and below"
            yield Problem(place, what, "note")
    yield Row(place, values)


def _tell_repeated(place: str, value: dict[str, Any]) -> Iterator[Problem]:
    for key in getattr(value, "repeated", ()):
        what = f"the key {key[:40]!r} stands there twice and its last value counts; remove one"
        yield Problem(place, what, "note")
