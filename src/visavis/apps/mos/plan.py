"""What is to be rated: read from a TOML or JSON file, and checked."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from visavis.core.errors import FileUnreadable, InputError
from visavis.media.files import check_input, read_bytes

Kind: TypeAlias = Literal["scores", "pairs"]
"""``scores``: one video, 1 to 5 (absolute category rating); ``pairs``: two, which is better."""

ANSWERS: dict[Kind, tuple[int, ...]] = {"scores": (1, 2, 3, 4, 5), "pairs": (-1, 0, 1)}
"""What may be said. Of pairs: the first one shown is better, no difference, the second is."""
ENDINGS = (".mp4", ".m4v", ".webm")
"""Of video files that browsers play."""
MOST_TRIALS = 24
"""A rater gets unless the plan says otherwise: about ten minutes of ten-second videos."""
BETTER, WORSE = "better", "worse"
"""The two sides of a catch trial of pairs."""
_KEYS = {"title", "kind", "questions", "systems", "items", "catches", "trials", "seed", "misses"}
QUESTIONS: dict[Kind, tuple[str, str]] = {
    "scores": ("How natural does this person look while speaking?", "这个人说话时看起来有多自然？"),
    "pairs": ("Which one looks more natural?", "哪一个看起来更自然？"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each trial, in English and Chinese."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Catch:
    """A trial whose answer is known, to find raters who do not look.

    Attributes:
        videos: The one shown, or of pairs the better one and the worse one.
        expected: Scores that are right for the first question; of pairs the better one is.
    """

    videos: tuple[Path, ...]
    expected: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A study.

    Attributes:
        path: The file that it was read from.
        title: Shown to raters.
        kind: Of trials.
        questions: All are asked in each trial.
        systems: Videos by system and item; each system has the same items.
        catches: Shown to every rater beside the trials.
        trials: A rater gets, without the catches.
        misses: Catches that a rater may get wrong and still count.
        seed: Of what is dealt to whom.
    """

    path: Path
    title: str
    kind: Kind
    questions: tuple[Question, ...]
    systems: Mapping[str, Mapping[str, Path]]
    catches: tuple[Catch, ...]
    trials: int
    misses: int
    seed: int

    @property
    def items(self) -> list[str]:
        """Names of what is compared over systems."""
        return list(next(iter(self.systems.values())))

    @property
    def database(self) -> Path:
        """Where answers go unless somebody says otherwise."""
        return self.path.with_suffix(".sqlite")

    def videos(self) -> list[Path]:
        """All files, each once."""
        of_systems = [path for files in self.systems.values() for path in files.values()]
        of_catches = [path for catch in self.catches for path in catch.videos]
        return list(dict.fromkeys(of_systems + of_catches))

    def describe(self) -> dict[str, Any]:
        """Tell all that answers depend on, for the database and the report; JSON."""
        sizes = {path: path.stat().st_size for path in self.videos()}
        return {
            "title": self.title,
            "kind": self.kind,
            "questions": [{"en": q.en, "zh": q.zh} for q in self.questions],
            "systems": {
                system: {item: [path.name, sizes[path]] for item, path in files.items()}
                for system, files in self.systems.items()
            },
            "catches": [
                {"videos": [[p.name, sizes[p]] for p in c.videos], "expected": list(c.expected)}
                for c in self.catches
            ],
            "trials": self.trials,
            "misses": self.misses,
            "seed": self.seed,
        }


def fingerprint(description: Mapping[str, Any]) -> str:
    """Name what must be the same for answers to belong together."""
    fixed = {k: v for k, v in description.items() if k not in ("title", "trials", "misses", "seed")}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


def read_plan(path: Path) -> Plan:
    """Read a plan and make sure that all it names is there.

    Raises:
        InputError: Something in it is wrong; the message says what and what to do.
        FileUnreadable: It, or a video, cannot be read.
    """
    data = read_bytes(path)
    try:
        content = json.loads(data) if path.suffix == ".json" else tomllib.loads(data.decode())
    except ValueError as error:
        raise FileUnreadable(f"{path} is not a plan in TOML or JSON ({error}); mend it") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a table of settings; see `visavis mos plan --help`")
    try:
        return _check(path, content)
    except FileUnreadable:
        raise
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _check(path: Path, content: Mapping[str, Any]) -> Plan:
    unknown = sorted(set(content) - _KEYS)
    if unknown:
        raise InputError(f"it says {unknown[0]!r}, which is none of {', '.join(sorted(_KEYS))}")
    kind = content.get("kind", "scores")
    if kind not in get_args(Kind):
        raise InputError(f'kind is {kind!r}; write "scores" or "pairs"')
    systems = _read_systems(path.parent, content.get("systems"), content.get("items"))
    if kind == "pairs" and len(systems) < 2:
        raise InputError("pairs need two systems or more, and there is one; add another")
    conditions = len(next(iter(systems.values()))) * (
        len(systems) if kind == "scores" else len(systems) * (len(systems) - 1) // 2
    )
    title = content.get("title", "")
    if not isinstance(title, str):
        raise InputError(f"title is {title!r}; write a text")
    plan = Plan(
        path=path,
        title=title,
        kind=kind,
        questions=_read_questions(kind, content.get("questions")),
        systems=systems,
        catches=_read_catches(path.parent, kind, content.get("catches", [])),
        trials=min(_whole(content, "trials", min(MOST_TRIALS, conditions), 1), conditions),
        misses=_whole(content, "misses", 0, 0),
        seed=_whole(content, "seed", 0, 0),
    )
    shown = " ".join([title, *(f"{q.en} {q.zh}" for q in plan.questions)]).casefold()
    for system in systems:
        if len(system) > 2 and re.search(rf"(?<!\w){re.escape(system.casefold())}(?!\w)", shown):
            raise InputError(
                f"raters would read the name of the system {system!r}; change title or question"
            )
    return plan


