"""From the phonemes that a voice writes to the fifteen visemes that pages and game engines know.

The names are those of Oculus LipSync: sil PP FF TH DD kk CH SS nn RR aa E I O U. Symbols are those of
our voices: Kokoro's alphabet with IPA for Mandarin; diphthong letters go through two visemes.
"""

from __future__ import annotations

from collections.abc import Iterable

from visavis.core.types import Mark

SILENCE = "sil"
NAMES: tuple[str, ...] = (
    SILENCE, "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U",
)  # fmt: skip

SYMBOLS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys("mbpɸβ", ("PP",)),
    **dict.fromkeys("fvʋ", ("FF",)),
    **dict.fromkeys("θð", ("TH",)),
    **dict.fromkeys("tdɾTʈɖɽ", ("DD",)),
    **dict.fromkeys("kɡgŋɴqxɣχʁɰcɟʝhʔʰ", ("kk",)),
    **dict.fromkeys("ʃʒʧʤSʂꭧɕʑʨʥç", ("CH",)),
    **dict.fromkeys("szʦʣ", ("SS",)),
    **dict.fromkeys("nɳɲlʎ", ("nn",)),
    **dict.fromkeys("ɹɻrɜɚ", ("RR",)),
    **dict.fromkeys("aɑɐʌæ", ("aa",)),
    **dict.fromkeys("eɛœøəᵊɤɯ", ("E",)),
    **dict.fromkeys("iɪᵻɨj", ("I",)),
    **dict.fromkeys("oɔɒ", ("O",)),
    **dict.fromkeys("uʊywɥᵝ", ("U",)),
    "A": ("E", "I"), "I": ("aa", "I"), "O": ("O", "U"), "Q": ("E", "U"), "W": ("aa", "U"),
    "Y": ("O", "I"),
    **dict.fromkeys(' ;:,.!?—…"()“”', (SILENCE,)),
}  # fmt: skip
"""The visemes that each symbol goes through. What is missing (stress, length, tone) belongs to the
sound before it."""

_SPLIT = 0.6
"""Share of a diphthong that is its first viseme."""


def find_visemes(marks: Iterable[Mark]) -> list[Mark]:
    """Map phoneme marks, in order, to visemes; neighbours that look the same become one.

    Args:
        marks: Of any kind; only phonemes count. ``kind`` of what comes out is ``phoneme`` too.
    """
    found: list[Mark] = []
    for mark in marks:
        if mark.kind != "phoneme":
            continue
        names = SYMBOLS.get(mark.text)
        if names is None:
            if found:
                found[-1] = Mark("phoneme", found[-1].text, found[-1].start, mark.end)
            continue
        middle = round(mark.start + (mark.end - mark.start) * _SPLIT)
        bounds = [mark.start, middle, mark.end] if len(names) == 2 else [mark.start, mark.end]
        for name, start, end in zip(names, bounds, bounds[1:], strict=False):
            if found and found[-1].text == name and found[-1].end >= start:
                found[-1] = Mark("phoneme", name, found[-1].start, end)
            elif end > start:
                found.append(Mark("phoneme", name, start, end))
    return found
