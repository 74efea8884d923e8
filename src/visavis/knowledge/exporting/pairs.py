"""Question-answer pairs to a file, of the kind that its ending says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visavis.core.errors import FileUnreadable, OutputUnwritable
from visavis.knowledge.base import Pair
from visavis.knowledge.exporting.markdown import write_markdown
from visavis.knowledge.exporting.tables import write_csv, write_workbook
from visavis.knowledge.importing.encodings import decode_text
from visavis.media.files import finish_or_discard

ENDINGS = (".jsonl", ".json", ".csv", ".xlsx", ".md")
"""Of files that can be written."""


def write_pairs(pairs: Sequence[Pair], path: Path, *, overwrite: bool = False) -> None:
    """Write pairs to a file that appears whole or not at all.

    ``read_pairs`` gives the same pairs back from each kind, if they are such as it makes: without
    control characters, with one line of single blanks for what is one line, and no question twice.
    Pairs of other making come back as any file of theirs would be read. JSON Lines holds every pair
    exactly, and ``load_base`` reads it.

    CSV and Markdown begin with a byte-order mark, by which Excel and others know UTF-8. In CSV a cell
    that a spreadsheet program would compute (=, +, -, @ first) gets a single quotation mark before
    it, which importing takes away again.

    Args:
        pairs: In the order wanted; at least one.
        path: Ends in .jsonl, .json, .csv, .xlsx or .md.
        overwrite: Replace a file that is there.

    Raises:
        OutputUnwritable: The ending is another, the file exists, the place cannot be written, there
            is no pair, or one does not fit into the cells of a table.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise OutputUnwritable(
            f"{path} is of no known kind; let its name end in one of {', '.join(ENDINGS)}"
        )
    if not pairs:
        raise OutputUnwritable(f"there is no pair to write to {path}; choose a base that has some")
    if not overwrite and path.exists():
        raise OutputUnwritable(f"{path} exists; name another file, or allow it to be overwritten")
    with finish_or_discard(path) as part:
        if ending == ".xlsx":
            with part.open("wb") as book:
                write_workbook(pairs, book, path)
        elif ending == ".csv":
            with part.open("w", encoding="utf-8-sig", newline="", errors="strict") as table:
                write_csv(pairs, table, path)
        elif ending == ".md":
            text = "\n\n".join(write_markdown(pairs, path))
            part.write_bytes(b"\xef\xbb\xbf" + text.encode())
        else:
            part.write_bytes(_write_json([describe_pair(pair) for pair in pairs], ending, path))


def describe_pair(pair: Pair) -> dict[str, Any]:
    """Return a pair as one object of JSON, without fields that have their default."""
    row: dict[str, Any] = {
        "id": pair.id,
        "language": pair.language,
        "topic": pair.topic,
        "question": pair.question,
        "aliases": list(pair.aliases),
        "answer": pair.answer or None,
        "source": pair.source,
        "sample": pair.sample,
    }
    if (pair.emotion, pair.intensity) != ("neutral", 0.3):
        row |= {"emotion": pair.emotion, "intensity": pair.intensity}
    row |= {
        "valid_from": pair.valid_from and pair.valid_from.isoformat(),
        "valid_to": pair.valid_to and pair.valid_to.isoformat(),
        "attachments": [
            {"kind": entry.kind, "value": entry.value}
            | ({"label": entry.label} if entry.label else {})
            for entry in pair.attachments
        ],
    }
    return {key: value for key, value in row.items() if value or key in ("answer", "intensity")}


def _write_json(rows: list[dict[str, Any]], ending: str, path: Path) -> bytes:
    def write(readable: bool) -> bytes:
        lines = [json.dumps(row, ensure_ascii=not readable) for row in rows]
        whole = "\n".join(lines) if ending == ".jsonl" else "[\n" + ",\n".join(lines) + "\n]"
        return (whole + "\n").encode()

    try:
        content = write(True)
        # Without a byte-order mark, which JSON forbids, few and rare characters may look like
        # another encoding.
        if decode_text(content, path).text.encode() == content:
            return content
    except (UnicodeEncodeError, FileUnreadable):
        pass
    return write(False)
