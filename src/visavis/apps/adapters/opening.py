"""Which face an adapter shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from visavis.apps.assemble import Cast, Pose
from visavis.apps.settings import load_settings
from visavis.core.protocols import Performance
from visavis.core.types import Emotion


@dataclass(frozen=True, slots=True)
class Look:
    """A face, by the names that the command line uses too; what is not said comes from VISAVIS_….

    Attributes:
        avatar: Name of a stored one, or a picture or video; empty for the default.
        size: Shorter side of the frames in pixels, 128 to 2160, or None for the setting.
        emotion: Shown while speaking, or None for the setting.
        intensity: Of it, 0..1, or None for the setting.
        pose: How much the head moves of itself.
    """

    avatar: str = ""
    size: int | None = None
    emotion: Emotion | None = None
    intensity: float | None = None
    pose: Pose = "natural"

    def perform(self) -> Performance:
        """Load the avatar and open its face; this computes for a second or so.

        Raises:
            Error: The avatar is not known or its weights are missing.
        """
        settings = load_settings()
        if self.size is not None:
            settings = replace(settings, size=self.size)
        cast = Cast(
            settings,
            avatar=self.avatar,
            emotion=self.emotion,
            intensity=self.intensity,
            pose=self.pose,
        )
        return cast.open_performance(cast.load_avatar())


MakePerformance = Callable[[], Performance]
"""Makes a performance; ``Look(…).perform`` is one."""
