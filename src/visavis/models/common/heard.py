"""Where a voice's phonemes are heard, as against where its durations put them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats

LAG_S = 0.053
"""How much earlier a sound is heard than the durations say: Kokoro 0.055, hibari 0.050. Measured
where the energy above 3.5 kHz of s, ʃ, ʂ and ɕ is centred, against the middle of their marks; the
same for every voice and speed. A recogniser's word times agree (0.056 to 0.061)."""
_SILENT_DB = 45.0
"""So far below the utterance's loud parts nothing is heard."""
_LONG_S = 0.1
"""Only sounds longer than this are looked at: a stop's own silence belongs to it."""

_Positions = npt.NDArray[np.int64]


def trim_to_heard(starts: _Positions, ends: _Positions, samples: Floats, rate: int) -> _Positions:
    """Let sounds end where nothing is heard any more: the one before a pause is given its silence.

    Args:
        starts: (n,) first samples.
        ends: (n,) one past the last samples.
        samples: float32 (m,) in which they lie.
        rate: Hz.

    Returns:
        (n,) new ends, none later than before.
    """
    hop = rate // 200
    rows = samples[: len(samples) // hop * hop].reshape(-1, hop).astype(np.float64)
    if not len(rows):
        return ends.copy()
    level = 10 * np.log10(np.mean(rows**2, axis=1) + 1e-9)
    heard = level > np.percentile(level, 90) - _SILENT_DB
    trimmed = ends.copy()
    for i in np.flatnonzero(ends - starts > _LONG_S * rate):
        first, last = int(starts[i]), int(ends[i])
        audible = np.flatnonzero(heard[max(first, 0) // hop : max(last, 0) // hop])
        length = (int(audible[-1]) + 1) * hop if len(audible) else 0
        trimmed[i] = min(last, max(first, 0) + length)
    return trimmed
