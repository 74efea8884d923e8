"""Whether a sentence of a model may be said: it must come from the passages that it names.

This compares words and figures; it does not understand. A sentence that turns its passage's meaning
around with the same words passes, and so does one that joins two true halves wrongly.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from visavis.core.language import is_han
from visavis.core.types import Language
from visavis.models.common.simplified import to_simplified
from visavis.stages.responders.figures import find_figures, squeeze_digits

Fault: TypeAlias = Literal["citation", "figure", "address", "support", "negation"]

MIN_SUPPORT: dict[Language, float] = {"zh": 0.35, "en": 0.5}
"""Share of a sentence's pairs of characters (zh) or words that matter (en) found in its passages."""
SURE_SUPPORT = 0.6
"""The same share, from which a passage counts that the model did not name."""
_OWN_SHARE = 0.75
"""Part of `MIN_SUPPORT` that the passages must give without the question."""
_FEW = 3
"""Fewer pairs or words say nothing that could be compared."""

_MARK = re.compile(
    r"[\[【〔［]\s*(?:\^|第|资料|passage\s*)?\s*(\d{1,2}(?:\s*[,，、;；&和-]\s*\d{1,2})*)\s*(?:\^|†[^\]】]*)?[\]】〕］]",
    re.I,
)
_MARKED_STOP = re.compile(rf"([。！？!?.…；;]+)((?:\s*{_MARK.pattern})+)", re.I)
_MARK_SO_FAR = re.compile(
    r"[。！？!?.…；;]+\s*\Z|[。！？!?.…；;]*\s*[\[【〔［][^\]】〕］\n]{0,24}\Z"
)
_HELD = 120
"""Characters of marks in a row that are waited for; no answer has so many."""
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[A-Za-z0-9\-._~:/?#@!$&'*+,;=%]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|(?<![\w@.-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|cn|org|net|gov|edu|io|info|top|xyz|cc|me|co|app|dev"
    r"|shop|site|online|club|vip|link|ru|uk|de|fr|jp|hk|tw|eu|us|biz|ai|tv|example|test|invalid)(?![a-z0-9-])",
    re.IGNORECASE | re.ASCII,
)
_NOT = re.compile(
    r"不|没|無|无(?!论|障碍)|未|非(?!常)|勿|别(?!的|人|处|墅)|禁止|免(?!费|疫)"
    r"|\b(?:not|no|never|none|without|cannot|can't|don't|doesn't|isn't|aren't|won't|needn't|neither|nor|unless|except)\b"
)  # fmt: skip
_STOP_EN = frozenset(
    [
        "a",
        "an",
        "the",
        "and",
        "or",
        "but",
        "if",
        "of",
        "to",
        "in",
        "on",
        "at",
        "by",
        "for",
        "with",
        "from",
        "as",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "you",
        "your",
        "yours",
        "we",
        "our",
        "i",
        "he",
        "she",
        "they",
        "them",
        "their",
        "there",
        "here",
        "do",
        "does",
        "did",
        "done",
        "can",
        "could",
        "may",
        "might",
        "must",
        "shall",
        "should",
        "will",
        "would",
        "have",
        "has",
        "had",
        "not",
        "no",
        "yes",
        "so",
        "than",
        "then",
        "also",
        "just",
        "only",
        "about",
        "into",
        "over",
        "under",
        "up",
        "out",
        "any",
        "all",
        "some",
        "each",
        "which",
        "who",
        "what",
        "when",
        "where",
        "how",
        "why",
        "please",
        "need",
        "needs",
        "get",
        "take",
        "according",
    ]
)
_STOP_ZH = frozenset(
    "的了是在和与或也就都而及着过吗呢吧啊请您你我他它们这那个为以于对从到把被让向由等可以能会要需"
)
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an answer may rest on.

    Attributes:
        passages: As the model read them; the first is number 1.
        question: As the user asked it.
        language: Of the answer.
    """

    passages: Sequence[str]
    question: str
    language: Language


def normalise_marks(text: str) -> str:
    """Write every mark of a citation as ``〔1〕``, and before the stop that it stands behind."""
    text = _MARKED_STOP.sub(lambda m: m.group(2).strip() + m.group(1), text)
    return _MARK.sub(lambda m: "〔" + ",".join(re.findall(r"\d+", m.group(1))) + "〕", text)


class MarkStream:
    """`normalise_marks` for text that comes in pieces; any pieces give the same, endless marks apart."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take more and return what can be no beginning of a mark."""
        text = self._held + piece
        if len(self._held) > _HELD:
            self._held = ""
            return normalise_marks(text)
        # Marks that follow one another move together, so those at the end wait as well.
        end = re.search(rf"(?:[。！？!?.…；;]+\s*)?(?:{_MARK.pattern}\s*)*\Z", text, re.I)
        cut = end.start() if end else len(text)
        if open_mark := _MARK_SO_FAR.search(text[:cut] if cut < len(text) else text):
            cut = min(cut, open_mark.start())
        while cut > 0 and (
            marks := re.search(
                rf"(?:[。！？!?.…；;]+\s*)?(?:{_MARK.pattern}\s*)+\Z", text[:cut], re.I
            )
        ):
            cut = marks.start()
        self._held = text[cut:]
        return normalise_marks(text[:cut])

    def flush(self) -> str:
        """Return the rest."""
        held, self._held = self._held, ""
        return normalise_marks(held)


