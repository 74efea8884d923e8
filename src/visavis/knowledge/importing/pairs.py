"""Question-answer pairs from a file of somebody's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visavis.core.errors import FileUnreadable, TextUnusable
from visavis.core.language import detect_language
from visavis.core.types import EMOTIONS, Emotion, Language
from visavis.knowledge.base import MAX_ANSWER, MAX_PAIRS, MAX_QUESTION, Pair
from visavis.knowledge.importing.encodings import decode_text, read_bytes
from visavis.knowledge.importing.markdown import read_markdown
from visavis.knowledge.importing.pair_files import read_json, read_json_lines
from visavis.knowledge.importing.rows import Problem, Row
from visavis.knowledge.importing.tables import read_table
from visavis.knowledge.importing.workbooks import read_workbook
from visavis.knowledge.text import clean_question

ENDINGS = (
    ".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm", ".json", ".jsonl", ".ndjson", ".md",
    ".markdown",
)  # fmt: skip
"""Of files that can be read; ``.txt`` is a table, as spreadsheets save "Unicode text"."""

MAX_PROBLEMS = 10_000
"""Of one file that are listed; the others are counted."""

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_GAPS = ("null", "-")
_LANGUAGES: dict[str, Language] = {
    **dict.fromkeys(
        ("zh", "cn", "zhcn", "zhtw", "zhhk", "zhhans", "zhhant", "chinese", "mandarin", "中文",
         "汉语", "漢語", "华语", "普通话", "简体中文", "繁体中文", "簡體中文", "繁體中文"), "zh",
    ),
    **dict.fromkeys(("en", "enus", "engb", "english", "英文", "英语", "英語"), "en"),
}  # fmt: skip
_EMOTIONS: dict[str, Emotion] = {
    **{name: name for name in EMOTIONS},
    **dict.fromkeys(("生气", "愤怒"), "angry"),
    **dict.fromkeys(("轻蔑", "蔑视"), "contempt"),
    **dict.fromkeys(("厌恶", "反感"), "disgusted"),
    **dict.fromkeys(("害怕", "恐惧"), "fear"),
    **dict.fromkeys(("高兴", "开心", "快乐", "愉快"), "happy"),
    **dict.fromkeys(("中性", "平静", "自然"), "neutral"),
    **dict.fromkeys(("悲伤", "难过", "伤心"), "sad"),
    **dict.fromkeys(("惊讶", "惊奇", "吃惊"), "surprised"),
}
# Control characters; marks without width and those that turn the direction of writing.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CLOSING = "?？!！.。…~～ "
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row that says what an earlier one says.

    Attributes:
        place: Of the row that was left out.
        first: Of the row that was kept.
        question: As the left-out row has it.
    """

    place: str
    first: str
    question: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file gave.

    Attributes:
        pairs: In the order of the file; ids are unique within a language.
        problems: What was left out and why, and notes.
        duplicates: Rows left out because an earlier one has the same question and answer.
        encoding: Found, such as ``GB18030``; empty for a workbook.
    """

    pairs: tuple[Pair, ...]
    problems: tuple[Problem, ...]
    duplicates: tuple[Duplicate, ...]
    encoding: str


def read_pairs(
    path: Path,
    *,
    language: Language | None = None,
    sample: bool = False,
    max_pairs: int = MAX_PAIRS,
) -> Imported:
    """Read question-answer pairs from CSV, TSV, XLSX, JSON, JSON Lines or Markdown.

    A row that is wrong is left out and told. An answer must be written: ``null`` or ``-`` says that
    the base is known to have none (a gap); an empty cell is a mistake.

    Args:
        path: The file; its ending says what it is.
        language: Of all pairs, whatever the file says; by default the file's column, and where it
            has none the script of the question.
        sample: Mark all pairs as made up for demonstration; else those that the file marks.
        max_pairs: Where to stop, with a problem that says so.

    Raises:
        FileUnreadable: The file cannot be read at all.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS and not path.is_dir() and path.exists():
        raise FileUnreadable(f"{path} is of no known kind; give one of {', '.join(ENDINGS)}")
    content = read_bytes(path)
    pile = _Pile(language, sample, max_pairs)
    if content.startswith(_OLE):
        raise FileUnreadable(
            f"{path} is an encrypted workbook or one of the old .xls kind; "
            "save it as .xlsx without a password"
        )
    if content.startswith(b"PK\x03\x04") or ending in (".xlsx", ".xlsm"):
        pile.take(read_workbook(content, path))
        return pile.close("")
    decoded = decode_text(content, path)
    if decoded.note:
        pile.tell(Problem("file", decoded.note, "note"))
    pile.take(_read_text(decoded.text, path, ending))
    return pile.close(decoded.encoding)


