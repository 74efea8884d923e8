"""How good the mouth network is: figures on held-out speech, on silence and noise, on real videos.

    python -m visavis.training.recipes.audio2mouth_report CORPUS FIGURES.json [--videos FOLDER]

Needs no torch: it measures what is shipped, through the predictor.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from visavis.core.types import FPS, Floats
from visavis.media.audio import read_audio
from visavis.media.video import read_video
from visavis.models.audio2mouth.predictor import MouthFromSound
from visavis.models.common.units import MOUTH_UNITS
from visavis.models.puppet.coarticulation import lip_gap, mouth_track
from visavis.models.puppet.visemes import SYMBOLS, VISEMES
from visavis.training.data.augmentation import NOISES, level_db, make_noise
from visavis.training.data.speech_corpus import RATE, Utterance, read_corpus

_log = logging.getLogger(__name__)

SHUT = 0.03
"""Lips nearer than this (of the jaw's range) are seen as shut."""
_JAW = MOUTH_UNITS.index("jawOpen")
_ROLL = MOUTH_UNITS.index("mouthRollLower")
_MOST_LAG = 5

Condition = Callable[[Floats, np.random.Generator], Floats]


def correlate(a: Floats, b: Floats) -> float:
    """Pearson's correlation; 0 where one of them does not move."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 1e-9 else 0.0


def find_lag(shown: Floats, wanted: Floats, most: int = _MOST_LAG) -> int:
    """Frames that ``shown`` comes after ``wanted``: where their correlation is highest."""
    inner = slice(most, len(wanted) - most)

    def at(lag: int) -> float:
        return correlate(np.roll(shown, -lag)[inner], wanted[inner])

    return max(range(-most, most + 1), key=at)


def _with_noise(ratio_db: float) -> Condition:
    def apply(samples: Floats, rng: np.random.Generator) -> Floats:
        noise = make_noise("pink" if rng.random() < 0.5 else "white", len(samples), rng)
        gain = 10 ** ((level_db(samples) - ratio_db - level_db(noise)) / 20)
        return (samples + gain * noise).astype(np.float32)

    return apply


def _as_telephone(samples: Floats, rng: np.random.Generator) -> Floats:
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / RATE) > 3700] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


CONDITIONS: dict[str, Condition] = {
    "clean": lambda samples, rng: samples,
    "20 dB softer": lambda samples, rng: samples * np.float32(0.1),
    "20 dB louder, clipped": lambda samples, rng: np.clip(samples * 10, -1, 1).astype(np.float32),
    "noise at 10 dB": _with_noise(10),
    "noise at 5 dB": _with_noise(5),
    "8 kHz band": _as_telephone,
}


def measure_speech(
    utterances: Sequence[Utterance], condition: Condition, seed: int = 0
) -> dict[str, Any]:
    """Compare with the track of the exact marks, frame by frame, over all utterances."""
    rng = np.random.default_rng(seed)
    stream = MouthFromSound(RATE)
    shown, wanted = [], []
    met = asked = touched = to_touch = 0
    for u in utterances:
        found = np.concatenate([stream.feed(condition(u.samples, rng)), stream.flush()])
        track = mouth_track(u.marks, RATE, 0, len(found))
        shown.append(found)
        wanted.append(track)
        gap = lip_gap(found)
        for mark in u.marks:
            contact = VISEMES[SYMBOLS[mark.text][0]].contact if mark.text in SYMBOLS else None
            if contact is None or mark.end <= mark.start:
                continue
            frame = (mark.start + mark.end) * FPS // (2 * RATE)
            near = slice(max(frame - 1, 0), frame + 2)
            if contact == "lips":
                asked += 1
                met += bool(len(gap[near])) and float(gap[near].min()) < SHUT
            else:
                to_touch += 1
                touched += bool(len(gap[near])) and float(found[near, _ROLL].max()) > 0.25
    a, b = np.concatenate(shown), np.concatenate(wanted)
    gap_a, gap_b = lip_gap(a), lip_gap(b)
    wide = gap_b > 0.15
    return {
        "sentences": len(utterances),
        "correlation": {u: round(correlate(a[:, i], b[:, i]), 3) for i, u in enumerate(MOUTH_UNITS)},
        "error": {u: round(float(np.abs(a[:, i] - b[:, i]).mean()), 4)
                  for i, u in enumerate(MOUTH_UNITS)},
        "gap_correlation": round(correlate(gap_a, gap_b), 3),
        "closures_seen": round(met / max(asked, 1), 3),
        "closures": asked,
        "lip_to_teeth_seen": round(touched / max(to_touch, 1), 3),
        "wrongly_shut": round(float((gap_a[wide] < SHUT).mean()), 4),
        "lag_frames": find_lag(a[:, _JAW], b[:, _JAW]),
    }  # fmt: skip


def measure_silence(seconds: float = 10.0, seed: int = 0) -> dict[str, float]:
    """Widest jaw in silence and in steady noise of several kinds and levels."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    stream = MouthFromSound(RATE)

    def widest(samples: Floats) -> float:
        mouth = np.concatenate([stream.feed(samples), stream.flush()])
        return round(float(mouth[:, _JAW].max()), 4)

    figures = {"digital silence": widest(np.zeros(count, np.float32))}
    for kind in NOISES:
        for level in (-65, -45, -25):
            noise = make_noise(kind, count, rng) * np.float32(10 ** ((level + 20) / 20))
            figures[f"{kind} at {level} dB"] = widest(noise)
    return figures


def measure_cost(utterances: Sequence[Utterance]) -> float:
    """CPU seconds for a second of sound, fed in pieces of 40 ms."""
    samples = np.concatenate([u.samples for u in utterances])[: 30 * RATE]
    stream = MouthFromSound(RATE)
    began = time.process_time()
    for first in range(0, len(samples), RATE // FPS):
        stream.feed(samples[first : first + RATE // FPS])
    return round((time.process_time() - began) / (len(samples) / RATE), 4)


def read_openings(folder: Path, most: int | None = None) -> Iterator[tuple[str, Floats, Floats]]:
    """Yield (name, sound at 16 kHz, distance of the lips (T,)) of every video under a folder.

    The distance is between the inner edges of the lips (landmarks 13 and 14) as a part of that
    between the outer corners of the eyes. Videos in which the face is lost are left out; ``most``
    takes about so many, evenly.
    """
    from visavis.models.face_landmarker.predictor import FaceLandmarker

    landmarker = FaceLandmarker()
    paths = sorted(folder.rglob("*.mp4"))
    for path in paths[:: max(1, len(paths) // most)] if most else paths:
        openings, face = [], None
        for frame in read_video(path):
            face = landmarker.track(frame.image, face)
            if face is None:
                break
            points = face.landmarks[:, :2]
            eyes = float(np.linalg.norm(points[33] - points[263]))
            openings.append(float(np.linalg.norm(points[13] - points[14])) / eyes)
        if face is not None:
            yield path.stem, read_audio(path, RATE).samples, np.array(openings, np.float32)


def measure_videos(videos: Sequence[tuple[str, Floats, Floats]]) -> dict[str, Any]:
    """Compare the distance of the lips with what a face tracker sees in videos of real speech."""
    stream = MouthFromSound(RATE)
    each, shown, wanted = [], [], []
    for _, samples, opening in videos:
        gap = lip_gap(np.concatenate([stream.feed(samples), stream.flush()]))
        count = min(len(gap), len(opening))
        if count < 20 or opening[:count].std() < 0.005:
            continue
        gap, seen = gap[:count], opening[:count]
        each.append(correlate(gap, seen))
        shown.append(gap)
        wanted.append((seen - seen.mean()) / seen.std())
    lags = {}
    for lag in range(-_MOST_LAG, _MOST_LAG + 1):
        parts = [
            correlate(np.roll(g, -lag)[_MOST_LAG:-_MOST_LAG], w[_MOST_LAG:-_MOST_LAG])
            for g, w in zip(shown, wanted, strict=True)
        ]
        lags[lag] = round(float(np.mean(parts)), 3)
    return {
        "videos": len(each),
        "median_correlation": round(float(np.median(each)), 3),
        "quartiles": [round(float(q), 3) for q in np.quantile(each, (0.25, 0.75))],
        "lag_frames": max(lags, key=lags.__getitem__),
        "mean_correlation_at_lag": lags,
    }


def main() -> None:
    """Measure and write the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("figures", type=Path)
    parser.add_argument("--videos", type=Path, help="folder of videos of people who speak")
    parser.add_argument("--most", type=int, default=120, help="utterances of each split")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    utterances = list(read_corpus(given.corpus))
    figures: dict[str, Any] = {}
    for split in ("sentences", "voices"):
        chosen = [u for u in utterances if u.split == split and u.engine == "kokoro"][: given.most]
        for name, condition in CONDITIONS.items():
            figures[f"{split}, {name}"] = measure_speech(chosen, condition)
            _log.info("%s, %s: %s", split, name, figures[f"{split}, {name}"])
    figures["widest jaw"] = measure_silence()
    figures["cpu seconds for a second"] = measure_cost(utterances[:20])
    if given.videos:
        figures["videos"] = measure_videos(list(read_openings(given.videos)))
    given.figures.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