def take_marks(sentence: str) -> tuple[str, set[int]]:
    """Split a sentence into what is said and the numbers of the passages that it cites."""
    numbers = {int(n) for m in _MARK.finditer(sentence) for n in re.findall(r"\d+", m.group(1))}
    said = re.sub(r"\s+([。！？，；、.!?,;:])", r"\1", _MARK.sub("", sentence))
    return re.sub(r"[ \t]{2,}", " ", said).strip(" \t"), numbers


def attribute_sentence(
    said: str, cited: set[int], evidence: Evidence
) -> tuple[set[int], Fault | None]:
    """Find the passages that a sentence rests on, and what is wrong with it where there are none.

    The passages named are tried first. Small models name the wrong one, or none: where one other passage
    alone holds nearly all of the sentence, it is that.

    Args:
        said: Without marks.
        cited: Numbers of passages that it names, and those named before it; may be empty.
        evidence: Passages and question.

    Returns:
        The numbers, and None; or an empty set and the fault.
    """
    fault: Fault | None = "citation"
    if cited:
        fault = check_sentence(said, cited, evidence)
        if fault is None:
            return cited, None
    found = [
        (measure_support(said, text, evidence.language), -number)
        for number, text in enumerate(evidence.passages, 1)
        if check_sentence(said, {number}, evidence) is None
    ]
    if found and max(found)[0] >= SURE_SUPPORT:
        return {-max(found)[1]}, None
    return set(), fault


def check_sentence(said: str, cited: set[int], evidence: Evidence) -> Fault | None:
    """Tell what is wrong with a sentence; None where nothing was found.

    Args:
        said: Without marks.
        cited: Numbers of the passages that it must come from, together.
        evidence: Passages and question.
    """
    if not cited or not all(1 <= n <= len(evidence.passages) for n in cited):
        return "citation"
    texts = "\n".join(evidence.passages[n - 1] for n in sorted(cited))
    ground = f"{texts}\n{evidence.question}"
    if not _has_addresses(said, ground):
        return "address"
    if not _has_figures(said, texts) and not (
        # The question's figures may be said again beside one of a passage; alone they are a guess.
        _has_figures(said, ground) and _shares_figure(said, texts)
    ):
        return "figure"
    least = MIN_SUPPORT[evidence.language]
    if measure_support(said, ground, evidence.language) < least:
        return "support"
    # Words of the question may be said again as well, but they are no answer.
    told = bool(find_figures(said)) and count_units(said, evidence.language) < _FEW
    if not told and measure_support(said, texts, evidence.language) < least * _OWN_SHARE:
        return "support"
    if _NOT.search(said.casefold()) and not _NOT.search(texts.casefold()):
        return "negation"
    return None


def find_addresses(text: str) -> list[str]:
    """Find web and mail addresses, and names of hosts."""
    return [m.group().rstrip(".,;:!?") for m in _ADDRESS.finditer(text)]


def _has_addresses(said: str, ground: str) -> bool:
    known = ground.casefold()
    return all(address.casefold() in known for address in find_addresses(said))


def _has_figures(said: str, ground: str) -> bool:
    known = find_figures(ground)
    squeezed = squeeze_digits(ground)
    values = {figure.value for figure in known}
    for figure in find_figures(said):
        if figure.value.startswith("#"):
            if figure.value[1:] not in squeezed:
                return False
        elif figure.value[-1] in "hm":
            if figure.value not in values and not _is_hour_of(figure.value, values):
                return False
        elif not any(figure.agrees(other) for other in known):
            hour = int(figure.value) if figure.value.isdigit() else 24
            if figure.unit or hour > 23 or not {f"{hour}h", f"{(hour + 12) % 24}h"} & values:
                return False
    return True


def _shares_figure(said: str, ground: str) -> bool:
    known = find_figures(ground)
    return any(figure.agrees(other) for figure in find_figures(said) for other in known)


def _is_hour_of(value: str, values: set[str]) -> bool:
    """Whether a time is said with the other clock: 5 for 17, where it is clear from the passage."""
    number = int(value[:-1])
    if value[-1] == "m":
        return str(number) in values
    return {f"{(number + 12) % 24}h", str(number)} & values != set()


def measure_support(said: str, ground: str, language: Language) -> float:
    """Measure what share of a sentence's pairs of characters or words that matter is in a text.

    Of one or two all must be there; a sentence without any has them all.
    """
    units, known = _list_units(said, language), _list_units(ground, language)
    if len(units) < _FEW:
        return float(units <= known)
    return len(units & known) / len(units)


def count_units(said: str, language: Language) -> int:
    """Count the pairs of characters or words that matter in a sentence."""
    return len(_list_units(said, language))


def _list_units(text: str, language: Language) -> set[str]:
    text = unicodedata.normalize("NFKC", text).casefold()
    words = {_stem(w) for w in _WORD.findall(text) if w not in _STOP_EN and not w.isdigit()}
    if language == "en":
        return words
    han = [c if is_han(c) else " " for c in to_simplified(text)]
    pairs = {
        a + b
        for a, b in itertools.pairwise(han)
        if " " not in (a, b) and not (a in _STOP_ZH and b in _STOP_ZH)
    }
    return pairs | words


def _stem(word: str) -> str:
    """Cut the usual endings off, roughly."""
    for ending in ("'s", "ing", "ied", "ies", "ed", "es", "ly", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
