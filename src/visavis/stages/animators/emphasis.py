"""How far an avatar's mouth opens, tried when it is opened, and made as far as people's do.

A generator moves the lips of people like those it has learnt from, and less those of others. So before an
avatar speaks it says a few sounds, with wide and with shut mouths, and its lips are read off by
landmarks. Where they do not go as far apart as people's, all that it hears is emphasized
(`visavis.models.wav2lip.predictor.Wav2LipPredictor.render`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from visavis.core.types import Floats
from visavis.evaluation.lip_shape import find_landmarks, lip_opening

if TYPE_CHECKING:
    from visavis.stages.animators.wav2lip_faces import AvatarFaces

MOST = 3.0
"""As far as was looked at."""
NEAR = 0.1
"""Share of the opening that is not worth another look."""
_TRIAL = Path(__file__).parents[2] / "models" / "wav2lip" / "trial_sound.npz"
_KEPT = 64
_found: OrderedDict[str, float] = OrderedDict()
_lock = threading.Lock()


def find_emphasis(faces: AvatarFaces) -> float:
    """Find the emphasis with which an avatar opens its mouth as far as people do.

    Looked for once in a process for each avatar and generator: 12 pictures are drawn and read, 24 where the mouth
    opens too little.

    Args:
        faces: Of the avatar, for the generator.

    Returns:
        1 to ``MOST``; 1 where no face is found in what is drawn.
    """
    with _lock:
        if faces.key in _found:
            _found.move_to_end(faces.key)
            return _found[faces.key]
    emphasis = _search(faces)
    with _lock:
        _found[faces.key] = emphasis
        while len(_found) > _KEPT:
            _found.popitem(last=False)
    return emphasis


def _search(faces: AvatarFaces) -> float:
    windows, wanted = _trial()
    opening = _try(faces, windows, 1.0)
    if np.isnan(opening) or opening >= (1 - NEAR) * wanted:
        return 1.0
    first = min(MOST, wanted / opening) if opening > wanted / MOST else MOST
    more = _try(faces, windows, first)
    if np.isnan(more) or more <= opening:
        return 1.0
    # On the line through both.
    return float(np.clip(1 + (first - 1) * (wanted - opening) / (more - opening), 1.0, MOST))


def _try(faces: AvatarFaces, windows: Floats, emphasis: float) -> float:
    """By how much mouths that are to be wide are further open than those that are to be shut."""
    from visavis.models.face_landmarker.predictor import FaceLandmarker

    kinds = [
        np.stack([faces.draw(faces.reference, window, emphasis) for window in kind])
        for kind in windows
    ]
    landmarker = FaceLandmarker()
    wide, shut = (lip_opening(find_landmarks(pictures, landmarker)) for pictures in kinds)
    if np.isnan(wide).all() or np.isnan(shut).all():
        return float("nan")
    return float(np.nanmean(wide) - np.nanmean(shut))


@cache
def _trial() -> tuple[Floats, float]:
    """Windows (2, N, 80, 16), and the opening that people give them."""
    with np.load(_TRIAL) as arrays:
        return arrays["windows"].astype(np.float32), float(arrays["opening"])
