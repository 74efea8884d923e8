"""How well an expert tells sound that belongs to a picture from the same clip's sound at another time.

All of it works on the vectors of an expert, without running it. Of one clip there are ``faces``
(n, D) and ``speech`` (n, D): row k of the one is the window of five frames that begins with frame k,
row k of the other the 0.2 s of sound that belong to it. Rows have length 1.

**Borders.** Only windows that lie wholly within picture and sound have rows; nothing is padded, so
that no padding can be recognised. A clip whose sound is moved by hand by k frames loses the k frames
of sound that leave it, as a file would.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visavis.core.types import FPS, Floats

WINDOW_FRAMES = 5
SECOND_ROWS = FPS - WINDOW_FRAMES + 1
"""Consecutive windows whose pictures span one second: 21."""
NEAREST_SHIFT, FARTHEST_SHIFT = 2, 12
"""Frames by which the sound of a false pair is off, both ways; one frame cannot be told by anybody."""
HAND_SHIFT = 10
"""Frames by which sound is moved by hand, at most."""
SEARCHED = 15
"""Frames of offset that are tried, both ways."""
FEWEST_ROWS = 8
"""Windows that an offset must have in common to be tried: 0.48 s."""


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedClip:
    """An expert's vectors of one clip.

    Attributes:
        faces: float32 (n, D).
        speech: float32 (n, D); of the same windows, in time with them.
        name: For reports.
    """

    faces: Floats
    speech: Floats
    name: str = ""

    def cosines(self) -> Floats:
        """Of each face with each piece of sound, (n, n)."""
        cosines: Floats = self.faces @ self.speech.T
        return cosines


@dataclass(frozen=True, slots=True)
class SyncFigures:
    """What an expert reaches.

    Attributes:
        auc: Of single windows of 0.2 s: sound in time against sound 2 to 12 frames off.
        auc_second: The same with cosines averaged over one second. Sound is then 2 frames off up to
            what the clips' length leaves; see ``second_shift``.
        auc_longest: The same averaged over ``longest_rows`` windows, with 2 to 12 frames again.
        found: Share of clips and of offsets of -10 to 10 frames, put in by hand, that are found to
            within one frame.
        found_exactly: Those that are found to the frame.
        in_sync: Mean cosine of sound in time.
        off: Mean cosine of sound 2 to 12 frames off.
        clips: How many clips were judged.
        offsets_tried: How many clips and offsets were long enough for ``found``.
        second_shift: Farthest shift in ``auc_second``; 0 where no clip is long enough.
        longest_rows: Windows averaged in ``auc_longest``; 0 where there are none.
    """

    auc: float
    auc_second: float
    auc_longest: float
    found: float
    found_exactly: float
    in_sync: float
    off: float
    clips: int
    offsets_tried: int
    second_shift: int
    longest_rows: int


def measure_sync(clips: Iterable[EmbeddedClip]) -> SyncFigures:
    """Judge an expert by its vectors of some clips.

    What cannot be measured, because no clip is long enough, is NaN.
    """
    cosines = [clip.cosines() for clip in clips]
    lengths = [len(c) for c in cosines]
    longest = max(lengths, default=0)
    far = min(FARTHEST_SHIFT, longest - 1)
    true, false = _pairs(cosines, 1, NEAREST_SHIFT, far)
    # A second of sound that is k frames off needs k frames more of clip.
    second = min(FARTHEST_SHIFT, longest - SECOND_ROWS)
    second = second if second >= NEAREST_SHIFT else 0
    common = min(SECOND_ROWS, int(np.median(lengths)) - FARTHEST_SHIFT) if lengths else 0
    common = common if common >= 2 else 0
    found, exact, tried = _hand_made(cosines)
    return SyncFigures(
        auc=auc(true, false),
        auc_second=auc(*_pairs(cosines, SECOND_ROWS, NEAREST_SHIFT, second))
        if second
        else float("nan"),
        auc_longest=auc(*_pairs(cosines, common, NEAREST_SHIFT, FARTHEST_SHIFT))
        if common
        else float("nan"),
        found=found,
        found_exactly=exact,
        in_sync=float(np.mean(true)) if len(true) else float("nan"),
        off=float(np.mean(false)) if len(false) else float("nan"),
        clips=len(cosines),
        offsets_tried=tried,
        second_shift=second,
        longest_rows=common,
    )


def auc(positives: npt.ArrayLike, negatives: npt.ArrayLike) -> float:
    """Area under the ROC curve: how often a positive is above a negative; ties count half.

    Returns:
        In [0, 1]; NaN where either is empty.
    """
    above, below = np.ravel(positives), np.sort(np.ravel(negatives))
    if not len(above) or not len(below):
        return float("nan")
    less = np.searchsorted(below, above, "left").sum(dtype=np.float64)
    less_or_equal = np.searchsorted(below, above, "right").sum(dtype=np.float64)
    return float((less + less_or_equal) / 2 / len(above) / len(below))


def offset_curve(faces: Floats, speech: Floats, searched: int = SEARCHED) -> Floats:
    """Mean cosine at each offset of the sound, from ``-searched`` to ``searched`` frames.

    Offset j pairs face k with sound k + j. Offsets with fewer than ``FEWEST_ROWS`` windows in common
    are NaN.

    Args:
        faces: (n, D).
        speech: (m, D); rows may be NaN where there is no sound.
        searched: Frames.

    Returns:
        float32 (2 searched + 1,).
    """
    return _curve(faces @ speech.T, searched)


def find_offset(curve: Floats) -> int:
    """The offset in frames at which an `offset_curve` is highest; positive: the sound is late.

    Raises:
        ValueError: No offset could be tried.
    """
    if np.isnan(curve).all():
        raise ValueError("the clip is too short for any offset to be tried")
    return int(np.nanargmax(curve)) - len(curve) // 2


def confidence(curve: Floats) -> float:
    """Highest mean cosine of an `offset_curve` less its median: how clearly one offset stands out."""
    return float(np.nanmax(curve) - np.nanmedian(curve))


def _pairs(
    cosines: Sequence[Floats], rows: int, nearest: int, farthest: int
) -> tuple[Floats, Floats]:
    """Cosines averaged over ``rows`` consecutive windows: in time, and ``nearest`` to ``farthest`` off."""
    shifts = range(nearest, farthest + 1)
    true = [_averages(np.diagonal(c), rows) for c in cosines]
    false = [
        _averages(np.diagonal(c, sign * shift), rows)
        for c in cosines
        for shift in shifts
        for sign in (-1, 1)
        if shift < len(c)
    ]
    nothing = [np.empty(0, np.float32)]
    return np.concatenate(true or nothing), np.concatenate(false or nothing)


def _averages(values: Floats, rows: int) -> Floats:
    """Means of each run of ``rows`` values; empty where there are fewer."""
    if len(values) < rows:
        return np.empty(0, np.float32)
    means: Floats = np.lib.stride_tricks.sliding_window_view(values, rows).mean(1)
    return means


def _hand_made(cosines: Sequence[Floats]) -> tuple[float, float, int]:
    """Shares of offsets put in by hand that are found within one frame, and exactly; and how many."""
    near = exact = tried = 0
    for matrix in cosines:
        count = len(matrix)
        for moved in range(-HAND_SHIFT, HAND_SHIFT + 1):
            if count - abs(moved) < FEWEST_ROWS:
                continue
            # The sound of window k comes at k + moved; what leaves the clip is lost.
            shifted = np.full((count, count), np.nan, np.float32)
            if moved >= 0:
                shifted[:, moved:] = matrix[:, : count - moved]
            else:
                shifted[:, :moved] = matrix[:, -moved:]
            error = abs(find_offset(_curve(shifted, SEARCHED)) - moved)
            near, exact, tried = near + (error <= 1), exact + (error == 0), tried + 1
    if not tried:
        return float("nan"), float("nan"), 0
    return near / tried, exact / tried, tried


def _curve(cosines: Floats, searched: int) -> Floats:
    curve = np.full(2 * searched + 1, np.nan, np.float32)
    for offset in range(-searched, searched + 1):
        values = np.diagonal(cosines, offset)
        heard = values[~np.isnan(values)]
        if len(heard) >= FEWEST_ROWS:
            curve[offset + searched] = heard.mean()
    return curve
