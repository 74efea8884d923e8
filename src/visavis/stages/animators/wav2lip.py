"""The face whose mouth is drawn from sound by a trained network, on a portrait or a looped video."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from visavis.core.types import Avatar, Emotion, Floats, Picture, Sentence
from visavis.models.common.units import ARKIT_UNITS, MOUTH_UNITS
from visavis.stages.animators.expression import KEPT, Expression
from visavis.stages.animators.speaking import SpeakingPerformance
from visavis.stages.animators.wav2lip_speech import SILENT, Heard, SpeechTimeline

if TYPE_CHECKING:
    from visavis.core.protocols import Enhancer
    from visavis.models.puppet.motion import Liveliness
    from visavis.models.puppet.renderer import Pose
    from visavis.models.puppet.sampling import Overlay
    from visavis.models.puppet.stand import Stand
    from visavis.models.wav2lip.predictor import Wav2LipPredictor
    from visavis.stages.animators.mouth_patch import MouthPatch
    from visavis.stages.animators.wav2lip_faces import AvatarFaces

LOOKAHEAD_FRAMES = 7
"""Sound held back: 0.13 s that the generator hears ahead, and what tells whether somebody speaks two
frames later (``wav2lip_speech.AROUND``)."""
_OPENS, _SHUTS = 1 / 3, 1 / 4
"""How much of the mouth becomes the generator's in a frame when speech begins, and the avatar's own
when it ends: 0.12 and 0.16 seconds."""
SHUT_BYTES = 64 << 20
"""Memory for the shut mouths of a video that speaks of itself, in each session; those beyond are drawn
each time."""
_STRENGTH_OF_SMILES = 0.55
"""What is left of an emotion's pull at the corners of a mouth that speaks, as in ``Expression``."""

_PARTING = np.array([
    n.startswith(("jaw", "mouthUpperUp", "mouthLowerDown", "mouthClose", "mouthFunnel",
                  "mouthPucker", "mouthRoll", "mouthShrug", "mouthPress", "tongue"))
    for n in ARKIT_UNITS
])  # fmt: skip
"""Units that open or shape the lips: the generator's alone while it speaks."""
_PULLING = np.array([n.startswith("mouth") for n in ARKIT_UNITS]) & ~_PARTING
_SHUT: Floats = np.zeros(len(MOUTH_UNITS), np.float32)


class Wav2LipAnimator:
    """Draws the mouth from sound of any voice; blinks, head and emotions are the puppet's.

    On a portrait the mouth is drawn into the portrait itself, before the puppet moves it. On a video
    it is drawn into each frame; head motion and blinks are the video's own. In silence a portrait's
    and a video's own shut mouth is seen; where somebody in a video speaks, what is drawn for silence.

    Args:
        size: Shorter side of the frames in pixels, or None to keep the avatar's.
        seed: Of the head's own motion; the avatar's name is mixed in.
        liveliness: How much the head moves of itself.
        emotion: What the face shows when no sentence says otherwise.
        intensity: Of that emotion, 0..1.
        weights: ``96``, ``192`` or ``384`` for those that come with visavis, which are for research
            only, or a folder that `visavis.models.wav2lip.export` wrote. Those that the avatar was
            tuned with go before the former, and are taken where this is empty; there is no other
            default.
        enhancer: Stage that sharpens what is drawn, or empty for none.
    """

    def __init__(
        self,
        *,
        size: int | None = 512,
        seed: int = 0,
        liveliness: Liveliness = "natural",
        emotion: Emotion = "neutral",
        intensity: float = 0.5,
        weights: str | Path = "",
        enhancer: str = "",
    ) -> None:
        self._size = size
        self._seed = seed
        self._liveliness: Liveliness = liveliness
        self._emotion: Emotion = emotion
        self._intensity = intensity
        self._weights = weights
        self._enhancer = enhancer

    def open(self, avatar: Avatar) -> Wav2LipPerformance:
        """Begin a performance.

        Raises:
            NoFaceFound: The avatar has no face track.
            FaceUnusable: Its landmarks are not the 478 of the face mesh.
            LicenceNotAccepted: No weights were chosen, and those that are here are for research.
            MissingWeights: The weights that were chosen are not here, or none are.
            UnknownStage: There is no such enhancer.
        """
        from visavis.core import registry
        from visavis.models.wav2lip.predictor import Wav2LipPredictor
        from visavis.stages.animators.emphasis import find_emphasis
        from visavis.stages.animators.puppet import PuppetAnimator
        from visavis.stages.animators.wav2lip_faces import AvatarFaces
        from visavis.stages.animators.wav2lip_weights import find_weights

        folder = find_weights(self._weights, avatar)
        enhancer = registry.load("enhancers", self._enhancer)() if self._enhancer else None
        puppet = PuppetAnimator(
            size=self._size,
            seed=self._seed,
            # A video moves by itself.
            liveliness=self._liveliness if avatar.is_portrait else "still",
            emotion=self._emotion,
            intensity=self._intensity,
        )
        stand, expression = puppet.set_up(avatar)
        predictor = Wav2LipPredictor(folder)
        faces = AvatarFaces(avatar, predictor, _name_of(folder), stand=stand)
        emphasis = find_emphasis(faces)
        return Wav2LipPerformance(stand, expression, predictor, faces, enhancer, emphasis)


@dataclass(frozen=True, slots=True, eq=False)
class _Mouth:
    """What goes on from frame to frame."""

    heard: Heard
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """All that the picture of one frame is drawn from.

    Attributes:
        pose: Of the face around the mouth.
        heard: What the mouth is drawn from.
        share: 0..1, how far it is the generator's mouth and not the avatar's own at rest.
    """

    pose: Pose
    heard: Heard
    share: float


