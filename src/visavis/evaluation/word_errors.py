"""How much of what was to be said is heard by a recogniser.

Chinese is counted by characters (CER), everything else by words (WER); case, punctuation and the form
of characters do not count.

Source: Levenshtein distance over the length of the reference, as in NIST's sclite.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from visavis.models.common.simplified import to_simplified

_HAN = "\u3400-\u9fff\uf900-\ufaff"
_LETTERS = f"(?:(?![{_HAN}])[^\\W_])+"
_TOKEN = re.compile(f"[{_HAN}]|{_LETTERS}(?:'{_LETTERS})*")


def word_errors(said: str, heard: str) -> float:
    """Words (Chinese: characters) that are wrong, missing or too many, as a share of those said.

    Returns:
        0 where all is heard; may exceed 1; NaN where nothing was said.
    """
    wanted, found = split_words(said), split_words(heard)
    return edit_distance(wanted, found) / len(wanted) if wanted else float("nan")


def split_words(text: str) -> list[str]:
    """Words in lower case, and Chinese characters one by one, in the simplified form."""
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower()
    if re.search(f"[{_HAN}]", text):
        text = to_simplified(text, "zh-cn")
    return _TOKEN.findall(text)


def edit_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Fewest words to replace, insert or remove to make one of the other."""
    row = np.arange(len(other) + 1)
    at = np.arange(len(other) + 1)
    for word in one:
        changed = row[:-1] + np.array([word != o for o in other], int)
        best = np.concatenate([[row[0] + 1], np.minimum(changed, row[1:] + 1)])
        # What is inserted costs one for each step to the right.
        row = np.minimum.accumulate(best - at) + at
    return int(row[-1])
