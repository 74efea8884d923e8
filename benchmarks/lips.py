"""Do lips follow the sound? The same recordings, spoken by several mouths, judged by the same expert.

    python benchmarks/lips.py CLIPS [--count 48] [--avatar mei] [--mouth puppet --mouth puppet:real]

CLIPS is what `visavis prepare` made; its people of the split `val` are heard, and seen beside for what real
video gives. A mouth is an animator, with its weights after a colon. All start from silence, as a
sentence does, and speak without phoneme times. Offset and confidence are of each clip alone; what is
said of all is the confidence's mean with a 95 % interval (bootstrap over clips), as a share of real
video's, and how often the offset is within one frame of none. The expert that judges is the one that
comes with visavis: generators that learnt from it are flattered.
"""

import argparse
from pathlib import Path

import numpy as np

from visavis.core import registry
from visavis.core.types import FPS, Sentence, Speech, Waveform
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


def cut(frames: np.ndarray, landmarker: FaceLandmarker, size: int) -> np.ndarray:
    """Crops (T, S, S, 3) as `visavis prepare` cuts them."""
    found, face = [], None
    for image in frames:
        face = landmarker.track(image, face)
        if face is None:
            raise SystemExit("a drawn frame shows no face")
        found.append(face.landmarks[:, :2])
    boxes = lip_boxes(np.stack(found))
    return np.stack([crop_square(f, b, size) for f, b in zip(frames, boxes, strict=True)])


def describe(name: str, measures: list[SyncMeasure], real: list[SyncMeasure]) -> str:
    values, wanted = (np.array([m.confidence for m in every]) for every in (measures, real))
    rng = np.random.default_rng(0)
    picks = rng.integers(len(values), size=(2000, len(values)))
    low, high = np.percentile(values[picks].mean(1) / wanted[picks].mean(1), (2.5, 97.5))
    near = np.mean([abs(m.offset) <= 1 for m in measures])
    return (
        f"| {name} | {values.mean():.3f} | {values.mean() / wanted.mean():.2f}"
        f" ({low:.2f}-{high:.2f}) | {near:.0%} | {np.median([m.offset for m in measures]):+.0f} |"
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
    real = []
    for clip in chosen:
        frames = np.stack([resize_crop(crop, expert.size) for crop in store.frames(clip)])
        real.append(expert.measure(frames, log_mel(store.audio(clip))))
    print(f"{len(chosen)} clips, {sum(c.frames for c in chosen) / FPS:.0f} s, face: {given.avatar}")
    print("| mouth | confidence | of real video's | offset within a frame | median offset |")
    print("|---|---|---|---|---|")
    print(describe("real video", real, real), flush=True)
    for mouth in given.mouth or ["puppet"]:
        measures = []
        for clip in chosen:
            sound = store.audio(clip)
            frames = speak(mouth, given.avatar, sound)[: clip.frames]
            measures.append(expert.measure(cut(frames, landmarker, expert.size), log_mel(sound)))
        print(describe(mouth, measures, real), flush=True)


if __name__ == "__main__":
    main()
