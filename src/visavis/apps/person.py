"""The same as the commands, for a Python program: somebody who answers and speaks into videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.apps.assemble import Cast, clean_text
from visavis.apps.cli import limit_threads

if TYPE_CHECKING:
    from visavis.apps.assemble import Pose
    from visavis.core.types import Emotion


def _ignore(seconds: float) -> None:
    """Take progress and show nothing."""


class Person:
    """An avatar with a voice and a mind. Networks are loaded once, when they are first needed.

    Args:
        avatar: A stored avatar, an .avatar file, a picture or a video; empty for the default.
        voice: Such as ``zf_xiaoxiao``; empty for the avatar's own in each language.
        emotion: Of everything that is said, or None to let the answer decide.
        intensity: Of the emotion, 0..1.
        pose: How much the head moves of itself.
    """

    def __init__(
        self,
        avatar: str = "",
        voice: str = "",
        *,
        emotion: Emotion | None = None,
        intensity: float | None = None,
        pose: Pose = "natural",
    ) -> None:
        limit_threads()
        self._cast = Cast(
            avatar=avatar, voice=voice, emotion=emotion, intensity=intensity, pose=pose
        )

    def answer(
        self, output: str | Path, question: str = "", *, audio: str | Path | None = None
    ) -> dict[str, Any]:
        """Answer a written question, or a recorded one, into an MP4 with subtitles beside it.

        Returns:
            ``question``, ``answer``, ``source``, ``video``, ``subtitles``, ``timings`` and more.

        Raises:
            Error: As drawn in ``visavis.core.errors``.
        """
        from visavis.apps.answering import answer
        from visavis.apps.recording import run

        if audio is not None:
            return run(answer(self._cast, Path(output), None, Path(audio)))
        asked = clean_text(question, self._cast.settings.max_question, "question")
        return run(answer(self._cast, Path(output), asked))

    def say(self, output: str | Path, text: str) -> dict[str, Any]:
        """Speak a text into an MP4 with subtitles beside it. Returns and raises as ``answer``."""
        from visavis.apps.recording import run
        from visavis.apps.rendering import render_text

        words = clean_text(text, self._cast.settings.max_characters)
        return run(render_text(self._cast, words, Path(output), True, _ignore))

    def mouth(self, output: str | Path, audio: str | Path) -> dict[str, Any]:
        """Move the lips to a recording. Returns and raises as ``answer``."""
        from visavis.apps.recording import run
        from visavis.apps.rendering import render_audio

        return run(render_audio(self._cast, Path(audio), Path(output), False, _ignore))

    def follow(self, output: str | Path, video: str | Path) -> dict[str, Any]:
        """Do what the face in a video does, with its sound. Returns and raises as ``answer``."""
        from visavis.apps.recording import run
        from visavis.apps.rendering import render_drive

        return run(render_drive(self._cast, Path(video), Path(output), _ignore))
