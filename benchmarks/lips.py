"""Do lips follow the sound? The same recordings, spoken by several mouths, judged by the same expert.

    python benchmarks/lips.py CLIPS [--count 48] [--avatar mei] [--mouth puppet --mouth puppet:real]

CLIPS is what `visavis prepare` made; its people of the split `val` are heard, and seen beside for what real
video gives. A mouth is an animator, with its weights after a colon. All start from silence, as a
sentence does, and speak without phoneme times. Offset and confidence are of each clip alone; what is
said of all is the confidence's mean with a 95 % interval (bootstrap over clips), as a share of real
video's, and how often the offset is within one frame of none. The expert that judges is the one that
comes with visavis: generators that learnt from it are flattered.

The last columns ask no network that lips were taught by. The distance of the lips, by landmarks, is compared
with that of the person who said it: correlation in time, frames of delay at which that is highest (median), and how
far the distance varies, as a share of the person's. Another person's lips give what is to be had by chance.
"""

import argparse
from pathlib import Path

import numpy as np

from visavis.core import registry
from visavis.core.types import FPS, Sentence, Speech, Waveform
from visavis.evaluation.lip_shape import correlation, find_delay, lip_opening
from visavis.media.lip_crop import crop_square, lip_boxes
from visavis.models.assets import locate
from visavis.models.common.mel import log_mel
from visavis.models.face_landmarker.predictor import FaceLandmarker
from visavis.models.syncnet.predictor import SyncExpert, SyncMeasure
from visavis.stages.avatars import store as avatars
from visavis.training.data.clip_store import ClipStore
from visavis.training.data.sync_clips import resize_crop

RATE = 16_000


def speak(mouth: str, avatar: str, sound: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) of a face that says something."""
    name, _, weights = mouth.partition(":")
    animator = registry.load("animators", name)(size=384, liveliness="still", weights=weights)
    performance = animator.open(avatars.load(avatar))
    speech = Speech(0, Sentence(0, 0, "", "en"), Waveform(sound, RATE), ())
    segments = [*performance.feed(speech), *performance.flush()]
    return np.stack([frame.image for segment in segments for frame in segment.frames])


def cut(frames: np.ndarray, landmarker: FaceLandmarker, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Crops (T, S, S, 3) as `visavis prepare` cuts them, and how far the lips are apart, (T,)."""
    found, face = [], None
    for image in frames:
        face = landmarker.track(image, face)
        if face is None:
            raise SystemExit("a drawn frame shows no face")
        found.append(face.landmarks[:, :2])
    boxes = lip_boxes(np.stack(found))
    crops = np.stack([crop_square(f, b, size) for f, b in zip(frames, boxes, strict=True)])
    return crops, lip_opening(np.stack(found))


def interval(values: np.ndarray, by: np.ndarray | None = None) -> str:
    """Mean with a 95 % interval by bootstrap over clips; as a share of the mean of others."""
    picks = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    whole, means = values.mean(), values[picks].mean(1)
    if by is not None:
        whole, means = whole / by.mean(), means / by[picks].mean(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return f"{whole:.2f} ({low:.2f}-{high:.2f})"


def describe(
    name: str,
    measures: list[SyncMeasure],
    real: list[SyncMeasure],
    openings: list[np.ndarray],
    wanted: list[np.ndarray],
) -> str:
    values, sure = (np.array([m.confidence for m in every]) for every in (measures, real))
    near = np.mean([abs(m.offset) <= 1 for m in measures])
    pairs = list(zip(wanted, openings, strict=True))
    follows = np.nan_to_num([correlation(a, b) for a, b in pairs])
    delays = [d for d in (find_delay(a, b) for a, b in pairs) if d is not None]
    varies = np.mean([b[: len(a)].std() for a, b in pairs]) / np.mean([a.std() for a in wanted])
    return (
        f"| {name} | {values.mean():.3f} | {interval(values, sure)} | {near:.0%}"
        f" | {np.median([m.offset for m in measures]):+.0f} | {interval(follows)}"
        f" | {np.median(delays):+.0f} | {varies:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--avatar", default="mei")
    parser.add_argument("--mouth", action="append")
    given = parser.parse_args()
    store = ClipStore(given.clips, correct=True)
    val = [clip for clip in store.clips if clip.split == "val"]
    chosen = [val[i * len(val) // given.count] for i in range(min(given.count, len(val)))]
    expert, landmarker = SyncExpert(locate("syncnet")), FaceLandmarker()
    real, wanted = [], [lip_opening(store.landmarks(clip)) for clip in chosen]
    for clip in chosen:
        frames = np.stack([resize_crop(crop, expert.size) for crop in store.frames(clip)])
        real.append(expert.measure(frames, log_mel(store.audio(clip))))
    others = wanted[len(wanted) // 2 :] + wanted[: len(wanted) // 2]
    by_chance = np.nan_to_num([correlation(a, b) for a, b in zip(wanted, others, strict=True)])
    print(
        f"{len(chosen)} clips, {sum(c.frames for c in chosen) / FPS:.0f} s, face: {given.avatar};"
        f" correlation of the lips' distance by chance: {interval(by_chance)}"
    )
    print(
        "| mouth | confidence | of real video's | offset within a frame | median offset"
        " | correlation of the lips' distance | delay | varies |"
    )
    print("|---|---|---|---|---|---|---|---|")
    print(describe("real video", real, real, wanted, wanted), flush=True)
    for mouth in given.mouth or ["puppet"]:
        measures, openings = [], []
        for clip in chosen:
            sound = store.audio(clip)
            frames = speak(mouth, given.avatar, sound)[: clip.frames]
            crops, opening = cut(frames, landmarker, expert.size)
            measures.append(expert.measure(crops, log_mel(sound)))
            openings.append(opening)
        print(describe(mouth, measures, real, openings, wanted), flush=True)


if __name__ == "__main__":
    main()
