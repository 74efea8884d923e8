"""Recipe: the few sounds by which it is tried how far a generator opens an avatar's mouth.

    python -m visavis.training.recipes.trial_sound CLIPS GENERATOR [FILE]

Our own voices speak some sentences; GENERATOR, whose lips move on people it knows as far as real ones do,
says them on people of the split ``train``. Some windows of sound with wide mouths and some with shut ones
are written into FILE, by default ``trial_sound.npz`` beside the generator's network: ``windows``
float16 (2, N, 80, 16), the wide first, and ``opening``, by how much the one mouths are further open than the others, in widths of the eyes' span
(`visavis.evaluation.lip_shape.lip_opening`), the mean over the people.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from visavis.core.types import FPS, Floats
from visavis.evaluation.lip_shape import find_landmarks, lip_opening
from visavis.models.assets import locate
from visavis.models.common.mel import ROWS_PER_SECOND, log_mel, mel_windows
from visavis.models.face_landmarker.predictor import FaceLandmarker
from visavis.models.wav2lip.predictor import FaceFeatures, Wav2LipPredictor
from visavis.training.data.clip_store import ClipStore
from visavis.training.data.speech_corpus import RATE, make_corpus, read_corpus
from visavis.training.data.sync_clips import resize_crop

_log = logging.getLogger(__name__)

TARGET = Path(__file__).parents[2] / "models" / "wav2lip" / "trial_sound.npz"
SENTENCES = 10
"""Of which each gives one window of each kind at most."""
WIDE, SHUT = 0.8, 0.1
"""Share of a sentence's windows in which mouths are open less. Not the widest of all: on some faces those alone
open the mouth."""
KEPT = 6
"""Windows of each kind."""
SCOUTS = 6
"""People on whom windows are chosen; the opening is measured on all."""
_MARGIN = 5
"""Frames at the ends of a sentence that are left out: there nobody speaks."""


def make_trial(clips: Path, generator: Path) -> dict[str, Floats]:
    """Choose the windows and measure the opening.

    Args:
        clips: The folder that `visavis prepare` wrote.
        generator: Folder of an exported generator.

    Returns:
        The arrays of the file.
    """
    predictor = Wav2LipPredictor(generator)
    landmarker = FaceLandmarker()
    faces = _encode_people(ClipStore(clips), predictor)
    sentences = [
        mel_windows(
            mel, np.arange(_MARGIN, len(mel) * FPS // ROWS_PER_SECOND - _MARGIN) - predictor.lead
        )
        for mel in map(log_mel, _speak())
    ]
    wide, shut = [], []
    for windows in sentences:
        openings = np.mean(
            [_say(predictor, landmarker, face, windows) for face in faces[:SCOUTS]], 0
        )
        order = np.argsort(openings)
        open_, closed = (int(order[round(rank * (len(order) - 1))]) for rank in (WIDE, SHUT))
        wide.append((float(openings[open_]), windows[open_]))
        shut.append((-float(openings[closed]), windows[closed]))
    chosen = np.stack([_best(wide), _best(shut)]).astype(np.float16)
    flat = chosen.astype(np.float32).reshape(-1, *chosen.shape[2:])
    away = [
        openings[:KEPT].mean() - openings[KEPT:].mean()
        for openings in (_say(predictor, landmarker, face, flat) for face in faces)
    ]
    _log.info(
        "%d people, opening %.4f (%.4f to %.4f)", len(away), np.mean(away), min(away), max(away)
    )
    return {"windows": chosen, "opening": np.float32(np.mean(away))}


def _encode_people(store: ClipStore, predictor: Wav2LipPredictor) -> list[FaceFeatures]:
    """One frame of each person, with the middle of the clip for a reference."""
    first = {clip.person: clip for clip in reversed(store.clips) if clip.split == "train"}
    faces = []
    for person in sorted(first):
        clip = first[person]
        frame, reference = (
            resize_crop(crop, predictor.size) for crop in store.frames(clip, [0, clip.frames // 2])
        )
        faces += predictor.encode(frame[None], reference[None])
    return faces


def _say(
    predictor: Wav2LipPredictor, landmarker: FaceLandmarker, face: FaceFeatures, windows: Floats
) -> Floats:
    drawn = predictor.render([face] * len(windows), windows)
    openings: Floats = np.nan_to_num(lip_opening(find_landmarks(drawn, landmarker)))
    return openings


def _speak() -> list[Floats]:
    with tempfile.TemporaryDirectory() as scratch:
        make_corpus(Path(scratch), "kokoro", SENTENCES)
        spoken = islice(read_corpus(Path(scratch)), SENTENCES)
        return [utterance.samples[: 4 * RATE] for utterance in spoken]


def _best(found: Sequence[tuple[float, Floats]]) -> Floats:
    best = sorted(found, key=lambda pair: -pair[0])[:KEPT]
    return np.stack([window for _, window in best])


def main() -> None:
    """Read the command line, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("generator")
    parser.add_argument("file", type=Path, nargs="?", default=TARGET)
    given = parser.parse_args()
    name = given.generator
    folder = locate(f"wav2lip-{name}") if name.isdigit() else Path(name)
    np.savez_compressed(given.file, **make_trial(given.clips, folder))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
