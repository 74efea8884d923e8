"""Speaking phoneme strings that are longer than a network takes, with one duration a character."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.errors import TextUnusable
from visavis.core.types import Floats

Durations: TypeAlias = npt.NDArray[np.int64]

_PAUSE = re.compile(r"[;:,.!?—…]\s*")


def speak_in_pieces(
    phonemes: str,
    alphabet: Container[str],
    limit: int,
    run: Callable[[str], tuple[Floats, Durations]],
) -> tuple[Floats, Durations]:
    """Speak a string of any length with a network that takes ``limit`` phonemes.

    Args:
        phonemes: Characters; those outside the alphabet are skipped and take no time.
        alphabet: What the network knows.
        limit: Characters that it takes at once.
        run: Maps n known characters to the sound and n + 2 durations: the first and last are the
            silence around.

    Returns:
        The sound, and durations (len(phonemes) + 2,): ``durations[i + 1]`` is of ``phonemes[i]``.

    Raises:
        TextUnusable: No character is in the alphabet.
    """
    known = np.array([c in alphabet for c in phonemes], bool)
    if not known.any():
        raise TextUnusable("there is nothing in the text that a voice could say")
    kept = "".join(c for c in phonemes if c in alphabet)
    durations = np.zeros(len(kept) + 2, np.int64)
    sounds = []
    start = 0
    for piece in split_at_pauses(kept, limit):
        sound, units = run(piece)
        sounds.append(sound)
        # The silence between two pieces lengthens the pause that ends the first of them.
        durations[start] += units[0]
        durations[start + 1 : start + 1 + len(piece)] += units[1:-1]
        start += len(piece)
        durations[start if start < len(kept) else start + 1] += units[-1]
    spread = np.zeros(len(phonemes) + 2, np.int64)
    spread[0], spread[-1] = durations[0], durations[-1]
    spread[1:-1][known] = durations[1:-1]
    return np.concatenate(sounds), spread


def split_at_pauses(phonemes: str, limit: int) -> list[str]:
    """Cut a string into pieces of at most ``limit`` characters whose join is the string.

    Cuts are after the last pause within the limit, else after the last space, else anywhere.
    """
    pieces = []
    while len(phonemes) > limit:
        window = phonemes[:limit]
        cuts = [match.end() for match in _PAUSE.finditer(window)]
        cut = cuts[-1] if cuts else window.rfind(" ") + 1 or limit
        pieces.append(phonemes[:cut])
        phonemes = phonemes[cut:]
    if phonemes:
        pieces.append(phonemes)
    return pieces
