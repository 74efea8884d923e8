"""Which questions are the same, or nearly."""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
import zlib
from collections.abc import Sequence

import numpy as np


def fold(question: str) -> str:
    """Leave letters and figures alone: case, width, spaces and punctuation do not count."""
    folded = unicodedata.normalize("NFKC", question).casefold()
    return "".join(c for c in folded if c.isalnum()) or folded


def question_key(question: str) -> str:
    """Name a question by 32 hexadecimal digits; those that differ in punctuation share it.

    A hash, so that a verdict on a question may be kept when its text is gone.
    """
    return hashlib.sha256(fold(question).encode("utf-8", "replace")).hexdigest()[:32]


ALIKE = 0.5
"""Cosine from which two questions go together; chosen on pairs in ``test_store_gaps``."""
_DIMENSIONS = 2_048
_SAYS_NOTHING = re.compile(
    r"请问|麻烦|我想|想要|想问|知道|一下|怎么样|怎样|怎么|如何|什么|哪里|哪儿|可以|能不能|能否|需要|应该|"
    r"[吗呢吧啊呀的了我你您要能在是有去]"
    r"|\b(?:please|how|what|where|when|which|can|could|do|does|did|i|you|my|your|the|a|an|to|is|are"
    r"|of|for|in|on|at|need|want|get|tell|me|about)\b"
)
_PIECE = re.compile(r"[a-z0-9]+|[^\W_]")


def group_alike(questions: Sequence[str]) -> list[list[int]]:
    """Group questions by how they are written: characters and words in common, the rare ones first.

    Each goes to the group whose first question it is most alike, or begins one.

    Args:
        questions: The most important first; 1,000 take about a tenth of a second.

    Returns:
        Positions in ``questions``, by group.
    """
    if not questions:
        return []
    found = np.zeros((len(questions), _DIMENSIONS), np.float32)
    for row, question in zip(found, questions, strict=True):
        for piece in _cut(question):
            row[zlib.crc32(piece.encode()) % _DIMENSIONS] = 1.0
    # What nearly all have tells nothing apart; with few questions nothing is known of that.
    found *= np.log(1.0 + (len(questions) + 1.0) / (found.sum(0) + 1.0))
    length = np.linalg.norm(found, axis=1, keepdims=True)
    found /= np.maximum(length, 1e-9)
    alike = found @ found.T
    groups: list[list[int]] = []
    heads: list[int] = []
    for n in range(len(questions)):
        best = int(np.argmax(alike[n, heads])) if heads else -1
        if best >= 0 and alike[n, heads[best]] >= ALIKE:
            groups[best].append(n)
        else:
            heads.append(n)
            groups.append([n])
    return groups


def _cut(question: str) -> set[str]:
    """Cut into words, Chinese into characters, and their pairs; what every question has is left."""
    folded = unicodedata.normalize("NFKC", question).casefold()
    pieces = _PIECE.findall(_SAYS_NOTHING.sub(" ", folded)) or _PIECE.findall(folded)
    return {*pieces, *(a + b for a, b in itertools.pairwise(pieces))} or {folded}