class Wav2LipPerformance(SpeakingPerformance[Heard, Look]):
    """One avatar on its stand, speaking in one session."""

    def __init__(
        self,
        stand: Stand,
        expression: Expression,
        predictor: Wav2LipPredictor,
        faces: AvatarFaces,
        enhancer: Enhancer | None = None,
        emphasis: float = 1.0,
    ) -> None:
        from visavis.stages.animators.square_finish import AS_DRAWN, find_finish

        self._stand = stand
        self._predictor = predictor
        self._faces = faces
        self._enhancer = enhancer
        self._emphasis = emphasis
        self._mouth = _Mouth(SILENT, 0.0)
        self._past: OrderedDict[int, _Mouth] = OrderedDict()
        self._patch: tuple[int, MouthPatch] | None = None
        self._shut_mouths: dict[int, Overlay] = {}
        self._shut_bytes = 0
        super().__init__(expression, LOOKAHEAD_FRAMES)
        one = faces.reference
        self._finish = AS_DRAWN
        self._finish = find_finish(
            self._generate(one, SILENT),
            faces.encoded(one).crop,
            faces.landmarks[one],
            faces.squares[one],
            predictor.detail,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames in pixels."""
        return self._stand.size

    def _make_timeline(self) -> SpeechTimeline:
        return SpeechTimeline(self._predictor.lead)

    def _speak(self, row: Heard, loudness: float, sentence: Sentence) -> Look:
        pose = self._expression.speak(
            self._shown, _SHUT, loudness, sentence.emotion, sentence.intensity
        )
        return self._go_on(pose, row)

    def _rest(self) -> Look:
        if not (self._expression.listening or self._sparing):
            # Somebody may be about to speak, and then there is less time.
            self._faces.encode_ahead(self._shown)
        # A mouth that was cut off says what it would have said had the sound ended there.
        return self._go_on(self._expression.idle(self._shown), self._mouth.heard.fall_silent())

    def _go_on(self, pose: Pose, heard: Heard) -> Look:
        share = min(max(heard.speaking, self._mouth.share - _SHUTS), self._mouth.share + _OPENS)
        self._past[self._shown] = self._mouth = _Mouth(heard, share)
        self._past.move_to_end(self._shown)
        while len(self._past) > KEPT:
            self._past.popitem(last=False)
        seen = share * share * (3 - 2 * share)
        units = pose.units.copy()
        units[_PARTING] *= 1 - seen
        units[_PULLING] *= 1 - (1 - _STRENGTH_OF_SMILES) * seen
        return Look(replace(pose, units=units), heard, seen)

    def _draw(self, look: Look) -> Picture:
        frame = self._shown % len(self._faces.squares)
        overlay = self._shut(frame)
        if look.share > 0:
            drawn = self._say(frame, look.heard)
            overlay = self._patch_of(frame).paint(drawn, look.share, overlay)
        return self._stand.render(self._shown, look.pose, overlay)

    def _shut(self, frame: int) -> Overlay | None:
        """What shuts the mouth in a frame of a video whose own mouth speaks; None where it does not."""
        speech = self._stand.own_speech(frame)
        if speech <= 0:
            return None
        overlay = self._shut_mouths.get(frame)
        if overlay is None:
            overlay = self._patch_of(frame).paint(self._say(frame, SILENT), speech)
            # The puppet is not to shut it once more.
            overlay = replace(overlay, share=1.0)
            if self._shut_bytes + overlay.pixels.nbytes <= SHUT_BYTES:
                self._shut_mouths[frame] = overlay
                self._shut_bytes += overlay.pixels.nbytes
        return overlay

    def _say(self, frame: int, heard: Heard) -> Picture:
        """Draw the square of a frame with what is heard."""
        square = self._generate(frame, heard)
        if self._enhancer is None:
            return square
        # Sharpened before: to an enhancer what is soft is meant to be soft, and among its many pixels
        # nothing is fine enough to be strengthened.
        square = self._finish.sharpen(square, len(square))
        return np.asarray(self._enhancer.enhance(square[None])[0], np.uint8)

    def _generate(self, frame: int, heard: Heard) -> Picture:
        return self._finish.clean(self._faces.draw(frame, heard.window, self._emphasis))

    def _patch_of(self, frame: int) -> MouthPatch:
        from visavis.stages.animators.mouth_patch import MouthPatch
        from visavis.stages.animators.square_finish import AS_DRAWN

        if self._patch is None or self._patch[0] != frame:
            faces = self._faces
            patch = MouthPatch(
                self._stand.ground(frame),
                faces.landmarks[frame],
                faces.squares[frame],
                faces.encoded(frame).crop,
                self._finish if self._enhancer is None else AS_DRAWN,
                faces.drawn if frame != faces.reference else None,
            )
            self._patch = (frame, patch)
        return self._patch[1]

    def rewind(self, picture: int) -> None:
        """Go on after a picture that was shown: those made after it never were."""
        super().rewind(picture)
        self._mouth = self._past.get(picture, self._mouth)

    def _free(self) -> None:
        self._patch = None
        self._shut_mouths.clear()
        self._stand.close()


def _name_of(folder: Path) -> str:
    """What tells the weights in a folder from others, also when they are replaced."""
    return f"{folder} {max(p.stat().st_mtime_ns for p in folder.iterdir())}"
