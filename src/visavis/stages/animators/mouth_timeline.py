"""Mouth channels along a stream, from phoneme marks where the voice gives them, else from sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from visavis.core.types import FPS, Floats, Mark, Waveform
from visavis.models.common.units import MOUTH_UNITS

if TYPE_CHECKING:
    from visavis.models.audio2mouth.predictor import MouthFromSound


class MouthTimeline:
    """Mouth channels (frames, 12) of one stream, asked for in order.

    Args:
        network: A mouth network (.onnx) that all speech is heard by, phoneme marks or not. None takes
            the marks where there are any, and the shipped network elsewhere.
    """

    def __init__(self, network: Path | None = None) -> None:
        self._model = network
        self._source: Literal["marks", "sound"] | None = None
        self._marks: Sequence[Mark] = ()
        self._network: MouthFromSound | None = None
        self._heard: list[Floats] = []  # channels from sound, not yet dropped
        self._heard_start = 0
        self.finished = False

    def changes(self, marks: Sequence[Mark]) -> bool:
        """Whether speech with these marks needs the other source than the stream so far."""
        return self._source is not None and self._source != self._source_of(marks)

    def _source_of(self, marks: Sequence[Mark]) -> Literal["marks", "sound"]:
        spelt = self._model is None and any(m.kind == "phoneme" for m in marks)
        return "marks" if spelt else "sound"

    def choose(self, marks: Sequence[Mark]) -> None:
        """Settle on a source when none is chosen."""
        if self._source is None:
            self._source = self._source_of(marks)
        self.finished = False

    def add(self, audio: Waveform, marks: Sequence[Mark]) -> None:
        """Take the newest sound, and all phoneme marks of the stream that are still kept.

        Args:
            audio: What was fed just now.
            marks: With positions in samples since the stream began.
        """
        self._marks = list(marks)
        if self._source != "sound":
            return
        if self._network is None:
            from visavis.models.audio2mouth.predictor import MouthFromSound

            self._network = MouthFromSound(audio.sample_rate, self._model)
        self._heard.extend(self._network.feed(audio.samples))

    def finish(self) -> None:
        """No more sound comes: give what the network holds back."""
        self.finished = True
        if self._network is not None:
            self._heard.extend(self._network.flush())

    def restart(self, frame: int) -> None:
        """Begin anew at a frame, with either source."""
        self._source = None
        self._network = None
        self._heard = []
        self._heard_start = frame

    def ready(self) -> int:
        """One past the last frame whose mouth is known (marks: always)."""
        return self._heard_start + len(self._heard) if self._source == "sound" else 2**62

    def take(self, start: int, count: int, rate: int) -> Floats:
        """Channels (count, 12) of the frames from ``start``; beyond the sound the mouth is shut."""
        if self._source == "sound":
            rows = np.zeros((count, len(MOUTH_UNITS)), np.float32)
            for i in range(count):
                at = start + i - self._heard_start
                if 0 <= at < len(self._heard):
                    rows[i] = self._heard[at]
            return rows
        from visavis.models.puppet.coarticulation import mouth_track

        return mouth_track(self._marks, rate, start, count, FPS)

    def drop_before(self, frame: int) -> None:
        """Forget what lies before a frame."""
        gone = frame - self._heard_start
        if self._source == "sound" and gone > 0:
            del self._heard[:gone]
            self._heard_start = frame
