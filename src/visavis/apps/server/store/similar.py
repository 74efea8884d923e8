"""Which questions are the same, or nearly."""

from __future__ import annotations

import hashlib
import unicodedata


def fold(question: str) -> str:
    """Leave letters and figures alone: case, width, spaces and punctuation do not count."""
    folded = unicodedata.normalize("NFKC", question).casefold()
    return "".join(c for c in folded if c.isalnum()) or folded


def question_key(question: str) -> str:
    """Name a question by 32 hexadecimal digits; those that differ in punctuation share it.

    A hash, so that a verdict on a question may be kept when its text is gone.
    """
    return hashlib.sha256(fold(question).encode("utf-8", "replace")).hexdigest()[:32]
