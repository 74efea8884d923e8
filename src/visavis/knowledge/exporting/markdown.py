"""Pairs to Markdown: questions as headings, answers beneath them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from visavis.core.errors import OutputUnwritable
from visavis.knowledge.base import ATTACHMENT_KINDS, Pair
from visavis.knowledge.importing import fields
from visavis.knowledge.importing.attachments import read_attachments, write_cells
from visavis.knowledge.importing.markdown import read_markdown
from visavis.knowledge.importing.rows import Row, find_field

_NAMES = {
    "source": ("Source", "来源"),
    "aliases": ("Aliases", "相似问法"),
    "valid_from": ("Valid from", "有效期起"),
    "valid_to": ("Valid to", "有效期止"),
    "link": ("Link", "链接"),
    "phone": ("Phone", "电话"),
    "office": ("Office", "地址"),
}
_MARK = re.compile(r"[\\`*_\[\]<>&|~]|(?<=[Ww])\.|(?<=[A-Za-z]):(?=//)|==+")
_LINE_MARK = re.compile(r"\s*(?:[#+\-=:]|\d{1,9}(?=[.)]))")


def write_markdown(pairs: Sequence[Pair], path: Path) -> Iterator[str]:
    """Yield blocks of text, to be parted by empty lines.

    What would not be read back as it is (an answer with empty lines, an alias with a semicolon, ids,
    languages and the like) stands in fenced blocks ``answer`` and ``pair`` beneath the question;
    ``read_markdown`` tells of them.

    Args:
        pairs: In the order wanted. A topic is a heading over all pairs that follow with the same.
        path: For messages.

    Raises:
        OutputUnwritable: A pair holds half a character.
    """
    topic = ""
    for pair in pairs:
        try:
            yield from _write_section(pair, topic)
        except fields.Wrong as error:
            raise OutputUnwritable(
                f"the pair {pair.id!r} cannot be written to {path}: {error}"
            ) from error
        topic = pair.topic or topic


def _write_section(pair: Pair, topic: str) -> Iterator[str]:
    if pair.topic and pair.topic != topic:
        topic = pair.topic
        yield f"# {_escape(topic)}"
    question = _escape(fields.clean(pair.question, "question")) or "?"
    answer = fields.clean(pair.answer, "answer") or "null"
    # Two blanks at its end keep a line from being joined to the next.
    visible = "  \n".join(_escape(line) for line in answer.split("\n"))
    lines = "\n".join(_write_fields(pair))
    head = f"# {_escape(topic)}\n\n" if topic else ""
    values = _read_back(f"{head}## {question}\n\n{visible}\n\n{lines}")
    if values.get("answer") != answer:
        fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", answer))])
        visible = f"{fence}answer\n{answer}\n{fence}"
        values = _read_back(f"{head}## {question}\n\n{visible}\n\n{lines}")
    rest = _find_rest(pair, values, answer)
    yield f"## {question}"
    yield visible
    if lines:
        yield lines
    block = json.dumps(rest, ensure_ascii=False)
    # Importing shortens long runs of blanks.
    block = re.sub(r"\s{2,}", lambda run: "".join(f"\\u{ord(c):04x}" for c in run[0]), block)
    yield f"```pair\n{block}\n```"


def _write_fields(pair: Pair) -> Iterator[str]:
    cells = {"source": pair.source, "aliases": "; ".join(pair.aliases)}
    if pair.valid_from:
        cells["valid_from"] = pair.valid_from.isoformat()
    if pair.valid_to:
        cells["valid_to"] = pair.valid_to.isoformat()
    cells |= write_cells(pair.attachments)
    for name, (english, chinese) in _NAMES.items():
        label = f"{chinese}：" if pair.language == "zh" else f"{english}: "
        for line in cells.get(name, "").split("\n"):
            if line.strip():
                yield f"- {label}{_escape(line, keep_addresses=name in ('source', 'link'))}"


def _read_back(text: str) -> dict[str, Any]:
    rows = [item for item in read_markdown(text) if isinstance(item, Row)]
    return dict(rows[0].values) if len(rows) == 1 else {}


def _find_rest(pair: Pair, values: dict[str, Any], answer: str) -> dict[str, Any]:
    """Return the fields that the visible text does not give as they are."""
    rest: dict[str, Any] = {"id": pair.id, "language": pair.language}

    def compare(name: str, read: Any, value: Any, written: Any) -> None:
        try:
            same = read() == value
        except fields.Wrong:
            same = False
        if not same:
            rest[name] = written

    compare("question", lambda: values.get("question"), pair.question, pair.question)
    compare("answer", lambda: values.get("answer"), answer, pair.answer or None)
    compare("topic", lambda: values.get("topic", ""), pair.topic, pair.topic)
    compare("source", lambda: values.get("source", ""), pair.source, pair.source)
    compare(
        "aliases",
        lambda: fields.read_aliases(values, pair.question),
        pair.aliases,
        list(pair.aliases),
    )
    for name in ("valid_from", "valid_to"):
        day = getattr(pair, name)
        compare(name, lambda name=name: fields.read_day(values, name), day, day and str(day))
    listed = [
        {"kind": entry.kind, "value": entry.value, "label": entry.label}
        for entry in pair.attachments
    ]
    compare("attachments", lambda: read_attachments(values), pair.attachments, listed)
    if "attachments" in rest:
        rest |= {kind: None for kind in ATTACHMENT_KINDS if kind in values}
    if pair.emotion != "neutral":
        rest["emotion"] = pair.emotion
    if pair.intensity != 0.3:
        rest["intensity"] = pair.intensity
    if pair.sample:
        rest["sample"] = True
    return rest


def _escape(line: str, *, keep_addresses: bool = False) -> str:
    """Write a line of text so that no mark of it means anything."""
    before, colon, after = line.partition("：" if "：" in line[:22] else ":")
    if colon and find_field(before.rstrip(" 0123456789")):
        # A backslash takes the meaning of ASCII marks only.
        colon = "\\:" if colon == ":" else "&#65306;"
    else:
        before, colon, after = line, "", ""

    def escape(text: str) -> str:
        if keep_addresses:
            return re.sub(r"[\\`*\[\]<>&~]", r"\\\g<0>", text)
        return _MARK.sub(lambda found: "".join(f"\\{c}" for c in found[0]), text)

    whole = escape(before) + colon + escape(after)
    mark = _LINE_MARK.match(whole)
    if mark is None:
        return whole
    if mark[0][-1].isdigit():
        return f"{mark[0]}\\{whole[mark.end() :]}"
    return f"{mark[0][:-1]}\\{mark[0][-1]}{whole[mark.end() :]}"