def _read_systems(home: Path, given: Any, items: Any) -> dict[str, dict[str, Path]]:
    if not isinstance(given, dict) or not given:
        raise InputError('there are no systems; write [systems] and lines such as ours = "folder"')
    if items is not None and not _is_texts(items):
        raise InputError('items is not a list of names; write them as ["one", "two"], or none')
    systems = {}
    for name, source in given.items():
        files = _find_videos(home, name, source)
        if items is not None:
            missing = [item for item in items if item not in files]
            if missing:
                raise InputError(f"the system {name!r} has no video of {_some(missing)}; add it")
            files = {item: files[item] for item in items}
        systems[name] = files
    first, *others = systems
    for other in others:
        odd = sorted(set(systems[first]) ^ set(systems[other]))
        if odd:
            raise InputError(
                f"{first!r} and {other!r} do not have the same videos: {_some(odd)} is in one of"
                " them only; add what is missing, or name what both have in `items`"
            )
        systems[other] = {item: systems[other][item] for item in systems[first]}
    for files in systems.values():
        for file in files.values():
            check_input(file)
    return systems


def _find_videos(home: Path, name: str, source: Any) -> dict[str, Path]:
    """Find the videos of a system, by item."""
    if isinstance(source, str):
        return list_videos(home / source)
    if _is_texts(source):
        paths = [home / file for file in source]
        files = {path.stem: path for path in paths}
        if len(files) < len(paths):
            raise InputError(f'two files of {name!r} have one name; write item = "file" for each')
        return files
    if isinstance(source, dict) and _is_texts(list(source.values())):
        return {item: home / file for item, file in source.items()}
    raise InputError(f"the system {name!r} is no folder, list of files, or table of item = file")


def list_videos(folder: Path) -> dict[str, Path]:
    """Find the videos of a folder, by name without ending.

    Raises:
        InputError: It is no folder, holds none, or two of one name.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; check the name")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in ENDINGS or path.name.startswith("."):
            continue
        if path.stem in found:
            raise InputError(f"{folder} has two videos named {path.stem}; rename one")
        found[path.stem] = path
    if not found:
        raise InputError(f"there is no video ({', '.join(ENDINGS)}) in {folder}; choose another")
    return found


def _read_questions(kind: Kind, given: Any) -> tuple[Question, ...]:
    if given is None:
        return (Question(*QUESTIONS[kind]),)
    if not isinstance(given, list) or not given:
        raise InputError('questions is no list; write [[questions]] with en = "…" and zh = "…"')
    questions = []
    for asked in given:
        texts = asked if isinstance(asked, dict) else {"en": asked}
        if not texts or not set(texts) <= {"en", "zh"} or not _is_texts(list(texts.values())):
            raise InputError('a question has no text; write en = "…", zh = "…", or both')
        en, zh = texts.get("en") or texts["zh"], texts.get("zh") or texts["en"]
        questions.append(Question(en, zh))
    return tuple(questions)


def _read_catches(home: Path, kind: Kind, given: Any) -> tuple[Catch, ...]:
    if not isinstance(given, list) or not all(isinstance(catch, dict) for catch in given):
        raise InputError("catches is no list; write [[catches]] for each")
    keys = {"video", "expected"} if kind == "scores" else {BETTER, WORSE}
    catches = []
    for catch in given:
        if set(catch) != keys:
            raise InputError(f"a catch of {kind} has {' and '.join(sorted(keys))}, and no more")
        files = [catch[key] for key in ("video", BETTER, WORSE) if key in catch]
        if not _is_texts(files):
            raise InputError("a catch names no file; write it in quotes")
        expected = catch.get("expected", [])
        if kind == "scores" and not (
            isinstance(expected, list) and expected and set(expected) < set(ANSWERS["scores"])
        ):
            raise InputError(
                f"a catch expects {expected!r}; write the scores that are right, as [1, 2]"
            )
        for file in files:
            check_input(home / file)
        catches.append(Catch(tuple(home / file for file in files), tuple(expected)))
    return tuple(catches)


def _whole(content: Mapping[str, Any], key: str, usual: int, least: int) -> int:
    number = content.get(key, usual)
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise InputError(f"{key} is {number!r}; write a whole number from {least} up")
    return number


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(v and isinstance(v, str) for v in value)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
