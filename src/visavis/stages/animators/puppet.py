"""The face that needs no trained pixels: any portrait at once, driven by phonemes, sound or video."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from visavis.core.errors import FaceUnusable, MissingWeights, NoFaceFound
from visavis.core.types import Avatar, Emotion, FaceTrack, Floats, Picture, Sentence, VideoFrame
from visavis.stages.animators.expression import Expression
from visavis.stages.animators.mouth_timeline import MouthTimeline
from visavis.stages.animators.speaking import SpeakingPerformance

if TYPE_CHECKING:
    from visavis.models.puppet.motion import Liveliness
    from visavis.models.puppet.renderer import Pose
    from visavis.models.puppet.stand import Stand

LOOKAHEAD_FRAMES = 9
"""Sound held back: what coming sounds do to the mouth (``coarticulation.LOOKAHEAD_S``), and the
loudness around a frame."""

REAL = "real"
"""The mouth network that learnt from recordings, which is for research only."""


class PuppetAnimator:
    """Warps the pixels of a portrait, or of a looped video, after 52 ARKit face units.

    Args:
        size: Shorter side of the frames in pixels, or None to keep the avatar's.
        seed: Of the head's own motion; the avatar's name is mixed in.
        liveliness: How much the head moves of itself.
        emotion: What the face shows when no sentence says otherwise.
        intensity: Of that emotion, 0..1.
        weights: What the mouth is heard by: empty for phoneme marks, and the shipped network where
            a voice gives none; ``real`` for the network that learnt from people who really speak,
            which is for research only; or an .onnx file as `visavis train audio2mouth` exports.
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
    ) -> None:
        self._size = size
        self._seed = seed
        self._liveliness: Liveliness = liveliness
        self._emotion: Emotion = emotion
        self._intensity = intensity
        self._weights = weights

    def open(self, avatar: Avatar) -> PuppetPerformance:
        """Begin a performance.

        Raises:
            NoFaceFound: The avatar has no face track.
            FaceUnusable: Its landmarks are not the 478 of the face mesh.
            MissingWeights: The mouth network that was chosen is not here.
        """
        network = find_mouth_network(self._weights)
        return PuppetPerformance(*self.set_up(avatar), network)

    def set_up(self, avatar: Avatar) -> tuple[Stand, Expression]:
        """Put an avatar on its stand and give its face an expression of its own.

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
        return Stand(avatar, self._size), Expression(motion, self._emotion, self._intensity)


def find_mouth_network(chosen: str | Path) -> Path | None:
    """Find what a mouth is heard by; see `PuppetAnimator`.

    Raises:
        MissingWeights: It is not here.
    """
    if not str(chosen).strip():
        return None
    if str(chosen) == REAL:
        from visavis.models.assets import locate

        return locate("audio2mouth-real")
    path = Path(chosen).expanduser()
    if path.suffix != ".onnx" or not path.is_file():
        raise MissingWeights(
            f"the puppet has no weights {chosen}: give {REAL!r}, an .onnx file that `visavis train"
            " audio2mouth --export` wrote, or none; 96, 192, 384 and folders are for --animator wav2lip"
        )
    return path


class PuppetPerformance(SpeakingPerformance[Floats, "Pose"]):
    """One avatar on its stand, speaking in one session."""

    def __init__(self, stand: Stand, expression: Expression, network: Path | None = None) -> None:
        self._stand = stand
        self._network = network
        super().__init__(expression, LOOKAHEAD_FRAMES)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames in pixels."""
        return self._stand.size

    def _make_timeline(self) -> MouthTimeline:
        return MouthTimeline(self._network)

    def _speak(self, row: Floats, loudness: float, sentence: Sentence) -> Pose:
        return self._expression.speak(
            self._shown, row, loudness, sentence.emotion, sentence.intensity
        )

    def _rest(self) -> Pose:
        return self._expression.idle(self._shown)

    def _draw(self, look: Pose) -> Picture:
        return self._stand.render(self._shown, look)

    def _free(self) -> None:
        self._stand.close()

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

    def still(self) -> Picture:
        """The avatar as it is at rest."""
        return self._stand.still()
