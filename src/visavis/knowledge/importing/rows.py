"""What every reader of pairs yields, and what columns are called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from visavis.models.common.simplified import to_simplified

_NAMES: dict[str, str] = {
    "id": "id no number 编号 序号",
    "language": "language lang 语言 语种",
    "topic": "topic category 分类 类别 主题 类目",
    "question": "question questions q query 问题 提问 标准问题 标准问 问 问句",
    "aliases": (
        "aliases alias similar similarquestion similarquestions synonyms 相似问法 相似问题 相似问 "
        "别名 扩展问 其他问法 同义问法"
    ),
    "answer": "answer answers a reply response 答案 回答 答复 标准答案 答",
    "source": "source 来源 出处 依据",
    "sample": "sample 样例 示例",
    "emotion": "emotion 情绪 情感 表情",
    "intensity": "intensity 强度",
    "valid_from": (
        "validfrom startdate effectivefrom effectivedate 有效期起 有效期自 有效期开始 生效日期 "
        "生效日 开始日期 起始日期"
    ),
    "valid_to": (
        "validto validuntil expires expirydate enddate 有效期止 有效期至 有效期结束 失效日期 失效日 "
        "到期日期 到期日 结束日期 终止日期"
    ),
    "link": "link links url urls website 链接 链接地址 网址 网站 网页 办事链接",
    "phone": (
        "phone phones phonenumber tel telephone telephonenumber hotline 电话 电话号码 联系电话 "
        "咨询电话 热线 咨询热线"
    ),
    "office": (
        "office offices address place location 地址 地点 办公地址 办公地点 办理地址 办理地点 "
        "办事地点 窗口 办理窗口"
    ),
    "attachments": "attachments attachment 附件",
}
_SEVERAL = {"aliases", "link", "phone", "office"}
"""Fields of which a table may have several columns, numbered or not."""
_FIELD_OF = {name: column for column, names in _NAMES.items() for name in names.split()}
_HEADER_ROWS = 5
"""Rows that are looked at for the names of columns; titles and remarks may stand above them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a file that its owner should know.

    Attributes:
        place: Such as ``row 12``, ``sheet 'Fees', row 3``, ``line 7`` or ``file``.
        what: One sentence: what was found and what to do.
        kind: ``error`` where something was left out for it; ``note`` where nothing of it was.
    """

    place: str
    what: str
    kind: Literal["error", "note"] = "error"


@dataclass(frozen=True, slots=True)
class Row:
    """One pair as a file has it, unchecked.

    Attributes:
        place: Where it stands.
        values: By field of ``Pair``. From tables texts, "" for an empty cell; from JSON whatever
            stands there.
    """

    place: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Flaw:
    """Stands for the text of a cell that has none, and says why."""

    what: str


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]
    fields: tuple[str | None, ...]


@dataclass(slots=True)
class Columns:
    """Tells which cell of a table's rows is which field; it learns that from the first rows.

    Args:
        where: Put before places, such as ``sheet 'Fees', ``.
    """

    where: str = ""
    _header: _Header | None = field(default=None, init=False)

    def read(self, table: Iterator[tuple[int, Sequence[str | Flaw]]]) -> Iterator[Row | Problem]:
        """Turn (row number from 1, cells) into rows by field; empty rows are passed over."""
        waiting: list[tuple[int, Sequence[str | Flaw]]] = []
        for number, cells in table:
            if not any(cells):
                continue
            if self._header is not None:
                yield from self._take(number, cells)
                continue
            header = _find_header(cells)
            if header is not None:
                yield from self._pass_over(waiting)
                waiting = []
                self._header = header
                yield from self._tell_header(number, header)
                continue
            waiting.append((number, cells))
            if len(waiting) >= _HEADER_ROWS:
                yield from self._do_without(waiting)
                if not self._is_settled():
                    return
                waiting = []
        if waiting:
            yield from self._do_without(waiting)

    def _is_settled(self) -> bool:
        return self._header is not None

    def _pass_over(
        self, rows: Sequence[tuple[int, Sequence[str | Flaw]]]
    ) -> Iterator[Row | Problem]:
        for number, _ in rows:
            what = "this row stands above the names of the columns and was passed over"
            yield Problem(self._place(number), what, "note")

    def _do_without(
        self, rows: Sequence[tuple[int, Sequence[str | Flaw]]]
    ) -> Iterator[Row | Problem]:
        """Take a table without names as question, answer, if it has two columns."""
        half = [n for n, cells in rows if {"question", "answer"} & set(_name_fields(cells))]
        widths = {_width(cells) for _, cells in rows}
        if half or max(widths) != 2:
            number = half[0] if half else rows[0][0]
            yield Problem(
                self._place(number),
                "no row names a column 'question' and a column 'answer' (问题, 答案); "
                "write these names above the columns",
            )
            return
        self._header = _Header(("question", "answer"), ("question", "answer"))
        for number, cells in rows:
            yield from self._take(number, cells)

    def _tell_header(self, number: int, header: _Header) -> Iterator[Row | Problem]:
        unknown = [
            name for name, meant in zip(header.names, header.fields, strict=True) if not meant
        ]
        named = ", ".join(repr(name[:40]) for name in unknown if name)
        if named:
            what = f"not known and not read: the column {named}; known are {', '.join(_NAMES)}"
            yield Problem(self._place(number), what, "note")
        for meant in sorted({f for f in header.fields if f} - _SEVERAL):
            if header.fields.count(meant) > 1:
                what = f"several columns mean {meant!r}; the first was read, remove the others"
                yield Problem(self._place(number), what, "note")

    def _take(self, number: int, cells: Sequence[str | Flaw]) -> Iterator[Row | Problem]:
        assert self._header is not None
        place, names, width = self._place(number), self._header.fields, _width(cells)
        if width > len(names):
            what = (
                f"it has {width} cells under {len(names)} columns; put the text with the "
                "separator in it between quotation marks"
            )
            yield Problem(place, what)
            return
        if len(cells) < len(names) and _is_needed_there(names, len(cells)):
            what = f"it has {len(cells)} of {len(names)} cells; add what is missing"
            yield Problem(place, what)
            return
        if len(cells) < len(names):
            what = f"it has {len(cells)} of {len(names)} cells; the rest was taken as empty"
            yield Problem(place, what, "note")
        values: dict[str, Any] = {}
        for meant, cell in zip(names, cells, strict=False):
            if meant is None:
                continue
            if isinstance(cell, Flaw):
                yield Problem(place, f"{meant!r} {cell.what}")
                return
            if meant in _SEVERAL and values.get(meant):
                values[meant] += "\n" + cell
            else:
                values.setdefault(meant, cell)
        if any(isinstance(value, str) and value.strip() for value in values.values()):
            yield Row(place, values)

    def _place(self, number: int) -> str:
        return f"{self.where}row {number}"


def find_field(name: str) -> str | None:
    """Return the field of ``Pair`` that a column's name means, in English or Chinese.

    Case, spaces, marks, traditional characters and, for what a pair has several of, a number behind do not matter.
    """
    return _find_field(name) if len(name) <= 60 else None


@lru_cache(maxsize=256)
def _find_field(name: str) -> str | None:
    plain = unicodedata.normalize("NFKC", to_simplified(name)).casefold()
    plain = re.sub(r"[\W_]+", "", plain)
    bare = plain.rstrip("0123456789")
    if _FIELD_OF.get(bare) in _SEVERAL:
        return _FIELD_OF[bare]
    return _FIELD_OF.get(plain)


def _find_header(cells: Sequence[str | Flaw]) -> _Header | None:
    fields = _name_fields(cells)
    if "question" not in fields or "answer" not in fields:
        return None
    names = tuple("" if isinstance(cell, Flaw) else cell.strip() for cell in cells)
    count = max(_width(cells), 2)
    return _Header(names[:count], fields[:count])


def _name_fields(cells: Sequence[str | Flaw]) -> tuple[str | None, ...]:
    return tuple(None if isinstance(cell, Flaw) else find_field(cell) for cell in cells)


def _width(cells: Sequence[str | Flaw]) -> int:
    """Count cells up to the last that holds something."""
    for index in range(len(cells), 0, -1):
        cell = cells[index - 1]
        if isinstance(cell, Flaw) or cell.strip():
            return index
    return 0


def _is_needed_there(fields: Sequence[str | None], count: int) -> bool:
    return bool({"question", "answer"} & set(fields[count:]))
