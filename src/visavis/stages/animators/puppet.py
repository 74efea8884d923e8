"""The face that needs no trained pixels: any portrait at once, driven by phonemes, sound or video."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from visavis.core.errors import FaceUnusable, NoFaceFound, StageError
from visavis.core.types import (
    FPS,
    Avatar,
    Emotion,
    FaceTrack,
    Floats,
    Mark,
    Picture,
    Segment,
    Sentence,
    Speech,
    VideoFrame,
    Waveform,
)
from visavis.stages.animators.expression import Expression
from visavis.stages.animators.mouth_timeline import MouthTimeline

if TYPE_CHECKING:
    from visavis.models.puppet.motion import Liveliness
    from visavis.models.puppet.stand import Stand

CHUNK_FRAMES = 5
"""Longest Segment: 200 ms."""
LOOKAHEAD_FRAMES = 9
"""Sound held back: what coming sounds do to the mouth (``coarticulation.LOOKAHEAD_S``), and the
loudness around a frame."""
_QUIET = Sentence(turn=0, index=0, text="", language="en")


class PuppetAnimator:
    """Warps the pixels of a portrait, or of a looped video, after 52 ARKit face units.

    Args:
        size: Shorter side of the frames in pixels, or None to keep the avatar's.
        seed: Of the head's own motion; the avatar's name is mixed in.
        liveliness: How much the head moves of itself.
        emotion: What the face shows when no sentence says otherwise.
        intensity: Of that emotion, 0..1.
    """

    def __init__(
        self,
        *,
        size: int | None = 512,
        seed: int = 0,
        liveliness: Liveliness = "natural",
        emotion: Emotion = "neutral",
        intensity: float = 0.5,
    ) -> None:
        self._size = size
        self._seed = seed
        self._liveliness: Liveliness = liveliness
        self._emotion: Emotion = emotion
        self._intensity = intensity

    def open(self, avatar: Avatar) -> PuppetPerformance:
        """Begin a performance.

        Raises:
            NoFaceFound: The avatar has no face track.
            FaceUnusable: Its landmarks are not the 478 of the face mesh.
        """
        from visavis.models.puppet.motion import Motion
        from visavis.models.puppet.stand import Stand

        if len(avatar.track.landmarks) == 0:
            raise NoFaceFound(f"the avatar {avatar.name!r} has no face track; create it again")
        if avatar.track.landmarks.shape[1:] != (478, 3):
            raise FaceUnusable(
                f"the avatar {avatar.name!r} has landmarks {avatar.track.landmarks.shape[1:]},"
                " not (478, 3); create it again"
            )
        digest = hashlib.sha256(f"{self._seed}:{avatar.name}".encode()).digest()
        motion = Motion(int.from_bytes(digest[:4], "big"), self._liveliness)
        expression = Expression(motion, self._emotion, self._intensity)
        return PuppetPerformance(Stand(avatar, self._size), expression)


class PuppetPerformance:
    """One avatar on its stand, speaking in one session."""

    def __init__(self, stand: Stand, expression: Expression) -> None:
        self._stand = stand
        self._expression = expression
        self._shown = 0  # frames shown since the performance was opened, talking or idle
        self._closed = False
        self._sparing = False
        self._forget()

    def _forget(self) -> None:
        self._timeline = MouthTimeline()
        self._rate = 0
        self._sound: Floats = np.zeros(0, np.float32)
        self._sound_start = 0  # frame of the first sample kept
        self._next = 0  # next frame to be shown, since the stream began
        self._sentences: list[tuple[int, Sentence]] = []  # first sample and sentence, in order
        self._marks: list[Mark] = []
        self._untold: deque[tuple[Sentence, Mark]] = deque()  # in no Segment yet
        self._sentence_start = 0

    @property
    def lookahead(self) -> float:
        """Seconds of sound held back."""
        return LOOKAHEAD_FRAMES / FPS

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames in pixels."""
        return self._stand.size

    def feed(self, speech: Speech) -> Iterator[Segment]:
        """Take sound and yield what can be shown."""
        rate = speech.audio.sample_rate
        if rate % FPS:
            raise StageError(f"sound of {rate} Hz has no whole number of samples for each frame")
        # A pause in the middle of a sentence has no marks either: only a new one can bring sound
        # without marks after sound with them.
        begins = not self._sentences or not _same(self._sentences[-1][1], speech.sentence)
        changes = begins and self._timeline.changes(speech.marks)
        if self._rate and (rate != self._rate or changes):
            yield from self.flush()
        if rate != self._rate:
            self._begin_rate(rate)
        self._timeline.choose(speech.marks)
        end = self._sound_start * rate // FPS + len(self._sound)
        if not self._sentences or not _same(self._sentences[-1][1], speech.sentence):
            self._sentence_start = end - speech.audio.offset
            self._sentences.append((end, speech.sentence))
        for mark in speech.marks:
            moved = Mark(
                mark.kind,
                mark.text,
                mark.start + self._sentence_start,
                mark.end + self._sentence_start,
            )
            self._marks.append(moved)
            self._untold.append((speech.sentence, moved))
        self._sound = np.concatenate([self._sound, speech.audio.samples])
        self._timeline.add(speech.audio, [m for m in self._marks if m.kind == "phoneme"])
        ready = (self._sound_start * rate + len(self._sound) * FPS) // rate - LOOKAHEAD_FRAMES
        yield from self._show(ready)

    def _begin_rate(self, rate: int) -> None:
        """Count samples anew at another rate; frames go on."""
        self._rate = rate
        self._sound = np.zeros(0, np.float32)
        self._sound_start = self._next
        self._sentences = []
        self._marks = []
        self._untold.clear()

    def flush(self) -> Iterator[Segment]:
        """Yield what was held back, padded with silence to whole frames."""
        if not self._rate:
            return
        each = self._rate // FPS
        short = -len(self._sound) % each
        self._sound = np.concatenate([self._sound, np.zeros(short, np.float32)])
        self._sentence_start += short  # its rest, if more of it comes, is heard so much later
        self._timeline.finish()
        end = self._sound_start + len(self._sound) // each
        yield from self._show(end)
        self._timeline.restart(end)

    def _show(self, until: int) -> Iterator[Segment]:
        """Show frames up to ``until``, in chunks."""
        until = min(until, self._timeline.ready()) if not self._timeline.finished else until
        each = self._rate // FPS
        while self._next < until:
            first_picture = self._shown
            count = self._count_frames(min(CHUNK_FRAMES, until - self._next))
            mouths = self._timeline.take(self._next, count, self._rate)
            frames: list[VideoFrame] = []
            for i in range(count):
                frame = self._next + i
                sentence = self._sentence_at(frame * each + each // 2)
                loudness = self._loudness(frame)
                pose = self._expression.speak(
                    self._shown, mouths[i], loudness, sentence.emotion, sentence.intensity
                )
                if self._sparing and i % 2:
                    image = frames[-1].image
                else:
                    image = self._stand.render(self._shown, pose)
                frames.append(VideoFrame(image, frame))
                self._shown += 1
            first = self._next * each - self._sound_start * each
            sound = self._sound[first : first + count * each]
            sentence = self._sentence_at(self._next * each + each // 2)
            begin, end = self._next * each, (self._next + count) * each
            marks = self._tell_marks(sentence, end)
            segment = Segment(
                sentence.turn,
                Waveform(sound.copy(), self._rate, begin),
                tuple(frames),
                sentence,
                marks,
                first_picture,
            )
            self._next += count
            self._drop_old()
            yield segment

    def _count_frames(self, most: int) -> int:
        """Frames from the next one on that are of one sentence."""
        each = self._rate // FPS
        first = self._sentence_at(self._next * each + each // 2)
        for count in range(1, most):
            frame = self._next + count
            if self._sentence_at(frame * each + each // 2) is not first:
                return count
        return most

    def _tell_marks(self, sentence: Sentence, end: int) -> tuple[Mark, ...]:
        """Marks up to a sample, less those of a sentence whose frames come later."""
        told: list[Mark] = []
        while self._untold and self._untold[0][1].start < end:
            owner, mark = self._untold[0]
            if owner.index > sentence.index and owner.turn == sentence.turn:
                break
            told.append(mark)
            self._untold.popleft()
        return tuple(told)

    def _drop_old(self) -> None:
        """Keep a bounded past: what the loudness and the coarticulation around a frame need."""
        each = self._rate // FPS
        keep_from = self._next - 2 * LOOKAHEAD_FRAMES
        if keep_from - self._sound_start > 50:
            self._sound = self._sound[(keep_from - self._sound_start) * each :].copy()
            self._sound_start = keep_from
            self._marks = [m for m in self._marks if m.end >= keep_from * each]
            while len(self._sentences) > 1 and self._sentences[1][0] <= keep_from * each:
                self._sentences.pop(0)
            self._timeline.drop_before(keep_from)

    def _sentence_at(self, sample: int) -> Sentence:
        found = self._sentences[0][1] if self._sentences else _QUIET
        for start, sentence in self._sentences:
            if start <= sample:
                found = sentence
        return found

    def _loudness(self, frame: int) -> float:
        """How loud the speech is around a frame: 0 at -45 dBFS and below, 1 at -18 and above."""
        each = self._rate // FPS
        low = max(0, (frame - 6 - self._sound_start) * each)
        part = self._sound[low : (frame + 7 - self._sound_start) * each]
        if len(part) == 0:
            return 0.0
        rms = float(np.sqrt(np.mean(part.astype(np.float64) ** 2)))
        return float(np.clip((20 * np.log10(rms + 1e-9) + 45) / 27, 0, 1))

    def idle(self) -> VideoFrame:
        """Next frame between turns: mouth shut, alive."""
        pose = self._expression.idle(self._shown)
        frame = VideoFrame(self._stand.render(self._shown, pose), self._shown)
        self._shown += 1
        return frame

    def drive(self, track: FaceTrack) -> Iterator[VideoFrame]:
        """Show what somebody else's face does.

        Args:
            track: With ``blendshapes`` and ``pose``; each frame of it gives one frame.

        Raises:
            NoFaceFound: The track lacks them.
        """
        from visavis.models.puppet.drive import carry_over

        if track.blendshapes is None or track.pose is None or len(track.blendshapes) == 0:
            raise NoFaceFound("the driving video has no face that could be followed")
        for pose in carry_over(track):
            yield VideoFrame(self._stand.render(self._shown, pose), self._shown)
            self._shown += 1

    def reset(self) -> None:
        """Forget all sound; the mouth closes from where it is, the head goes on."""
        self._forget()

    def rewind(self, picture: int) -> None:
        """Go on after a picture that was shown: those made after it never were."""
        if 0 <= picture < self._shown - 1:
            self._shown = picture + 1
            self._expression.rewind(picture)

    def spare(self, sparing: bool) -> None:
        """Begin or end showing every second picture of speech twice, the sound going on as ever."""
        self._sparing = sparing

    def attend(self, listening: bool) -> None:
        """Begin or end listening: the eyes stay on the listener, small nods come and go."""
        self._expression.listening = listening

    def feel(self, emotion: Emotion, intensity: float) -> None:
        """Show this emotion when no sentence says otherwise."""
        self._expression.feel(emotion, intensity)

    def close(self) -> None:
        """Free the pictures."""
        if not self._closed:
            self._closed = True
            self._forget()
            self._stand.close()

    def still(self) -> Picture:
        """The avatar as it is at rest."""
        return self._stand.still()


def _same(a: Sentence, b: Sentence) -> bool:
    return a is b or (a.turn == b.turn and a.index == b.index)
