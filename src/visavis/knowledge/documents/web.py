"""HTML to headings, paragraphs and rows of tables."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any

from visavis.core.errors import FileUnreadable
from visavis.knowledge.documents.blocks import Draft, clean_line, write_rows
from visavis.knowledge.importing.encodings import decode_text
from visavis.knowledge.importing.rows import Problem

_MOST_COLUMNS = 64
_MOST_DEPTH = 200
"""Of elements within elements; what lies deeper is left out."""
_HEAD_BYTES = 4096

_CHARSET = re.compile(rb"<meta[^>]{0,300}charset\s*=\s*[\"']?\s*([\w-]{2,40})", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml[^>]{0,200}encoding\s*=\s*[\"']([\w-]{2,40})", re.IGNORECASE)
# What browsers take for these names (WHATWG, Encoding Standard).
_LABELS = {
    "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "iso-8859-1": "cp1252",
    "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252",
}  # fmt: skip
_DROPPED = {
    "script", "style", "noscript", "template", "nav", "aside", "head", "svg", "math", "iframe",
    "object", "embed", "audio", "video", "canvas", "button", "select", "option", "textarea", "input",
    "dialog", "menu", "map", "datalist",
}  # fmt: skip
_BLOCKS = {
    "address", "article", "blockquote", "body", "center", "dd", "details", "dir", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "html", "li",
    "main", "ol", "p", "pre", "section", "summary", "ul", "table", "caption", "tbody", "thead",
    "tfoot", "tr", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6", "legend", "label",
}  # fmt: skip
_ROLES = {"navigation", "banner", "contentinfo", "search", "menu", "menubar", "complementary"}
_NAMES = {
    "nav", "navbar", "navigation", "menu", "breadcrumb", "breadcrumbs", "sidebar", "footer",
    "pagination", "cookie-banner", "skip-link", "headerlink",
}  # fmt: skip
_UNSEEN_NAMES = {"sr-only", "visually-hidden", "screen-reader-text", "hidden"}
_UNSEEN_STYLE = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|opacity:0?\.?0*(?:;|$|!)|font-size:0(?:[a-z%]*)(?:;|$|!)"
    r"|(?:left|top|text-indent|margin-left):-\d{3,}|clip:rect\(0|clip-path:inset\((?:50|100)%"
    r"|(?:^|;)color:transparent|(?:^|;)(?:max-)?(?:height|width):0(?:px)?(?:;|$|!)"
)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SELECTOR = re.compile(r"(?:[a-z][a-z0-9]*)?([.#])([\w-]+)", re.IGNORECASE)


def read_web(content: bytes, path: Path) -> Draft:
    """Read what a page shows of itself, without its navigation.

    Scripts, menus, comments and what is hidden from the eye (by attribute, by its own style or by a
    plain rule of the page's style sheets) are left out. Where there is one ``main``, it is the page.

    Raises:
        FileUnreadable: It is no page, or in no encoding that can be read.
    """
    from lxml import html

    text, note = decode_page(content, path)
    # Else the parser drops a text of more than ten million bytes without a word.
    parser = html.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        tree = html.document_fromstring(text.encode("utf-8", "ignore"), parser=parser)
    # Nothing in it, or nested deeper than the parser goes.
    except Exception as error:
        raise FileUnreadable(
            f"{path} is no page that can be read ({error}); save it anew"
        ) from error
    reader = _Reader(_find_unseen_names(tree))
    title = tree.findtext(".//title")
    reader.draft.title = clean_line(title or "")
    mains = tree.xpath("//main | //*[@role='main']")
    reader.read(mains[0] if len(mains) == 1 else tree)
    if not reader.draft.blocks and mains:
        reader.read(tree)
    if reader.unseen:
        what = f"{reader.unseen} hidden parts of the page were left out"
        reader.draft.problems.append(Problem("file", what, "note"))
    if note:
        reader.draft.problems.append(Problem("file", note, "note"))
    return reader.draft


def decode_page(content: bytes, path: Path) -> tuple[str, str]:
    """Return a page's text, and a note where its encoding is not sure.

    Its byte-order mark counts first, then what its ``meta`` says where that holds throughout, then
    what its characters look like.

    Raises:
        FileUnreadable: None of these can be read.
    """
    marks = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    found = _CHARSET.search(content[:_HEAD_BYTES]) or _XML.match(content[:_HEAD_BYTES])
    if found and not content.startswith(marks):
        name = found[1].decode("ascii").lower()
        try:
            return content.decode(codecs.lookup(_LABELS.get(name, name)).name), ""
        except (LookupError, UnicodeDecodeError, AttributeError):
            pass
    decoded = decode_text(content, path)
    return decoded.text, decoded.note


def _find_unseen_names(tree: Any) -> set[str]:
    """Return ``.class`` and ``#id`` that the page's own style sheets hide on every device."""
    names: set[str] = set()
    for sheet in tree.iter("style"):
        text = re.sub(r"/\*.*?(?:\*/|\Z)", "", sheet.text or "", flags=re.DOTALL)[: 1 << 20]
        text = re.sub(r"@[^{};]+\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", text)
        for selectors, style in _RULE.findall(text):
            if _is_unseen_style(style):
                for selector in selectors.split(","):
                    found = _SELECTOR.fullmatch(selector.strip())
                    if found:
                        names.add(found[1] + found[2])
    return names


def _is_unseen_style(style: str) -> bool:
    return bool(_UNSEEN_STYLE.search(re.sub(r"\s+", "", style).lower()))


class _Reader:
    """Walks a page's tree.

    Attributes:
        draft: What was read.
        unseen: Elements left out because nobody sees them.
    """

    def __init__(self, unseen_names: set[str], depth: int = 0) -> None:
        self.draft = Draft()
        self.unseen = 0
        self._unseen_names = unseen_names
        self._line: list[str] = []
        self._level = 0
        self._prefix = ""
        self._depth = depth
        self._numbers: dict[Any, int] = {}

    def read(self, top: Any) -> None:
        """Read an element and all beneath it."""
        self._walk(top)
        self._close()

    def _close(self) -> None:
        text = "".join(self._line)
        self._line.clear()
        if text.strip():
            self.draft.add(self._prefix + text, self._level)
            self._prefix = ""

    def _walk(self, element: Any) -> None:
        tag = element.tag
        if not isinstance(tag, str) or self._is_left_out(element):
            return
        if tag == "br":
            self._close()
        elif tag == "table" and _is_data(element):
            self._close()
            self._read_table(element)
        else:
            self._walk_into(element, tag)

    def _walk_into(self, element: Any, tag: str) -> None:
        block, level = tag in _BLOCKS, self._level
        if block:
            self._close()
        if re.fullmatch(r"h[1-6]", tag):
            self._level = int(tag[1])
        if tag == "li" and element.getparent() is not None and element.getparent().tag == "ol":
            number = self._numbers.get(element.getparent(), 0) + 1
            self._numbers[element.getparent()] = number
            self._prefix = f"{number}. "
        preserved = tag == "pre"
        self._say(element.text, preserved)
        self._depth += 1
        for child in element:
            if self._depth < _MOST_DEPTH:
                self._walk(child)
            self._say(child.tail, preserved)
        self._depth -= 1
        if block:
            self._close()
        self._level = level

    def _say(self, text: str | None, preserved: bool) -> None:
        for index, line in enumerate((text or "").split("\n") if preserved else [text or ""]):
            if index:
                self._close()
            self._line.append(line)

    def _is_left_out(self, element: Any) -> bool:
        tag, names = element.tag, set((element.get("class") or "").lower().split())
        identity = element.get("id") or ""
        if tag in _DROPPED or (element.get("role") or "").lower() in _ROLES:
            return True
        if tag not in ("body", "html", "main", "article") and (
            names & _NAMES or identity.lower() in _NAMES
        ):
            return True
        if tag == "footer" and not any(
            parent.tag in ("article", "main", "section", "blockquote")
            for parent in element.iterancestors()
        ):
            return True
        own = {f".{name}" for name in (element.get("class") or "").split()} | {f"#{identity}"}
        unseen = (
            element.get("hidden") is not None
            or (element.get("aria-hidden") or "").strip().lower() == "true"
            or bool(names & _UNSEEN_NAMES)
            or _is_unseen_style(element.get("style") or "")
            or bool(own & self._unseen_names)
        )
        self.unseen += unseen and bool("".join(element.itertext()).strip())
        return unseen

    def _read_table(self, table: Any) -> None:
        caption = table.find("caption")
        if caption is not None:
            self.draft.add(self._collect(caption))
        rows: list[list[str]] = []
        header = False
        lasting: dict[int, tuple[int, str]] = {}
        for row in table.iter("tr"):
            if self._is_left_out(row):
                continue
            cells = [
                cell for cell in row if cell.tag in ("td", "th") and not self._is_left_out(cell)
            ]
            if not rows and cells:
                header = all(cell.tag == "th" for cell in cells)
            texts: list[str] = []
            for cell in cells:
                _carry(lasting, texts)
                text, wide, high = (
                    self._collect(cell),
                    _count(cell, "colspan"),
                    _count(cell, "rowspan"),
                )
                if high > 1:
                    lasting[len(texts)] = (high - 1, text)
                texts += [text, *[""] * (min(wide, _MOST_COLUMNS) - 1)]
            _carry(lasting, texts)
            if texts:
                rows.append(texts[:_MOST_COLUMNS])
        for line in write_rows(rows, header):
            self.draft.add(line)

    def _collect(self, cell: Any) -> str:
        """Return the text of a cell as one line."""
        inner = _Reader(self._unseen_names, self._depth)
        inner._walk_into(cell, cell.tag)
        inner._close()
        self.unseen += inner.unseen
        return " ".join(block.text for block in inner.draft.blocks)


def _carry(lasting: dict[int, tuple[int, str]], texts: list[str]) -> None:
    """Add the cells that go on from rows above."""
    while len(texts) in lasting and len(texts) < _MOST_COLUMNS:
        column = len(texts)
        left, text = lasting.pop(column)
        if left > 1:
            lasting[column] = (left - 1, text)
        texts.append(text)


def _count(cell: Any, name: str) -> int:
    value = cell.get(name) or "1"
    return max(1, min(int(value), 1_000)) if value.isascii() and value.isdigit() else 1


def _is_data(table: Any) -> bool:
    """Whether a table holds data; others only put parts of a page side by side."""
    inner = table.xpath(".//table | .//h1 | .//h2 | .//h3 | .//td[count(.//p) > 2]")
    return not inner and (table.get("role") or "").lower() not in ("presentation", "none")
