"""Where clips begin and end within a stretch of frames: a sentence each, or a fixed length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visavis.core.types import FPS, Floats
from visavis.training.data.clip_store import SAMPLE_RATE, SAMPLES_PER_FRAME

WHOLE = 2.5
"""Seconds up to which a stretch is one clip as it is: it was cut to a word or a phrase before."""
SHORTEST = 0.8
"""Seconds; shorter ones hold no word, and no room for a window and another to compare it with."""
LONGEST = 10.0
"""Seconds; longer sentences are cut at their quietest place."""


@dataclass(frozen=True, slots=True)
class Cutting:
    """How stretches are cut.

    Attributes:
        seconds: Fixed length of all clips, or None for one sentence each.
        shortest: Seconds; what is shorter is left out.
        longest: Seconds of a sentence.
    """

    seconds: float | None = None
    shortest: float = SHORTEST
    longest: float = LONGEST


Turns = Sequence[tuple[int, int]]
"""Start and end of each turn of speech, in samples at 16 kHz."""


def find_turns(sound: Floats, cutting: Cutting) -> Turns | None:
    """Where sentences are in a sound at 16 kHz; None where nothing asks for them.

    Raises:
        MissingWeights: The voice activity network is not on this machine.
    """
    if cutting.seconds is not None or len(sound) <= WHOLE * SAMPLE_RATE:
        return None
    from visavis.models.silero.predictor import find_speech

    return find_speech(sound, SAMPLE_RATE, pause=0.3, longest=cutting.longest)


def cut_clips(
    start: int, end: int, covered: int, turns: Turns | None, cutting: Cutting
) -> list[tuple[int, int]]:
    """First and last-but-one frame of each clip of a stretch.

    Args:
        start: First frame of the stretch.
        end: One past its last.
        covered: Frames for which there is sound.
        turns: Of speech, or None.
        cutting: How.
    """
    end = min(end, covered)
    least = round(cutting.shortest * FPS)
    if end - start < least:
        return []
    if cutting.seconds is not None:
        return _equal_parts(start, end, round(cutting.seconds * FPS), least)
    if turns is None or end - start <= WHOLE * FPS:
        return [(start, end)]
    found = []
    for first, last in turns:
        low = max(start, first // SAMPLES_PER_FRAME)
        high = min(end, -(-last // SAMPLES_PER_FRAME))
        if high - low >= least:
            found.append((low, high))
    return found


def _equal_parts(start: int, end: int, length: int, least: int) -> list[tuple[int, int]]:
    """Parts of one length; what is left at the end is a clip if it is half as long at least."""
    parts = [(at, at + length) for at in range(start, end - length + 1, length)]
    rest = start + len(parts) * length
    if end - rest >= max(least, length // 2):
        parts.append((rest, end))
    return parts
