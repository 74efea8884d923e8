"""PDF to lines with their places on the page."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from visavis.core.errors import FileUnreadable
from visavis.knowledge.documents.blocks import Block, Draft, check_length, clean_line
from visavis.knowledge.documents.pdf_layout import Line, drop_repeated, join_pages
from visavis.knowledge.importing.rows import Problem

MAX_PAGES = 20_000
_MOST_CHARACTERS = 500_000
"""Of one page; a page of a book has 2 000."""
_LISTED_PAGES = 10
_Box: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right, top in points."""
_LEAST_SIZE = 1.5
"""Points; smaller letters are for machines only."""

# PDFium may be used by one thread at a time, whatever the documents.
_LOCK = threading.Lock()
# How PDFium writes a hyphen at the end of a line.
_HYPHEN = "\ufffe"


def read_pdf(content: bytes, path: Path, progress: Callable[[int, int], None]) -> Draft:
    """Read a PDF's text, page by page.

    Lines that stand at the top or the bottom of many pages (headers, footers, page numbers) are
    dropped, lines are joined to paragraphs by their places, and lines in larger letters are headings.
    Lines off the page or too small to be seen are left out; text that is drawn invisibly is not, as
    text recognition lays it over scans.

    Args:
        content: The whole file.
        path: For messages.
        progress: Called with pages read and pages in all.

    Raises:
        FileUnreadable: It is encrypted or broken, or no page has text.
    """
    import pypdfium2

    with _LOCK:
        try:
            document = pypdfium2.PdfDocument(content)
            count = len(document)
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower() or "security" in str(error).lower():
                raise FileUnreadable(f"{path} is encrypted; save it without a password") from error
            raise FileUnreadable(
                f"{path} is a broken PDF ({error}); get another copy of it"
            ) from error
    try:
        if not 0 < count <= MAX_PAGES:
            raise FileUnreadable(
                f"{path} has {count:,} pages; between 1 and {MAX_PAGES:,} can be read, split it"
            )
        unseen: list[str] = []
        pages = list(_read_pages(document, count, path, progress, unseen))
        with _LOCK:
            title = clean_line(document.get_metadata_dict().get("Title", ""))
    finally:
        with _LOCK:
            document.close()
    draft = _compose(pages, title, path)
    if unseen:
        what = f"{len(unseen):,} lines off the page or too small to be seen were left out"
        draft.problems.append(Problem("file", what, "note"))
    return draft


def _compose(pages: list[list[Line] | None], title: str, path: Path) -> Draft:
    draft = Draft(title=title if any(c.isalpha() for c in title) else "")
    broken = [number for number, lines in enumerate(pages, 1) if lines is None]
    empty = [number for number, lines in enumerate(pages, 1) if lines == []]
    texts = [lines or [] for lines in pages]
    if not any(texts):
        raise FileUnreadable(
            f"{path} has no text on its {len(pages):,} pages: it seems to be scanned, and text in "
            "pictures is not recognised; run a text recognition (OCR) over it first"
        )
    if broken:
        what = "this could not be read: the page is damaged or holds far too much"
        draft.problems.append(Problem(_list_pages(broken), what))
    if empty:
        what = "no text here: empty, or a picture in which text is not recognised"
        draft.problems.append(Problem(_list_pages(empty), what, "note"))
    texts, dropped = drop_repeated(texts)
    if dropped:
        what = f"{dropped:,} lines that repeat at the top or bottom of pages were left out"
        draft.problems.append(Problem("file", what, "note"))
    draft.blocks = [
        Block(text, level, first, last) for text, level, first, last in join_pages(texts)
    ]
    return draft


def _list_pages(numbers: list[int]) -> str:
    listed = ", ".join(map(str, numbers[:_LISTED_PAGES]))
    more = len(numbers) - _LISTED_PAGES
    return f"page {listed}" + (f" and {more:,} more" if more > 0 else "")


def _read_pages(
    document: Any,
    count: int,
    path: Path,
    progress: Callable[[int, int], None],
    unseen: list[str],
) -> Iterator[list[Line] | None]:
    """Yield the lines of each page, or none where it cannot be read."""
    total = 0
    for index in range(count):
        # Released between pages, so that another document need not wait for this one's end.
        with _LOCK:
            lines = _read_page(document, index, unseen)
        total += sum(len(line.text) for line in lines or ())
        check_length(total, path)
        yield lines
        progress(index + 1, count)


def _read_page(document: Any, index: int, unseen: list[str]) -> list[Line] | None:
    import pypdfium2

    page = text_page = None
    try:
        page = document[index]
        text_page = page.get_textpage()
        if text_page.count_chars() > _MOST_CHARACTERS:
            return None
        width, height = (float(side) for side in page.get_size())
        turn = _make_turn(page.get_mediabox(), int(page.get_rotation()))
        seen: list[Line] = []
        for line in _read_lines(text_page, height, turn):
            outside = line.right < 0 or line.left > width or line.bottom < 0 or line.top > height
            if line.size and (line.size < _LEAST_SIZE or outside):
                unseen.append(line.text[:80])
            else:
                seen.append(line)
        return seen
    except (pypdfium2.PdfiumError, ValueError, ctypes.ArgumentError):
        return None
    finally:
        if text_page is not None:
            text_page.close()
        if page is not None:
            page.close()


def _read_lines(text_page: Any, height: float, turn: Callable[[_Box], _Box]) -> Iterator[Line]:
    whole = text_page.get_text_range(errors="ignore")
    index = 0
    for raw in whole.split("\n"):
        start, index = index, index + len(raw) + 1
        bare = raw.rstrip()
        # The mark of a hyphen is one that cleaning drops.
        text = clean_line(bare.replace(_HYPHEN, "\u2010\n").replace("\x02", "\u2010\n"))
        if not text:
            continue
        text = text.replace("\u2010 ", "\u2010\n")
        first = _find_box(text_page, start + len(raw) - len(raw.lstrip()))
        last = _find_box(text_page, start + len(bare) - 1)
        if first is None or last is None:
            yield Line(text, 0.0, 0.0, 0.0, 0.0, 0.0)
            continue
        first, last = turn(first), turn(last)
        # Measured from the top of the page, as it is read.
        yield Line(
            text,
            left=first[0],
            right=last[2],
            top=height - first[3],
            bottom=height - last[1],
            size=round(first[3] - first[1], 1),
        )


def _make_turn(media: _Box, rotation: int) -> Callable[[_Box], _Box]:
    """Return what turns a box of the file's space into one of the page as it is shown.

    Args:
        media: The page in the file's space.
        rotation: 0, 90, 180 or 270 degrees clockwise.
    """

    def turn(box: _Box) -> _Box:
        x0, y0, x1, y1 = box[0] - media[0], box[1] - media[1], box[2] - media[0], box[3] - media[1]
        width, height = media[2] - media[0], media[3] - media[1]
        if rotation == 90:
            return y0, width - x1, y1, width - x0
        if rotation == 180:
            return width - x1, height - y1, width - x0, height - y0
        if rotation == 270:
            return height - y1, x0, height - y0, x1
        return x0, y0, x1, y1

    return turn


def _find_box(text_page: Any, index: int) -> _Box | None:
    import pypdfium2

    try:
        left, bottom, right, top = text_page.get_charbox(index, loose=True)
    except (pypdfium2.PdfiumError, IndexError, ValueError):
        return None
    return float(left), float(bottom), float(right), float(top)
