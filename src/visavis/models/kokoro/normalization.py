"""By what the channels of the vocoder are normalized, told before any sound is computed.

The published network normalizes each channel by its mean and variance within the clause that it speaks,
so that no sound can be given out before the whole clause is computed, and a window spoken by itself sounds
different. Nearly all that differs from clause to clause of a voice is how much of it is silence and how
short it is; so means and logarithms of variances are taken from these two by linear regression. Clauses
that are too short for that are normalized as published: they are computed in an instant.

The file is made by ``visavis.training.recipes.kokoro_normalization``.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np

from visavis.core.types import Floats
from visavis.models.common.phoneme_pieces import Durations
from visavis.models.kokoro.graphs import EPSILON

FILE = "normalization.npz"
"""For each voice, by its name, float16 (2, 3, n): of means and of logarithms of variances, what they are
on their own and what the two numbers of ``describe`` add. And its mean style, by its name and ``STYLE``,
float16 (256,)."""
STYLE = " style"
SHORTEST = 2.0
"""Seconds, with the silence around: shorter clauses are normalized as published."""
UNITS_PER_SECOND = 40
_SILENT = frozenset(";:,.!?—… ")


@cache
def _load() -> dict[str, Floats]:
    with (files(__package__) / FILE).open("rb") as stream, np.load(stream) as archive:
        return {name: np.asarray(archive[name], np.float32) for name in archive.files}


def describe(phonemes: str, durations: Durations) -> Floats:
    """Tell what the statistics of a clause depend on, float32 (3,).

    Args:
        phonemes: All of them known.
        durations: int64 (len(phonemes) + 2,), in units of 25 ms.

    Returns:
        1; the share of pauses, 0..1; and one divided by the length in seconds.
    """
    silent = np.array([True, *(c in _SILENT for c in phonemes), True])
    total = durations.sum()
    share = durations[silent].sum() / total
    return np.array([1, share, UNITS_PER_SECOND / total], np.float32)


def statistics_of(voice: str, style: Floats, described: Floats) -> tuple[Floats, Floats]:
    """Give means and standard deviations of the channels of all ``NORMS``, both float32 (n,).

    Args:
        voice: Its name.
        style: float32 (256,), the mean of its table: a voice that was never measured gets the
            statistics of the one that is most like it.
        described: From ``describe``.
    """
    known = _load()
    if voice not in known:
        styles = {name: value for name, value in known.items() if value.ndim == 1}
        nearest = min(styles, key=lambda name: float(np.linalg.norm(styles[name] - style)))
        voice = nearest.removesuffix(STYLE)
    means, logarithms = np.einsum("i,jin->jn", described, known[voice])
    return means, np.sqrt(np.exp(logarithms) + np.float32(EPSILON))