def _read_text(text: str, path: Path, ending: str) -> Iterator[Row | Problem]:
    if ending == ".json":
        return read_json(text, path)
    if ending in (".jsonl", ".ndjson"):
        return read_json_lines(text, path)
    if ending in (".md", ".markdown"):
        return read_markdown(text)
    return read_table(text, "\t" if ending in (".tsv", ".tab") else "")


def normalise_question(question: str) -> str:
    """Write a question so that equal ones are equal texts.

    Full-width, traditional and capital characters, spaces and closing marks make no difference.

    Raises:
        TextUnusable: There is no word in it.
    """
    return clean_question(question).casefold().strip(_CLOSING)


def make_id(language: Language, question: str) -> str:
    """Make the id of a pair that has none: the same whenever the same question is read.

    Args:
        language: Of the pair.
        question: As ``normalise_question`` gives it.
    """
    digest = hashlib.sha256(f"{language}\n{question}".encode()).hexdigest()
    return f"q-{digest[:16]}"


class _Wrong(Exception):
    """A row cannot be taken; the message is told at its place."""


@dataclass(slots=True)
class _Pile:
    """Pairs taken so far, and what was said of the others."""

    language: Language | None
    sample: bool
    limit: int
    pairs: list[Pair] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    _unlisted: int = 0
    _by_question: dict[tuple[Language, str], tuple[str, str]] = field(default_factory=dict)
    _by_id: dict[tuple[Language, str], str] = field(default_factory=dict)

    def take(self, items: Iterable[Row | Problem]) -> None:
        """Check rows one by one until there are too many."""
        for item in items:
            if isinstance(item, Problem):
                self.tell(item)
                continue
            if len(self.pairs) >= self.limit:
                what = f"there are more than {self.limit:,} pairs; this row and all below were "
                self.tell(Problem(item.place, what + "not read, split the file"))
                return
            try:
                self._take(item)
            except _Wrong as error:
                self.tell(Problem(item.place, str(error)))

    def close(self, encoding: str) -> Imported:
        """Return what was gathered."""
        if not self.pairs and not self.problems:
            self.problems.append(
                Problem("file", "it holds no pair; write a question and an answer")
            )
        if self._unlisted:
            what = f"{self._unlisted:,} more problems are not listed; correct these first"
            self.problems.append(Problem("file", what))
        return Imported(tuple(self.pairs), tuple(self.problems), tuple(self.duplicates), encoding)

    def tell(self, problem: Problem) -> None:
        """List a problem, or count it where there are too many."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        else:
            self._unlisted += 1

    def _take(self, row: Row) -> None:
        values = row.values
        question = " ".join(_text(values, "question", MAX_QUESTION).split())
        try:
            normal = normalise_question(question)
        except TextUnusable as error:
            raise _Wrong("there is no word in the question; write it out") from error
        answer = _read_answer(values)
        language = self.language or _read_language(values, question, answer)
        earlier = self._by_question.get((language, normal))
        if earlier is not None:
            place, said = earlier
            if said != " ".join(answer.split()):
                raise _Wrong(
                    f"it asks what {place} asks and answers otherwise; keep one of the two"
                )
            self.duplicates.append(Duplicate(row.place, place, question))
            return
        identity = self._read_id(row, language, normal)
        pair = Pair(
            id=identity,
            question=question,
            answer=answer,
            language=language,
            topic=" ".join(_text(values, "topic", 100, needed=False).split()),
            aliases=_read_aliases(values, question),
            source=_text(values, "source", MAX_QUESTION, needed=False),
            sample=self.sample or _read_sample(values),
            emotion=_read_emotion(values),
            intensity=_read_intensity(values),
        )
        self._by_question[language, normal] = (row.place, " ".join(answer.split()))
        self._by_id[language, identity] = row.place
        self.pairs.append(pair)

    def _read_id(self, row: Row, language: Language, normal: str) -> str:
        value = row.values.get("id")
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        given = "" if value is None else _clean(value, "id").strip().lower()
        identity = given
        if not _ID.fullmatch(given):
            identity = make_id(language, normal)
            if given:
                what = f"the id {given[:40]!r} is not made of a-z, 0-9, '.', '_' and '-'; "
                self.tell(Problem(row.place, f"{what}it became {identity}", "note"))
        taken = self._by_id.get((language, identity))
        if taken is not None:
            raise _Wrong(f"the id {identity!r} is taken by {taken}; give it another")
        return identity


def _read_answer(values: Any) -> str:
    if "answer" in values and values["answer"] is None:
        return ""
    answer = _text(values, "answer", MAX_ANSWER, hint="; null or - says that there is none")
    return "" if answer.lower() in _GAPS else answer


def _read_language(values: Any, question: str, answer: str) -> Language:
    given = _text(values, "language", 40, needed=False)
    if not given:
        return detect_language(question, detect_language(answer))
    found = _LANGUAGES.get(re.sub(r"[\W_]+", "", given.casefold()))
    if found is None:
        known = "zh or en (中文, 英文)"
        raise _Wrong(f"the language {given!r} is not spoken here; it must be {known}")
    return found


def _read_aliases(values: Any, question: str) -> tuple[str, ...]:
    given = values.get("aliases")
    if given is None:
        return ()
    if isinstance(given, str):
        given = re.split(r"[\n\r|；;]", given)
    if not isinstance(given, list):
        raise _Wrong("'aliases' must be texts; write a list")
    kept: dict[str, str] = {}
    for alias in given:
        text = " ".join(_clean(alias, "aliases").split())
        if len(text) > MAX_QUESTION:
            raise _Wrong(
                f"an alias has {len(text):,} characters; at most {MAX_QUESTION:,} are taken"
            )
        if text and text != question:
            kept.setdefault(text.casefold(), text)
    return tuple(kept.values())


def _read_sample(values: Any) -> bool:
    given = values.get("sample")
    if isinstance(given, bool) or given is None:
        return bool(given)
    text = _clean(given, "sample").strip().casefold()
    if text in ("", "false", "no", "0", "否"):
        return False
    if text in ("true", "yes", "1", "是"):
        return True
    raise _Wrong(f"'sample' is {text[:40]!r}; write true or false")


def _read_emotion(values: Any) -> Emotion:
    given = _text(values, "emotion", 40, needed=False)
    found = _EMOTIONS.get(given.casefold()) if given else "neutral"
    if found is None:
        raise _Wrong(f"the emotion {given!r} is none of {', '.join(EMOTIONS)}")
    return found


def _read_intensity(values: Any) -> float:
    given = values.get("intensity")
    if given is None or (isinstance(given, str) and not given.strip()):
        return 0.3
    number = float("nan")
    if isinstance(given, int | float) and not isinstance(given, bool):
        number = given
    elif isinstance(given, str):
        found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,20})?|\.[0-9]{1,20})(%?)", given.strip())
        if found:
            number = float(found[1]) / (100 if found[2] else 1)
    if not 0 <= number <= 1:
        raise _Wrong(f"the intensity is {str(given)[:40]!r}; write a number from 0 to 1")
    return float(number)


def _text(values: Any, name: str, limit: int, needed: bool = True, hint: str = "") -> str:
    """Return a field without control characters and spaces around it."""
    if name not in values and needed:
        raise _Wrong(f"the {name} is missing; write one{hint}")
    value = values.get(name)
    text = "" if value is None else _clean(value, name).strip()
    if not text and needed:
        raise _Wrong(f"the {name} is empty; write one{hint}")
    if len(text) > limit:
        raise _Wrong(f"the {name} has {len(text):,} characters; at most {limit:,} are taken")
    return text


def _clean(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"the {name} is not a text but {type(value).__name__}; write it as text")
    if value.isascii() and value.isprintable():
        return value
    if _SURROGATE.search(value):
        raise _Wrong(f"the {name} holds half a character (a lone surrogate); write it anew")
    return _INVISIBLE.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))
