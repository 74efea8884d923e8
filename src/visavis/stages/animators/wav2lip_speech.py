"""What a lip generator hears of a stream: a mel window for each frame, and whether somebody speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from visavis.core.types import Floats, Mark, Waveform
from visavis.media.resampling import Resampler
from visavis.models.common.mel import (
    BANDS,
    HOP,
    ROWS_PER_SECOND,
    SAMPLE_RATE,
    SILENCE,
    WINDOW,
    WINDOW_ROWS,
    log_mel,
    mel_windows,
)

if TYPE_CHECKING:
    from visavis.models.audio2mouth.predictor import MouthFromSound

AROUND = 2
"""Frames on each side of speech in which the mouth already, or still, is the generator's."""
_CONTEXT = 3
"""Rows before a row whose sound takes part in it, and so many more are computed to be exact."""
_AFTER = SAMPLE_RATE * 2 // 5
"""Samples of silence that a stream is taken to end with, for the windows that reach past its end."""
_UNBOUNDED = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What is heard around one frame.

    Attributes:
        window: float32 (80, 16) log-mel.
        speaking: 0 (silence) to 1.
    """

    window: Floats
    speaking: float

    def fall_silent(self) -> Heard:
        """What is heard a frame later if the sound ended with this window."""
        rows = round(ROWS_PER_SECOND / 25)
        window = np.full_like(self.window, SILENCE)
        window[:, :-rows] = self.window[:, rows:]
        return Heard(window, 0.0)


SILENT = Heard(np.full((BANDS, WINDOW_ROWS), SILENCE, np.float32), 0.0)


class SpeechTimeline:
    """Mel windows and speech of one stream, asked for in order.

    Args:
        lead: Frames by which a frame's window begins before it.
    """

    def __init__(self, lead: int) -> None:
        self._lead = lead
        self._restart_at(0)

    def _restart_at(self, frame: int) -> None:
        self._start = frame  # of the stream; positions below count from there
        self._resampler: Resampler | None = None
        self._voice: MouthFromSound | None = None
        self._sound: Floats = np.zeros(0, np.float32)
        self._sound_row = 0  # row on whose centre the first kept sample lies
        self._rows: list[Floats] = []  # from row ``_first_row`` on
        self._first_row = 0
        self._speaking: list[float] = []  # from frame ``_first_frame`` on
        self._first_frame = 0
        self.finished = False

    def changes(self, marks: Sequence[Mark]) -> bool:
        """Never: sound is all that is heard here."""
        return False

    def choose(self, marks: Sequence[Mark]) -> None:
        """More sound comes."""
        self.finished = False

    def add(self, audio: Waveform, marks: Sequence[Mark]) -> None:
        """Take the newest sound."""
        if self._resampler is None or self._voice is None:
            from visavis.models.audio2mouth.predictor import MouthFromSound

            self._resampler = Resampler(audio.sample_rate, SAMPLE_RATE)
            self._voice = MouthFromSound(audio.sample_rate)
        self._hear(self._resampler.feed(np.nan_to_num(audio.samples, posinf=0.0, neginf=0.0)))
        self._speaking.extend(self._voice.follow(audio.samples)[:, -1].tolist())

    def finish(self) -> None:
        """No more sound comes: silence does."""
        self.finished = True
        if self._resampler is None or self._voice is None:
            return
        rest = self._resampler.flush()
        self._hear(np.concatenate([rest, np.zeros(_AFTER, np.float32)]))
        self._speaking.extend(self._voice.follow_to_end()[:, -1].tolist())

    def restart(self, frame: int) -> None:
        """Begin anew at a frame."""
        self._restart_at(frame)

    def ready(self) -> int:
        """One past the last frame that is known."""
        if self.finished:
            return _UNBOUNDED
        rows = self._first_row + len(self._rows)
        # The last row of frame f's window is the whole part of 3.2 (f - lead), and 15 more.
        heard = -(-(rows - WINDOW_ROWS + 1) * 5 // 16) + self._lead
        known = self._first_frame + len(self._speaking) - AROUND
        return self._start + max(0, min(heard, known))

    def take(self, start: int, count: int, rate: int) -> Sequence[Heard]:
        """Say what is heard around the frames from ``start``."""
        first = start - self._start
        rows = np.stack(self._rows) if self._rows else SILENT.window.T
        # Silence lies before the stream, and after it.
        quiet = np.full((WINDOW_ROWS, BANDS), SILENCE, np.float32)
        padded = np.concatenate([quiet, rows, quiet])
        shift = (WINDOW_ROWS - self._first_row) * 25 / ROWS_PER_SECOND
        windows = mel_windows(padded, np.arange(first, first + count) - self._lead + shift)
        return [Heard(windows[i], self._speaking_at(first + i)) for i in range(count)]

    def _speaking_at(self, frame: int) -> float:
        at = frame - self._first_frame
        return max(self._speaking[max(0, at - AROUND) : max(0, at + AROUND + 1)], default=0.0)

    def drop_before(self, frame: int) -> None:
        """Forget what lies before a frame."""
        frame -= self._start
        row = (frame - self._lead) * 16 // 5
        if row > self._first_row:
            del self._rows[: row - self._first_row]
            self._first_row = row
        early = frame - AROUND
        if early > self._first_frame:
            del self._speaking[: early - self._first_frame]
            self._first_frame = early

    def _hear(self, sound: Floats) -> None:
        """Take sound at 16 kHz and compute the rows whose sound is complete."""
        self._sound = np.concatenate([self._sound, sound])
        complete = (len(self._sound) - WINDOW // 2) // HOP + 1
        known = self._first_row + len(self._rows) - self._sound_row
        if len(self._sound) <= WINDOW or complete <= known:
            return
        self._rows.extend(log_mel(self._sound)[known:complete])
        spare = complete - _CONTEXT
        if spare > 0:
            self._sound = self._sound[spare * HOP :].copy()
            self._sound_row += spare
