"""Question-answer pairs from a file of somebody's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from visavis.core.errors import FileUnreadable, TextUnusable
from visavis.core.types import Language
from visavis.knowledge.base import MAX_QUESTION, Pair
from visavis.knowledge.importing import fields
from visavis.knowledge.importing.attachments import read_attachments
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

MAX_PAIRS = 200_000
"""Of one file; a base held as one JSON Lines file takes fewer, ``visavis.knowledge.base.MAX_PAIRS``."""

MAX_PROBLEMS = 10_000
"""Of one file that are listed; the others are counted."""

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_PROGRESS_ROWS = 1_000
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
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Read question-answer pairs from CSV, TSV, XLSX, JSON, JSON Lines or Markdown.

    A row that is wrong is left out and told. An answer must be written: ``null`` or ``-`` says that
    the base is known to have none (a gap); an empty cell is a mistake. Where two pairs share a
    wording, a note names both places: whoever asks so may get either answer.

    Args:
        path: The file; its ending says what it is.
        language: Of all pairs, whatever the file says; by default the file's column, and where it
            has none the script of the question.
        sample: Mark all pairs as made up for demonstration; else those that the file marks.
        max_pairs: Where to stop, with a problem that says so.
        progress: Called with the number of rows read so far, every 1,000 rows and at the end.

    Raises:
        FileUnreadable: The file cannot be read at all.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS and not path.is_dir() and path.exists():
        raise FileUnreadable(f"{path} is of no known kind; give one of {', '.join(ENDINGS)}")
    content = read_bytes(path)
    pile = _Pile(language, sample, max_pairs, progress or (lambda rows: None))
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


@dataclass(slots=True)
class _Pile:
    """Pairs taken so far, and what was said of the others."""

    language: Language | None
    sample: bool
    limit: int
    progress: Callable[[int], None]
    pairs: list[Pair] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    _unlisted: int = 0
    _by_question: dict[tuple[Language, str], tuple[str, str]] = field(default_factory=dict)
    _by_id: dict[tuple[Language, str], str] = field(default_factory=dict)
    _by_wording: dict[tuple[Language, str], str] = field(default_factory=dict)

    def take(self, items: Iterable[Row | Problem]) -> None:
        """Check rows one by one until there are too many."""
        rows = 0
        for item in items:
            if isinstance(item, Problem):
                self.tell(item)
                continue
            rows += 1
            if rows % _PROGRESS_ROWS == 0:
                self.progress(rows)
            if len(self.pairs) >= self.limit:
                what = f"there are more than {self.limit:,} pairs; this row and all below were "
                self.tell(Problem(item.place, what + "not read, split the file"))
                break
            try:
                self._take(item)
            except fields.Wrong as error:
                self.tell(Problem(item.place, str(error)))
        self.progress(rows)

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
        question = " ".join(fields.read_text(values, "question", MAX_QUESTION).split())
        try:
            normal = normalise_question(question)
        except TextUnusable as error:
            raise fields.Wrong("there is no word in the question; write it out") from error
        answer = fields.read_answer(values)
        language = self.language or fields.read_language(values, question, answer)
        earlier = self._by_question.get((language, normal))
        if earlier is not None:
            place, said = earlier
            if said != " ".join(answer.split()):
                raise fields.Wrong(
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
            topic=" ".join(fields.read_text(values, "topic", 100, needed=False).split()),
            aliases=fields.read_aliases(values, question),
            source=fields.read_text(values, "source", MAX_QUESTION, needed=False),
            sample=self.sample or fields.read_sample(values),
            emotion=fields.read_emotion(values),
            intensity=fields.read_intensity(values),
            valid_from=(begin := fields.read_day(values, "valid_from")),
            valid_to=fields.read_day(values, "valid_to", begin),
            attachments=read_attachments(values),
        )
        self._by_question[language, normal] = (row.place, " ".join(answer.split()))
        self._by_id[language, identity] = row.place
        self.pairs.append(pair)
        self._compare_wordings(row.place, pair, normal)

    def _compare_wordings(self, place: str, pair: Pair, normal: str) -> None:
        """Tell where a wording of the pair is one of an earlier pair too."""
        wordings = {normal: "question"}
        for alias in pair.aliases:
            try:
                wordings.setdefault(normalise_question(alias), f"alias {alias[:40]!r}")
            except TextUnusable:
                continue
        for wording, name in wordings.items():
            first = self._by_wording.setdefault((pair.language, wording), place)
            if first != place:
                what = f"its {name} is also a wording of {first}; keep it with one of the two"
                self.tell(Problem(place, what, "note"))

    def _read_id(self, row: Row, language: Language, normal: str) -> str:
        value = row.values.get("id")
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        given = "" if value is None else fields.clean(value, "id").strip().lower()
        identity = given
        if not _ID.fullmatch(given):
            identity = make_id(language, normal)
            if given:
                what = f"the id {given[:40]!r} is not made of a-z, 0-9, '.', '_' and '-'; "
                self.tell(Problem(row.place, f"{what}it became {identity}", "note"))
        taken = self._by_id.get((language, identity))
        if taken is not None:
            raise fields.Wrong(f"the id {identity!r} is taken by {taken}; give it another")
        return identity
