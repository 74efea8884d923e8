"""Paragraphs to passages of a size that can be found and answered from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from visavis.core.types import Language
from visavis.knowledge.documents.blocks import Block, is_chinese
from visavis.knowledge.text import split_sentences

MOST_CHARACTERS = 400
"""Of a Chinese passage."""
MOST_WORDS = 150
"""Of an English passage."""
_LETTERS_A_WORD = 8
"""Counted for a word at least, so that endless words do not make endless passages."""
_LEAST: dict[Language, float] = {"zh": 80 / MOST_CHARACTERS, "en": 60 / MOST_WORDS}
"""Share of the most that a passage should have."""

_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nos|Fig|Art|Arts|Sec|vs|Inc|Ltd|Co|Jan|Feb|Mar|Apr|Aug|Sept|Oct|Nov|Dec"
    r"|cf|al|approx|e\.g|i\.e|p|pp|tel|ext|(?-i:[A-Z]))|\A\s*[0-9]{1,3}|^\W*)\.\s*\Z",
    re.IGNORECASE,
)
_PIECE = re.compile(r"[^；;：:，,、\s]*[；;：:，,、\s]+|[^；;：:，,、\s]+")
_SEPARATOR = " › "


@dataclass(frozen=True, slots=True)
class Passage:
    """Some sentences of a document that stand together.

    Attributes:
        number: From 1, in the order of the document.
        text: Paragraphs and rows of tables are lines.
        place: For people, in the document's language: ``page 3`` or 第3页; elsewhere the headings
            above it, or ``paragraph 12`` where there are none.
        heading: The nearest one above it; may be empty.
    """

    number: int
    text: str
    place: str
    heading: str


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence, or as much of it as fits.

    Attributes:
        cost: Share of a whole passage.
        paragraph: Number of its paragraph in the document, from 1.
    """

    text: str
    cost: float
    paragraph: int
    block: Block


def cut_passages(blocks: Sequence[Block], language: Language) -> tuple[Passage, ...]:
    """Cut a document into passages, each beneath one heading.

    A passage has up to 400 Chinese characters or 150 English words, and 80 or 60 at least where there
    is that much beneath its heading. It is cut between paragraphs where possible, else between
    sentences; only a sentence that is longer than a passage is cut within, at its commas.

    Args:
        blocks: In reading order.
        language: Of the places, and of the least size.
    """
    passages: list[Passage] = []
    for path, units in _gather_sections(blocks):
        for part in _group(units, _LEAST[language]):
            place = _tell_place(path, part, language)
            heading = path[-1] if path else ""
            passages.append(Passage(len(passages) + 1, _write(part), place, heading))
    return tuple(passages)


def _gather_sections(blocks: Sequence[Block]) -> Iterator[tuple[tuple[str, ...], list[_Unit]]]:
    above: list[Block] = []
    units: list[_Unit] = []
    paragraph = 0
    for index, block in enumerate(blocks):
        if not block.level:
            paragraph += 1
            units += _split(block, paragraph)
            continue
        if units:
            yield tuple(entry.text for entry in above), units
            units = []
        while above and above[-1].level >= block.level:
            above.pop()
        following = blocks[index + 1] if index + 1 < len(blocks) else None
        # A heading over nothing is all that is said there.
        if following is None or 0 < following.level <= block.level:
            paragraph += 1
            units = _split(block, paragraph)
            yield tuple(entry.text for entry in above), units
            units = []
        above.append(block)
    if units:
        yield tuple(entry.text for entry in above), units


def _split(block: Block, paragraph: int) -> list[_Unit]:
    wide = is_chinese(block.text)
    sentences: list[str] = []
    for piece in split_sentences(block.text):
        # A semicolon ends no sentence, and neither does "Dr."
        end = sentences[-1][-12:] if sentences else ""
        if (
            end
            and len(sentences[-1]) < MOST_WORDS * _LETTERS_A_WORD
            and (end.rstrip()[-1:] in "；;" or _ABBREVIATION.search(end))
        ):
            sentences[-1] += piece
        else:
            sentences.append(piece)
    units: list[_Unit] = []
    for sentence in sentences:
        for text in _chop(sentence, wide):
            # A paragraph's line break counts as a character.
            cost = _measure(text, wide) + (0 if units else 1 / MOST_CHARACTERS)
            units.append(_Unit(text, cost, paragraph, block))
    return units


def _measure(text: str, wide: bool) -> float:
    if wide:
        return len(text) / MOST_CHARACTERS
    return max(len(text.split()), len(text) / _LETTERS_A_WORD) / MOST_WORDS


def _chop(sentence: str, wide: bool) -> Iterator[str]:
    """Cut a sentence that is longer than a passage."""
    if _measure(sentence, wide) <= 1:
        yield sentence
        return
    longest = MOST_CHARACTERS if wide else MOST_WORDS * _LETTERS_A_WORD
    taken, cost = "", 0.0
    for found in _PIECE.findall(sentence):
        for begin in range(0, len(found), longest):
            piece = found[begin : begin + longest]
            more = _measure(piece, wide)
            if taken and cost + more > 1:
                yield taken
                taken, cost = "", 0.0
            taken += piece
            cost += more
    if taken:
        yield taken


def _group(units: Sequence[_Unit], least: float) -> list[list[_Unit]]:
    rest_of: dict[int, float] = {}
    for unit in units:
        rest_of[unit.paragraph] = rest_of.get(unit.paragraph, 0.0) + unit.cost
    groups: list[list[_Unit]] = [[]]
    total = 0.0
    for unit in units:
        group = groups[-1]
        begins = bool(group) and group[-1].paragraph != unit.paragraph
        breaks_paragraph = begins and total >= least and total + rest_of[unit.paragraph] > 1
        if group and (total + unit.cost > 1 or breaks_paragraph):
            groups.append([])
            total = 0.0
        groups[-1].append(unit)
        total += unit.cost
    if len(groups) > 1:
        _fill_last(groups, least)
    return groups


def _fill_last(groups: list[list[_Unit]], least: float) -> None:
    """Give a last passage that is too short some of the one before, or all."""
    before, last = groups[-2:]
    cost, cost_before = (sum(unit.cost for unit in group) for group in (last, before))
    if cost >= least:
        return
    if cost + cost_before <= 1:
        groups[-2:] = [before + last]
        return
    while cost < least and cost_before - before[-1].cost >= least:
        unit = before.pop()
        last.insert(0, unit)
        cost += unit.cost
        cost_before -= unit.cost


def _write(units: Sequence[_Unit]) -> str:
    lines: list[str] = []
    paragraph = 0
    for unit in units:
        if unit.paragraph == paragraph:
            lines[-1] += unit.text
        else:
            lines.append(unit.text)
            paragraph = unit.paragraph
    return "\n".join(line.strip() for line in lines)


def _tell_place(path: Sequence[str], units: Sequence[_Unit], language: Language) -> str:
    first, last = units[0].block.page, units[-1].block.last_page
    if first:
        if first == last:
            return f"第{first}页" if language == "zh" else f"page {first}"
        return f"第{first}–{last}页" if language == "zh" else f"pages {first}–{last}"
    if path:
        return _SEPARATOR.join(path)
    number = units[0].paragraph
    return f"第{number}段" if language == "zh" else f"paragraph {number}"
