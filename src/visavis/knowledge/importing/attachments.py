"""Links, telephones and offices beside an answer, as tables and JSON have them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from visavis.knowledge.base import (
    ATTACHMENT_KINDS,
    MAX_ATTACHMENTS,
    MAX_QUESTION,
    Attachment,
    AttachmentKind,
)
from visavis.knowledge.importing.fields import Values, Wrong, clean, parse_list

MAX_LABEL = 100
"""Characters."""

# A semicolon may belong to an address of the web; it parts two only before a blank or another one.
_LINK_ENDS = re.compile(
    r"[\n\r；]|;(?=\s|$|https?://|[^;|\n\r]{1,100}[|:：]\s*https?://)", re.IGNORECASE
)
_ENDS = re.compile(r"[\n\r；;]")
_IS_LINK = re.compile(r"https?://.*", re.IGNORECASE)
_LABELLED_LINK = re.compile(r"([^:：]{1,100}?)\s*[:：]\s*(https?://.*)", re.IGNORECASE)
# Digits, the marks among them, and an extension.
_IS_PHONE = re.compile(
    r"[+＋]?[0-9(（][0-9\s()（）.\-–—/]{1,40}[0-9](?:\s*(?:转|轉|ext\.?|x|#)\s*[0-9]{1,8})?",
    re.IGNORECASE,
)
_LABELLED_PHONE = re.compile(r"([^0-9:：+]{1,100}?)\s*[:：]\s*(\S.*)")


def read_attachments(values: Values) -> tuple[Attachment, ...]:
    """Return a row's attachments, each once: those of ``attachments``, then link, phone, office.

    ``attachments`` is a list of objects of ``kind``, ``value`` and ``label``, in a table as JSON.
    The other three hold one or several, parted by line breaks and semicolons, and links and
    telephones by ``|`` too. A label stands before its value: ``label|value``, and before a web
    address or a number that is nothing else also ``label: value``; an office has colons of its own.

    Raises:
        Wrong: One is no text, too long, no link, or there are too many.
    """
    found = [_check(*parts) for parts in _read_objects(values.get("attachments"))]
    for kind in ATTACHMENT_KINDS:
        for text in _list_texts(values.get(kind), kind):
            found += [_check(kind, value, label) for label, value in split_attachments(kind, text)]
    kept = tuple(dict.fromkeys(found))
    if len(kept) > MAX_ATTACHMENTS:
        raise Wrong(f"it has {len(kept)} attachments; at most {MAX_ATTACHMENTS} are taken")
    return kept


def split_attachments(kind: AttachmentKind, text: str) -> Iterable[tuple[str, str]]:
    """Yield (label, value) of a cell; the label may be empty.

    Raises:
        Wrong: Labels and values cannot be told apart.
    """
    for item in (_LINK_ENDS if kind == "link" else _ENDS).split(text):
        parts = [part.strip() for part in item.split("|") if part.strip()]
        if kind == "office":
            if len(parts) > 2:
                raise Wrong(f"the office {item.strip()[:60]!r} has several '|'; write one a line")
            if parts:
                yield (parts[0], parts[1]) if len(parts) == 2 else ("", parts[0])
            continue
        yield from _pair_labels(kind, parts)


def _pair_labels(kind: AttachmentKind, parts: Sequence[str]) -> Iterable[tuple[str, str]]:
    is_value = _IS_LINK if kind == "link" else _IS_PHONE
    labelled = _LABELLED_LINK if kind == "link" else _LABELLED_PHONE
    label = ""
    for index, part in enumerate(parts):
        inner = labelled.fullmatch(part)
        if is_value.fullmatch(part) or label:
            yield label, part
            label = ""
        elif inner and is_value.fullmatch(inner[2]):
            yield inner[1], inner[2]
        elif index + 1 < len(parts):
            label = part
        else:
            yield "", part


def write_cells(attachments: Sequence[Attachment]) -> dict[str, str]:
    """Write attachments as the cells from which ``read_attachments`` reads the same.

    These are the columns link, phone and office; where order or marks do not allow it, the column
    ``attachments`` as JSON.
    """
    cells: dict[str, str] = {
        kind: "\n".join(
            f"{entry.label}|{entry.value}" if entry.label else entry.value
            for entry in attachments
            if entry.kind == kind
        )
        for kind in ATTACHMENT_KINDS
    }
    cells = {kind: text for kind, text in cells.items() if text}
    try:
        if read_attachments(cells) == tuple(attachments):
            return cells
    except Wrong:
        pass
    rows = [
        {"kind": entry.kind, "value": entry.value} | ({"label": entry.label} if entry.label else {})
        for entry in attachments
    ]
    return {"attachments": json.dumps(rows, ensure_ascii=False)}


def _read_objects(given: Any) -> Iterable[tuple[Any, Any, Any]]:
    if given is None or (isinstance(given, str) and not given.strip()):
        return
    listed = parse_list(given) if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise Wrong(
            "'attachments' must be a list of objects, such as "
            '[{"kind": "phone", "value": "12345", "label": "Hotline"}]'
        )
    for entry in listed:
        unknown = sorted(set(entry) - {"kind", "value", "label"})
        if entry.get("kind") not in ATTACHMENT_KINDS or unknown:
            raise Wrong(
                "an attachment has 'kind' (link, phone or office), 'value' and 'label'; "
                f"this one is {str(entry)[:80]}"
            )
        yield entry["kind"], entry.get("value"), entry.get("label") or ""


def _list_texts(given: Any, kind: str) -> list[str]:
    if given is None:
        return []
    return [clean(entry, kind) for entry in (given if isinstance(given, list) else [given])]


def _check(kind: AttachmentKind, value: Any, label: Any) -> Attachment:
    value = " ".join(clean(value, kind).split())
    label = " ".join(clean(label, f"label of a {kind}").split())
    if not value:
        raise Wrong(f"a {kind} is empty; write its value")
    if len(value) > MAX_QUESTION or len(label) > MAX_LABEL:
        raise Wrong(
            f"a {kind} has {len(value):,} characters and its label {len(label):,}; "
            f"at most {MAX_QUESTION:,} and {MAX_LABEL:,} are taken"
        )
    if kind == "link" and not _IS_LINK.fullmatch(value):
        raise Wrong(f"the link {value[:80]!r} does not begin with https:// or http://")
    return Attachment(kind, value, label)
