"""A model's answer without what is not spoken: reasoning, Markdown, HTML, emoji."""

from __future__ import annotations

import html
import re
import unicodedata

from visavis.core.language import is_han
from visavis.core.types import Language
from visavis.stages.responders.markdown_marks import (
    BOX,
    BULLET,
    CLOSERS,
    ENTITY,
    ENTITY_SO_FAR,
    KEPT_SYMBOLS,
    LINE_LIMIT,
    LINK_LIMIT,
    NUMBER,
    RULE,
    RULE_SO_FAR,
    SEPARATOR,
    STOPS,
    TEXT_LABELS,
    URL_CHARACTERS,
    find_close,
    is_latin,
    name_host,
)
from visavis.stages.responders.tags import find_end, read_tag

CODE_LEFT_OUT: dict[Language, str] = {
    "zh": "这里有一段代码，就不念了。",
    "en": "There is some code here, which I leave out.",
}


class PlainText:
    """Takes Markdown in pieces and gives plain text; any pieces of a text give the same.

    Emphasis, bullets, rules and fences disappear; of a link its words stay, of a bare address its
    host; a table becomes a line for each row. Headings and items of lists end with a full stop.
    Labelled code is left out, which is said. A piece of text is held back only while it may be
    markup.
    """

    def __init__(self, language: Language = "en", *, thinking: bool = False) -> None:
        """Begin.

        Args:
            language: In which it is said that code was left out.
            thinking: The answer begins within reasoning, whose opening tag is in the prompt.
        """
        self._language: Language = language
        self._buffer = ""
        self._at = 0
        self._hidden_until = "</think>" if thinking else ""
        self._in_code = False
        self._fenced = False
        self._line_start = True
        self._is_block = False
        self._is_item = False
        self._line = ""  # the last two characters of the line as it was given
        self._has_han = False
        self._gap = ""  # white space that is given before the next character
        self._lost = False
        self._out: list[str] = []

    def feed(self, piece: str) -> str:
        """Take more and return what is clear."""
        return self._run(piece, final=False)

    def flush(self) -> str:
        """Return the rest."""
        text = self._run("", final=True)
        self._end_line()
        return text + self._taken()

    def _run(self, piece: str, *, final: bool) -> str:
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0
        while self._at < len(self._buffer) and self._step(final):
            pass
        return self._taken()

    def _taken(self) -> str:
        text = "".join(self._out)
        self._out.clear()
        return text

    def _step(self, final: bool) -> bool:
        """Go on by one character or mark; False where more text must come first."""
        if self._hidden_until:
            self._at, ended = find_end(self._buffer, self._at, self._hidden_until)
            if ended:
                self._hidden_until = ""
            elif final:
                self._at = len(self._buffer)
            return ended
        if self._in_code:
            return self._skip_code(final)
        char = self._buffer[self._at]
        if char in "<[◁" and (done := self._take_tag(final)) is not None:
            return done
        if self._line_start and (done := self._begin_line(char, final)) is not None:
            return done
        return self._take_inline(char, final)

    def _take_tag(self, final: bool) -> bool | None:
        tag = read_tag(self._buffer, self._at, final)
        if tag.kind == "none":
            return None
        if tag.kind == "wait":
            return False
        self._at += tag.length
        if tag.kind == "hide":
            self._hidden_until = tag.until
        elif tag.kind == "break":
            self._end_line()
        elif tag.kind == "address":
            self._put_text(name_host(tag.until))
        return True

    def _skip_code(self, final: bool) -> bool:
        end = self._buffer.find("\n", self._at)
        if end < 0 and not final:
            return False
        line = self._buffer[self._at : end if end >= 0 else None]
        self._at = end + 1 if end >= 0 else len(self._buffer)
        self._in_code = not line.strip().startswith(("```", "~~~"))
        return True

    def _begin_line(self, char: str, final: bool) -> bool | None:
        """Take what has a meaning at the beginning of a line; None where it is plain text."""
        rest = self._buffer[self._at : self._at + LINE_LIMIT]
        if char in " \t\r\u3000":
            self._at += 1
            return True
        if char == "\n":
            self._at += 1
            self._end_line()
            return True
        if char in "`~" and (done := self._take_fence(rest, final)) is not None:
            return done
        if char in "-*_=":
            if found := RULE.match(rest):
                if found.group(2) or final:
                    self._at += found.end()
                    return True
                return False
            if BULLET.match(rest) is None and RULE_SO_FAR.match(rest) and not final:
                return False
        if char == "+" and len(rest) == 1 and not final:
            return False
        if char == ">":
            self._at += 1
            return True
        if char == "#":
            return self._take_heading(rest, final)
        if found := BULLET.match(rest):
            self._at += 1
            self._is_block = self._is_item = True
            return True
        if char == "[" and self._is_item:
            if (
                len(rest) < 4
                and not final
                and "[x] ".startswith(rest.lower().replace("[ ", "[x", 1))
            ):
                return False
            if BOX.match(rest):
                self._at += 4
                return True
        if char == "|" and (done := self._take_row(rest, final)) is not None:
            return done
        if char.isascii() and char.isdigit() and (found := NUMBER.match(rest)):
            if found.end() == len(rest) and not final and not found.group().endswith((" ", "\t")):
                return False
            self._is_block = self._is_block or found.group().endswith((" ", "\t"))
        self._line_start = False
        return None

    def _take_fence(self, rest: str, final: bool) -> bool | None:
        mark = rest[0]
        run = len(rest) - len(rest.lstrip(mark))
        if run < 3:
            return False if run == len(rest) and not final else None
        end = rest.find("\n")
        if end < 0 and not final and len(rest) < LINE_LIMIT and mark not in rest[run:]:
            return False
        label = rest[run : end if end >= 0 else None].strip()
        if mark in label:
            return None
        self._at += end + 1 if end >= 0 else len(rest)
        if self._fenced and not label:
            self._fenced = False
            return True
        words = label.lower().split()
        if not words or words[0] in TEXT_LABELS:
            self._fenced = True
            return True
        self._in_code = True
        self._put_text(CODE_LEFT_OUT[self._language])
        self._end_line()
        return True

    def _take_heading(self, rest: str, final: bool) -> bool | None:
        run = len(rest) - len(rest.lstrip("#"))
        if run == len(rest) and not final and run <= 6:
            return False
        if run > 6 or rest[run : run + 1] not in (" ", "\t", "\n", ""):
            self._line_start = False
            return None
        self._at += run
        self._is_block = True
        return True

    def _take_row(self, rest: str, final: bool) -> bool | None:
        end = rest.find("\n")
        if end < 0 and not final:
            return False if len(rest) < LINE_LIMIT else None
        row = rest[: end if end >= 0 else None]
        self._at += len(row)
        if not SEPARATOR.match(row):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)]
            comma = "，" if any(map(is_han, row)) else ", "
            self._replace(0, comma.join(filter(None, cells)))
            self._line_start, self._is_block = False, True
        return True

    def _replace(self, length: int, text: str) -> None:
        """Put text in the place of what comes next."""
        self._buffer = text + self._buffer[self._at + length :]
        self._at = 0

    def _take_inline(self, char: str, final: bool) -> bool:
        buffer, at = self._buffer, self._at
        if char == "\n" or char in "\u2028\u2029":
            self._at += 1
            self._end_line()
            return True
        if char in "*_~":
            return self._take_emphasis(char, final)
        if char == "!":
            if at + 1 == len(buffer) and not final:
                return False
            if buffer[at + 1 : at + 2] == "[" and (done := self._take_link(1, final)) is not None:
                return done
        if char == "[" and (done := self._take_link(0, final)) is not None:
            return done
        if char == "\\":
            return self._take_escape(final)
        if char == "&":
            if found := ENTITY.match(buffer, at):
                self._at = found.end()
                self._put_text(html.unescape(found.group()))
                return True
            if ENTITY_SO_FAR.match(buffer, at) and not final:
                return False
        if char in "hH" and (done := self._take_address(final)) is not None:
            return done
        self._at += 1
        if char != "`":
            self._put(char)
        return True

    def _take_emphasis(self, char: str, final: bool) -> bool:
        end = self._at
        while end < len(self._buffer) and self._buffer[end] == char:
            end += 1
        if end == len(self._buffer) and not final:
            return False
        run = self._buffer[self._at : end]
        after = self._buffer[end : end + 1]
        before = " " if self._gap else self._line[-1:]
        self._at = end
        if char == "*":
            numbers = before.isdigit() and after.isdigit() and len(run) < 3
            kept = numbers or (run == "*" and before == " " and after == " ")
        elif char == "_":
            kept = before.isascii() and before.isalnum() and after.isascii() and after.isalnum()
        else:
            kept = run == "~"
        for mark in run if kept else "":
            self._put(mark)
        return True

    def _take_link(self, bang: int, final: bool) -> bool | None:
        """Take ``[words](address)``, ``[words][name]``, a definition or a footnote; None if it is none."""
        rest = self._buffer[self._at + bang : self._at + bang + LINE_LIMIT + LINK_LIMIT]
        close = find_close(rest, 0, "[", "]", LINK_LIMIT)
        if close is None or (close == len(rest) - 1 and not final):
            open_yet = close is not None or (
                len(rest) < LINK_LIMIT and "\n" not in rest and not final
            )
            return False if open_yet else None
        words, after = rest[1:close], rest[close + 1 : close + 2]
        if words.startswith("^"):
            self._at += bang + close + 1
            return True
        if after == "(":
            end = find_close(rest, close + 1, "(", ")", LINE_LIMIT)
            if end is None:
                tail = rest[close + 1 :]
                if "\n" in tail or len(tail) >= LINE_LIMIT:
                    return None
                if not final:
                    return False
                end = len(rest) - 1
            self._replace(bang + end + 1, words)
            return True
        if after == "[":
            end = find_close(rest, close + 1, "[", "]", LINK_LIMIT)
            if end is None:
                tail = rest[close + 1 :]
                return False if "\n" not in tail and len(tail) < LINK_LIMIT and not final else None
            self._replace(bang + end + 1, words)
            return True
        if after == ":" and not self._line and not bang:
            end = rest.find("\n")
            if end < 0 and not final and len(rest) < LINE_LIMIT:
                return False
            address = rest[close + 2 : end if end >= 0 else None].strip()
            if address.lower().startswith(("http://", "https://", "<http", "/", "#", "mailto:")):
                self._at += end if end >= 0 else len(rest)
                return True
        return None

    def _take_escape(self, final: bool) -> bool:
        after = self._buffer[self._at + 1 : self._at + 2]
        if not after and not final:
            return False
        if after and after in "()[]":  # the borders of a formula
            self._at += 2
        elif after and after.isascii() and not after.isalnum() and not after.isspace():
            self._at += 2
            self._put(after)
        else:
            self._at += 1
        return True

    def _take_address(self, final: bool) -> bool | None:
        if not self._gap and self._line[-1:].isascii() and self._line[-1:].isalnum():
            return None
        rest = self._buffer[self._at : self._at + LINE_LIMIT]
        start = rest[:8].lower()
        if not start.startswith(("http://", "https://")):
            may_be = not final and any(u.startswith(rest.lower()) for u in ("http://", "https://"))
            return False if may_be else None
        found = URL_CHARACTERS.match(rest)
        end = found.end() if found else 0
        if end == len(rest) and end < LINE_LIMIT and not final:
            return False
        url = rest[:end].rstrip(".,;:!?'*_)]" if "(" not in rest[:end] else ".,;:!?'*_")
        self._at += len(url)
        self._put_text(name_host(url))
        return True

    def _put_text(self, text: str) -> None:
        for char in text:
            self._put(char)

    def _put(self, char: str) -> None:
        if char.isspace():
            self._gap = self._gap or " "
            return
        category = unicodedata.category(char)
        if (category[0] == "C" or category in ("So", "Sk", "Me")) and char not in KEPT_SYMBOLS:
            self._lost = True
            return
        if "\ufe00" <= char <= "\ufe0f":
            return
        last = self._line[-1:]
        if self._lost and not self._gap and is_latin(last) and is_latin(char):
            self._gap = " "
        self._lost = False
        if self._gap:
            self._out.append(self._gap)
            self._gap = ""
        self._out.append(char)
        self._line = self._line[-1:] + char
        self._has_han = self._has_han or is_han(char)

    def _end_line(self) -> None:
        if self._line:
            said = self._line.rstrip(CLOSERS) or self._line
            if self._is_block and said[-1] not in STOPS:
                self._out.append("。" if self._has_han else ".")
            self._gap = "\n"
        elif self._gap == " ":
            self._gap = ""
        self._line, self._has_han, self._lost = "", False, False
        self._line_start, self._is_block, self._is_item = True, False, False
