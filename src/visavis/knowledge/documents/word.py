"""DOCX to headings, paragraphs and rows of tables."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from visavis.core.errors import FileUnreadable
from visavis.knowledge.documents.blocks import Draft, clean_line, is_heading, write_rows
from visavis.knowledge.importing.archives import check_archive
from visavis.knowledge.importing.rows import Problem

MAX_UNPACKED_BYTES = 300 << 20
"""Of all parts of a file together, its pictures with them."""
PART = "word/document.xml"
_MOST_COLUMNS = 64
_TITLE = -1
"""Stands for the level of a style for titles."""
_CONTENTS = -2
"""Stands for the level of styles for tables of contents."""
_MOST_DEPTH = 50
"""Of tables within tables and the like."""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_CONTAINERS = {f"{_W}{name}" for name in ("sdt", "sdtContent", "customXml", "ins", "smartTag")}
# Deleted text, the older of two forms of one drawing, and text boxes, which are read by themselves.
_APART = {f"{_W}del", f"{_W}moveFrom", f"{_W}txbxContent", f"{_MC}Fallback"}
_HEADING_NAME = re.compile(r"(?:heading|标题|標題)\s*([1-9])", re.IGNORECASE)
_SPACES = {f"{_W}tab": " ", f"{_W}br": " ", f"{_W}cr": " ", f"{_W}noBreakHyphen": "-"}


def read_word(content: bytes, path: Path) -> Draft:
    """Read a DOCX file's body; headers, footers, notes, comments and deleted text are left out.

    Headings are known by their style or outline level, and a first line styled as title is the
    title. Tables of contents and text marked as hidden are dropped.

    Raises:
        FileUnreadable: It is encrypted, broken, or unpacks to too much.
    """
    check_archive(content, path, kind="document", part=PART, most_bytes=MAX_UNPACKED_BYTES)
    import docx

    try:
        document = docx.Document(io.BytesIO(content))
        reader = _Reader(document)
        draft = reader.draft
        draft.title = clean_line(document.core_properties.title or "")
        reader.read(document.element.body)
    except MemoryError as error:
        raise FileUnreadable(f"{path} is too large for this machine; split it") from error
    # A broken file makes python-docx raise nearly anything (KeyError, ValueError, XMLSyntaxError …).
    except Exception as error:
        raise FileUnreadable(
            f"{path} is a broken document ({type(error).__name__}); "
            "open it in a word processor and save it again as .docx"
        ) from error
    if reader.hidden:
        what = f"{reader.hidden} pieces of hidden text were left out"
        draft.problems.append(Problem("file", what, "note"))
    return draft


class _Reader:
    """Walks a document's body.

    Attributes:
        draft: What was read.
        hidden: Runs left out because they are marked as hidden.
    """

    def __init__(self, document: Any) -> None:
        self.draft = Draft()
        self.hidden = 0
        self._levels: dict[str, int] = {}
        styles = {style.style_id: style for style in document.styles}
        for identity, style in styles.items():
            self._levels[identity] = _find_level(style)

    def read(self, parent: Any, depth: int = 0) -> None:
        """Read paragraphs and tables beneath an element, in their order."""
        for child in parent:
            if child.tag == f"{_W}p":
                self._read_paragraph(child, depth)
            elif child.tag == f"{_W}tbl":
                self._read_table(child, depth)
            elif child.tag in _CONTAINERS and depth < _MOST_DEPTH:
                self.read(child, depth + 1)

    def _read_paragraph(self, paragraph: Any, depth: int) -> None:
        text = clean_line(self._collect(paragraph))
        if text:
            level = self._tell_level(paragraph)
            if level == _CONTENTS:
                return
            if level == _TITLE:
                if not self.draft.blocks:
                    self.draft.title = text
                    return
                level = 1
            if level == 0 and is_heading(text) and _is_bold(paragraph):
                level = 2
            self.draft.add(text, level if len(text) <= 200 else 0)
        if depth < _MOST_DEPTH:
            for box in paragraph.iter(f"{_W}txbxContent"):
                if not _is_beneath(box, _APART, paragraph):
                    self.read(box, depth + 1)

    def _collect(self, element: Any) -> str:
        parts: list[str] = []
        for child in element:
            if child.tag in _APART:
                continue
            if child.tag == f"{_W}r" and _is_hidden(child):
                self.hidden += any(True for _ in child.iter(f"{_W}t"))
            elif child.tag == f"{_W}t":
                parts.append(child.text or "")
            elif child.tag in _SPACES:
                parts.append(_SPACES[child.tag])
            # Of tables and properties nothing belongs to a paragraph's own text.
            elif child.tag not in (f"{_W}pPr", f"{_W}rPr", f"{_W}tbl"):
                parts.append(self._collect(child))
        return "".join(parts)

    def _tell_level(self, paragraph: Any) -> int:
        properties = paragraph.find(f"{_W}pPr")
        if properties is None:
            return 0
        outline = properties.find(f"{_W}outlineLvl")
        if outline is not None and (outline.get(f"{_W}val") or "").isdigit():
            level = int(outline.get(f"{_W}val")) + 1
            return level if level <= 9 else 0
        style = properties.find(f"{_W}pStyle")
        return 0 if style is None else self._levels.get(style.get(f"{_W}val") or "", 0)

    def _read_table(self, table: Any, depth: int) -> None:
        if depth >= _MOST_DEPTH:
            return
        rows: list[list[str]] = []
        flags: list[bool] = []
        above: dict[int, str] = {}
        for row in _find_children(table, f"{_W}tr"):
            cells: list[str] = []
            for cell in _find_children(row, f"{_W}tc"):
                width, merged = _measure_cell(cell)
                paragraphs = [self._collect(p) for p in cell.iter(f"{_W}p")]
                text = " ".join(filter(None, map(clean_line, paragraphs)))
                if merged and not text:
                    text = above.get(len(cells), "")
                above[len(cells)] = text
                # A cell over several columns counts once.
                cells += [text, *[""] * (width - 1)]
            rows.append(cells[:_MOST_COLUMNS])
            properties = row.find(f"{_W}trPr")
            flags.append(properties is not None and properties.find(f"{_W}tblHeader") is not None)
        for line in write_rows(rows, has_header=bool(flags) and flags[0]):
            self.draft.add(line)


def _find_children(parent: Any, tag: str, depth: int = 0) -> Iterator[Any]:
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in _CONTAINERS and depth < _MOST_DEPTH:
            yield from _find_children(child, tag, depth + 1)


def _measure_cell(cell: Any) -> tuple[int, bool]:
    """Return over how many columns a cell goes, and whether it continues the one above."""
    properties = cell.find(f"{_W}tcPr")
    if properties is None:
        return 1, False
    span, merge = properties.find(f"{_W}gridSpan"), properties.find(f"{_W}vMerge")
    width = (span.get(f"{_W}val") or "1") if span is not None else "1"
    continued = merge is not None and merge.get(f"{_W}val") != "restart"
    return min(int(width) if width.isdigit() else 1, _MOST_COLUMNS), continued


def _find_level(style: Any) -> int:
    """Return the level of a style's headings, by its name or outline or those it is based on."""
    seen = 0
    while style is not None and seen < 20:
        seen += 1
        name = style.name or ""
        found = _HEADING_NAME.fullmatch(name)
        if found:
            return int(found[1])
        if name.lower() == "title":
            return _TITLE
        if name.lower().startswith(("toc ", "目录")):
            return _CONTENTS
        outline = style.element.find(f"{_W}pPr/{_W}outlineLvl")
        if outline is not None and (outline.get(f"{_W}val") or "").isdigit():
            level = int(outline.get(f"{_W}val")) + 1
            return level if level <= 9 else 0
        style = getattr(style, "base_style", None)
    return 0


def _is_hidden(run: Any) -> bool:
    properties = run.find(f"{_W}rPr")
    mark = None if properties is None else properties.find(f"{_W}vanish")
    return mark is not None and mark.get(f"{_W}val") not in ("0", "false", "off")


def _is_bold(paragraph: Any) -> bool:
    runs = [run for run in paragraph.iter(f"{_W}r") if run.find(f"{_W}t") is not None]
    return bool(runs) and all(run.find(f"{_W}rPr/{_W}b") is not None for run in runs)


def _is_beneath(element: Any, tags: set[str], top: Any) -> bool:
    parent = element.getparent()
    while parent is not None and parent is not top:
        if parent.tag in tags:
            return True
        parent = parent.getparent()
    return False
