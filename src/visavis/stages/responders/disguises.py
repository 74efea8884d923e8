"""The ways in which text is hidden from people or from a search, undone for comparing.

What is found in a disguised form is removed from the original; nothing here is ever spoken.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator

from visavis.models.common.simplified import to_simplified

_COMMENTS = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template|noscript)\b.*?(?:</\1\s*>|\Z)", re.S | re.I
)
_INVISIBLE = re.compile(
    r"<([a-z][a-z0-9]*)\b[^<>]*(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|\bhidden\b)"
    r"[^<>]*>.*?(?:</\1\s*>|\Z)",
    re.S | re.I,
)
_BLOB = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}|(?:\\x[0-9A-Fa-f]{2}|%[0-9A-Fa-f]{2}){8,}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[\s:]?){20,}")
_HEX_MARKS = re.compile(r"\\x|%")
_LONG_BLOB = 80
"""Characters from which a run of base64's alphabet is one, whatever it decodes to."""

_LOOKALIKES = str.maketrans(
    {
        # Cyrillic and Greek letters that are drawn as Latin ones.
        "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "ё": "e", "һ": "h", "н": "h", "і": "i",
        "ї": "i", "ј": "j", "к": "k", "ӏ": "l", "м": "m", "п": "n", "о": "o", "р": "p", "ԛ": "q",
        "г": "r", "ѕ": "s", "т": "t", "υ": "u", "ѵ": "v", "ѡ": "w", "х": "x", "у": "y", "ɡ": "g",
        "α": "a", "β": "b", "ε": "e", "η": "n", "ι": "i", "κ": "k", "ν": "v", "ο": "o", "ρ": "p",
        "τ": "t", "χ": "x", "γ": "y", "ı": "i", "ɑ": "a", "ո": "n", "օ": "o", "ѐ": "e", "ℓ": "l",
    }
)  # fmt: skip
_LEET = str.maketrans("013457@$!|€+", "oieastasiiet")
_LEET_L = str.maketrans("013457@$!|€+", "oleastasllet")


_SCRAMBLED = {
    (word[0], word[-1], "".join(sorted(word))): word
    for word in (
        "ignore", "disregard", "forget", "override", "bypass", "previous", "instruction",
        "instructions", "system", "prompt", "reveal", "rules", "above", "repeat", "assistant",
    )
}  # fmt: skip
_WORD = re.compile(r"[a-z]{5,14}")


def remove_hidden(text: str) -> str:
    """Take out what a reader would not see: controls, zero-width and bidirectional marks, comments.

    Line breaks stay. Tag characters (U+E0000…), variation selectors and private characters go too.
    """
    text = html.unescape(html.unescape(text))
    text = _INVISIBLE.sub(" ", _COMMENTS.sub(" ", text))
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = text.replace("\u2029", "\n\n").replace("\t", " ")
    return "".join(c for c in text if c == "\n" or _is_seen(c))


def _is_seen(char: str) -> bool:
    if "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef":
        return False
    if char in "\u115f\u1160\u3164\uffa0\u2800":  # letters that draw nothing
        return False
    return unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cs", "Cn")


def fold(text: str) -> str:
    """Write a text plainly: NFKC, no accents, small simplified letters, single spaces."""
    return " ".join(to_simplified(_strip_accents(text)).split())


def _strip_accents(text: str) -> str:
    split = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in split if unicodedata.category(c) != "Mn")
    return unicodedata.normalize("NFKC", plain).casefold()


def compact_forms(folded: str) -> Iterator[str]:
    """Yield what a folded text may be meant to be read as, with no spaces and marks in it.

    Args:
        folded: As `fold` gives it.

    Yields:
        As it is, with look-alike letters made Latin and known words spelled right, with digits for letters (twice, as 1 may be i or
        l), shifted by thirteen letters, and backwards; each only where it differs.
    """
    latin = _WORD.sub(_unscramble, folded.translate(_LOOKALIKES))
    forms = [_compact(folded)]
    for form in (
        _compact(latin),
        _compact(latin.translate(_LEET)),
        _compact(latin.translate(_LEET_L)),
    ):
        if form not in forms:
            forms.append(form)
    yield from forms
    plain = forms[0]
    if any("a" <= c <= "z" for c in plain):
        yield codecs.encode(plain, "rot13")
    yield plain[::-1]


def _unscramble(found: re.Match[str]) -> str:
    """Put the inner letters of a word in order, which readers and models do not need to be."""
    word = found.group()
    return _SCRAMBLED.get((word[0], word[-1], "".join(sorted(word))), word)


def _compact(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def find_blobs(text: str) -> list[tuple[int, int]]:
    """Find stretches that are text in base64, hexadecimal, or escapes; their starts and ends."""
    found = []
    for match in _HEX.finditer(text):
        digits = "".join(c for c in match.group() if c.isalnum())
        if _is_readable(bytes.fromhex(digits[: len(digits) // 2 * 2])):
            found.append(match.span())
    for match in _BLOB.finditer(text):
        run = match.group()
        if _is_in_address(text, match.start()) and not run.startswith(("\\x", "%")):
            continue
        if len(run) >= _LONG_BLOB or _is_readable(_decode(run)):
            found.append(match.span())
    return found


def _decode(run: str) -> bytes:
    if run.startswith(("\\x", "%")):
        return bytes.fromhex(_HEX_MARKS.sub("", run))
    run = run.rstrip("=").replace("-", "+").replace("_", "/")
    if len(run) % 4 == 1:
        run = run[:-1]
    try:
        return base64.b64decode(run + "=" * (-len(run) % 4))
    except (binascii.Error, ValueError):
        return b""


def _is_readable(decoded: bytes) -> bool:
    """Whether bytes are text of some language, as those of an ordinary word never are."""
    try:
        text = decoded.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(text) >= 6 and sum(c.isprintable() or c.isspace() for c in text) == len(text)


def _is_in_address(text: str, at: int) -> bool:
    begin = max(text.rfind(" ", 0, at), text.rfind("\n", 0, at)) + 1
    return "://" in text[begin:at] or "www." in text[begin:at]
