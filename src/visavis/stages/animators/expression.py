"""From mouth, emotion and the head's own motion to the pose of one frame."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from visavis.core.types import Emotion, Floats
from visavis.models.common.units import ARKIT_UNITS, MOUTH_UNITS, UNIT_INDEX, expand_mouth

if TYPE_CHECKING:
    from visavis.models.puppet.renderer import Pose

_EASE = 0.16
"""Share of the way that an emotion goes towards its target in a frame: 90 % in 0.5 s."""
_RELEASE = 0.55
"""What is left of a mouth's pose, frame by frame, when speech is cut off."""
_REST = 0.55
"""How much of an emotion stays on the face between sentences."""

_LOUDER, _QUIETER = 0.16, 0.10
"""How much the loudness that moves the head may rise and fall in a frame, so that neither the first
sound nor an interruption jerks it."""
_ATTEND = 0.08
"""How much of the listener's nods and gaze comes or goes in a frame: half a second."""
KEPT = 64
"""Frames that can be taken back: more than a player ever holds."""

_SPOKEN = 0.12
"""A mouth channel from which on the lips are free to part."""

_MOUTH = np.array([n.startswith(("mouth", "jaw", "tongue")) for n in ARKIT_UNITS])
_SMILES = [
    UNIT_INDEX[n + s]
    for n in ("mouthSmile", "mouthDimple", "mouthFrown")
    for s in ("Left", "Right")
]
_PULLS = [
    UNIT_INDEX[n + s] for n in ("mouthUpperUp", "mouthLowerDown", "mouthStretch") for s in ("Left", "Right")
]  # fmt: skip
_LIDS = [UNIT_INDEX["eyeBlinkLeft"], UNIT_INDEX["eyeBlinkRight"]]
_WIDE = [UNIT_INDEX["eyeWideLeft"], UNIT_INDEX["eyeWideRight"]]


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """What goes on from frame to frame."""

    feeling: Floats
    mouth: Floats
    loudness: float = 0.0
    attention: float = 0.0


class Expression:
    """Keeps what must go on smoothly from frame to frame: emotion, closing mouth, attention.

    Args:
        motion: ``visavis.models.puppet.motion.Motion`` of this performance.
        emotion: Shown when nothing else is asked for.
        intensity: Of it, 0..1.
    """

    def __init__(self, motion: Any, emotion: Emotion = "neutral", intensity: float = 0.5) -> None:
        from visavis.models.puppet.emotions import emotion_units

        self._motion = motion
        self._emotion_units = emotion_units
        self._base = emotion_units(emotion, intensity)
        self._state = _State(self._base * _REST, np.zeros(len(MOUTH_UNITS), np.float32))
        self._past: OrderedDict[int, _State] = OrderedDict()
        self.listening = False
        """Whether somebody speaks to the face."""

    def speak(
        self, frame: int, mouth: Floats, loudness: float, emotion: Emotion, intensity: float
    ) -> Pose:
        """Pose of a frame with speech.

        Args:
            frame: Frames since the performance was opened.
            mouth: (12,) mouth channels.
            loudness: 0..1.
            emotion: Of the sentence; neutral leaves the performance's own.
            intensity: 0..1.
        """
        target = self._base if emotion == "neutral" else self._emotion_units(emotion, intensity)
        return self._pose(frame, mouth, loudness, target)

    def idle(self, frame: int) -> Pose:
        """Pose of a frame between turns."""
        return self._pose(frame, np.zeros_like(self._state.mouth), 0.0, self._base * _REST)

    def feel(self, emotion: Emotion, intensity: float) -> None:
        """Show another emotion when nothing else is asked for; it comes on smoothly."""
        self._base = self._emotion_units(emotion, intensity)

    def rewind(self, frame: int) -> None:
        """Go on from a frame as it was. One that is too long ago changes nothing."""
        self._state = self._past.get(frame, self._state)

    def _pose(self, frame: int, mouth: Floats, loudness: float, target: Floats) -> Pose:
        from visavis.models.puppet.renderer import Pose

        state = self._step(mouth, loudness, target)
        self._past[frame] = self._state = state
        self._past.move_to_end(frame)
        while len(self._past) > KEPT:
            self._past.popitem(last=False)
        head = self._motion.at(frame, state.loudness, state.attention)
        units = self._mix(state.feeling, state.mouth)
        units[_LIDS] = np.maximum(units[_LIDS], head.blink)
        units[_WIDE] *= 1 - head.blink
        units[UNIT_INDEX["browInnerUp"]] += head.brow * 0.6
        units[UNIT_INDEX["browOuterUpLeft"]] += head.brow * 0.5
        units[UNIT_INDEX["browOuterUpRight"]] += head.brow * 0.5
        return Pose(
            units=np.clip(units, 0, 1).astype(np.float32),
            tongue=float(state.mouth[MOUTH_UNITS.index("tongueUp")]),
            yaw=head.yaw,
            pitch=head.pitch,
            roll=head.roll,
            shift=head.shift,
            breath=head.breath,
            gaze=head.gaze,
            # In silence lips are together whatever is felt.
            lips=float(np.clip(1 - state.mouth.max() / _SPOKEN, 0, 1)),
        )

    def _step(self, mouth: Floats, loudness: float, target: Floats) -> _State:
        before = self._state
        if mouth.any():
            shown = mouth.astype(np.float32)
        else:
            # A mouth that was cut off in the middle closes over some frames instead of jumping.
            shown = (before.mouth * _RELEASE * (before.mouth > 0.02)).astype(np.float32)
        attention = before.attention + (_ATTEND if self.listening else -_ATTEND)
        return _State(
            feeling=(before.feeling + (target - before.feeling) * _EASE).astype(np.float32),
            mouth=shown,
            loudness=float(
                np.clip(loudness, before.loudness - _QUIETER, before.loudness + _LOUDER)
            ),
            attention=min(max(attention, 0.0), 1.0),
        )

    @staticmethod
    def _mix(feeling: Floats, mouth: Floats) -> Floats:
        """Put speech over feeling: lips that must meet or round give way to nothing."""
        spoken = expand_mouth(mouth[None])[0]
        talk = float(np.clip(mouth.max() * 2.5, 0, 1))
        felt = feeling.copy()
        felt[_MOUTH] *= 1 - 0.45 * talk
        rounded = float(
            max(mouth[MOUTH_UNITS.index("mouthPucker")], mouth[MOUTH_UNITS.index("mouthFunnel")])
        )
        felt[_SMILES] *= 1 - 0.7 * rounded
        shut = float(
            max(mouth[MOUTH_UNITS.index("mouthPress")], mouth[MOUTH_UNITS.index("mouthClose")])
        )
        felt[_PULLS] *= 1 - min(1.0, 1.6 * shut)
        mixed: Floats = (felt + spoken).astype(np.float32)
        return mixed
