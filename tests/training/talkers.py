"""Small videos of nobody: the shipped faces open their mouths as loud as the sound is."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from visavis.core.types import Floats, Picture
from visavis.media.audio import read_audio
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX
from visavis.models.puppet.renderer import Pose
from visavis.models.puppet.stand import Stand
from visavis.stages.avatars import store

RATE = 16_000
SIDE = 256
FIXTURES = Path(__file__).parent.parent / "fixtures"


@functools.cache
def speech(language: str = "en") -> Floats:
    """A sentence, float32 at 16 kHz."""
    return read_audio(FIXTURES / f"speech_{language}.wav", RATE).samples


def loudness(sound: Floats, fps: float, count: int) -> Floats:
    """0..1 of each frame, smooth: what the mouth does."""
    edges = (np.arange(count + 1) * RATE / fps).astype(int)
    padded = np.pad(sound, (0, max(0, edges[-1] - len(sound))))
    parts = [padded[a:b] for a, b in itertools.pairwise(edges)]
    levels = np.array([np.sqrt(np.mean(part**2)) for part in parts])
    smooth = np.convolve(levels, [0.25, 0.5, 0.25], "same")
    return np.clip(smooth / max(smooth.max(), 1e-6), 0, 1).astype(np.float32)


@functools.cache
def _stand(name: str) -> Stand:
    return Stand(store.load(name), SIDE)


def talk(
    name: str, sound: Floats, seconds: float, fps: float = 25, start: float = 0.0
) -> list[Picture]:
    """Frames of somebody who says a sound and nods a little.

    Args:
        name: Of a shipped face.
        sound: float32 at 16 kHz.
        seconds: Of video.
        fps: Of the frames.
        start: Second of the sound at which the first frame is shown.
    """
    stand = _stand(name)
    count = round(seconds * fps)
    late = sound[round(start * RATE) :] if start >= 0 else np.pad(sound, (round(-start * RATE), 0))
    frames = []
    for i, level in enumerate(loudness(late, fps, count)):
        units = np.zeros(len(ARKIT_UNITS), np.float32)
        units[UNIT_INDEX["jawOpen"]] = 0.6 * level
        sway = np.sin(i / fps * 2)
        pose = Pose(units=units, yaw=3 * sway, roll=2 * sway, shift=(0.01 * sway, 0.0))
        frames.append(stand.render(0, pose).copy())
    return frames


def silent_face(name: str, seconds: float) -> list[Picture]:
    """Somebody who looks and says nothing."""
    return talk(name, np.zeros(RATE, np.float32), seconds)


def beside(left: Sequence[Picture], right: Sequence[Picture]) -> list[Picture]:
    """Two people in one picture."""
    return [np.concatenate(pair, axis=1) for pair in zip(left, right, strict=True)]


def write_talk(
    path: Path,
    frames: Sequence[Picture],
    sound: Floats | None,
    *,
    fps: int = 25,
    picture_at: float = 0.0,
    sound_at: float = 0.0,
) -> Path:
    """Write H.264 and AAC, or only one of them; each may begin later than the file does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        video = audio = None
        if frames:
            video = out.add_stream(
                "libx264", rate=fps, options={"crf": "12", "preset": "ultrafast"}
            )
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = "yuv420p"
            video.codec_context.time_base = Fraction(1, 90_000)
        if sound is not None:
            audio = out.add_stream("aac", rate=RATE, layout="mono")
        if audio is not None:
            assert sound is not None
            for at in range(0, len(sound), 1024):
                part = np.pad(sound[at : at + 1024], (0, max(0, at + 1024 - len(sound))))
                frame = av.AudioFrame.from_ndarray(part[None].astype(np.float32), "fltp", "mono")
                frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
                frame.pts = at + round(sound_at * RATE)
                out.mux(audio.encode(frame))
            out.mux(audio.encode(None))
        if video is not None:
            for i, image in enumerate(frames):
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
                picture.time_base = Fraction(1, 90_000)
                picture.pts = round((picture_at + i / fps) * 90_000)
                out.mux(video.encode(picture))
            out.mux(video.encode(None))
    return path


def landscape(seconds: float) -> list[Picture]:
    """A picture without anybody."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    still = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return [still] * round(seconds * 25)
