"""What files would change in a base, told before it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from visavis.core.errors import TextUnusable
from visavis.core.types import Language
from visavis.knowledge.base import Pair
from visavis.knowledge.importing.pairs import Duplicate, Imported, make_id, normalise_question
from visavis.knowledge.importing.rows import Problem

Key = tuple[Language, str]


@dataclass(slots=True)
class Merge:
    """What is to be done, and what it comes to.

    Attributes:
        put: Pairs that are new or differ.
        remove: Ids and languages of those to be taken out.
        added: Of ``put``, those that the base does not have.
        changed: Of ``put``, the others.
        unchanged: Pairs of the files that the base has already.
        problems: By number of file: pairs that cannot be taken, and why.
        duplicates: By number of file: pairs that another file or the base has under another id.
    """

    put: list[Pair] = field(default_factory=list)
    remove: list[tuple[str, Language]] = field(default_factory=list)
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: list[tuple[int, Problem]] = field(default_factory=list)
    duplicates: list[tuple[int, Duplicate]] = field(default_factory=list)


def merge_pairs(
    stored: Sequence[Pair],
    files: Sequence[Imported],
    names: Sequence[str],
    *,
    replacing: bool = False,
    language: Language | None = None,
) -> Merge:
    """Compare the pairs of files with those of a base.

    A pair of the files takes the place of the one with its id. One that came without an id is known
    by its question: where the base has that under an id, it keeps it.

    Args:
        stored: Of the base.
        files: What was read.
        names: Of the files.
        replacing: Whether pairs that no file has are taken out of the base.
        language: Take out pairs of this language only.
    """
    made = Merge()
    by_key: dict[Key, Pair] = {(pair.language, pair.id): pair for pair in stored}
    by_question: dict[Key, Pair] = {}
    for pair in stored:
        by_question.setdefault((pair.language, normal_question(pair.question)), pair)
    coming = {(pair.language, pair.id) for imported in files for pair in imported.pairs}
    taken: dict[Key, str] = {}
    asked: dict[Key, tuple[str, Pair]] = {}
    kept: set[Key] = set()
    for number, imported in enumerate(files):
        for pair in imported.pairs:
            place = f"question {pair.question[:60]!r}"
            normal = normal_question(pair.question)
            question: Key = (pair.language, normal)
            if question in asked:
                first, other = asked[question]
                if _says_same(pair, other):
                    made.duplicates.append((number, Duplicate(place, first, pair.question)))
                else:
                    what = f"{first} asks it too and answers otherwise; keep one of the two"
                    made.problems.append((number, Problem(place, what)))
                continue
            known = by_question.get(question)
            if known is not None and known.id != pair.id:
                named = pair.id != make_id(pair.language, normal)
                if not named and not replacing and _says_same(pair, known):
                    first = f"pair {known.id!r} of the base"
                    made.duplicates.append((number, Duplicate(place, first, pair.question)))
                    made.unchanged += 1
                    kept.add((known.language, known.id))
                    asked[question] = (names[number], pair)
                    continue
                if not named:
                    pair = replace(pair, id=known.id)
                elif not replacing and (known.language, known.id) not in coming:
                    what = (
                        f"the base asks it under the id {known.id!r}; give it that id,"
                        " or remove the pair from the base first"
                    )
                    made.problems.append((number, Problem(place, what)))
                    continue
            key: Key = (pair.language, pair.id)
            if key in taken:
                what = f"the id {pair.id!r} is taken by a pair of {taken[key]}; give it another"
                made.problems.append((number, Problem(place, what)))
                continue
            taken[key] = names[number]
            asked[question] = (names[number], pair)
            _count(made, pair, by_key.get(key))
    if replacing:
        made.remove = [
            (identity, own)
            for own, identity in by_key
            if (own, identity) not in taken
            and (own, identity) not in kept
            and language in (None, own)
        ]
    return made


def _count(made: Merge, pair: Pair, before: Pair | None) -> None:
    if before == pair:
        made.unchanged += 1
        return
    made.put.append(pair)
    if before is None:
        made.added += 1
    else:
        made.changed += 1


def _says_same(one: Pair, other: Pair) -> bool:
    return " ".join(one.answer.split()) == " ".join(other.answer.split())


def normal_question(question: str) -> str:
    """Write a question so that equal ones are equal texts, whatever it is."""
    try:
        return normalise_question(question)
    except TextUnusable:
        return question
