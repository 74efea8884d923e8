"""How a session is set: who is played, in which language and mood, and how it is heard."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from visavis.apps.server.protocol import commands
from visavis.apps.server.protocol.events import Microphone
from visavis.apps.server.sessions.ears import ModelEars
from visavis.apps.server.sessions.opening import Part, open_face
from visavis.core.protocols import Recognizer
from visavis.core.types import Emotion, Language
from visavis.pipeline.hearing import Ears
from visavis.pipeline.manner import Manner

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast


@dataclass(frozen=True, slots=True)
class Setup:
    """What a listener can choose of a session.

    Attributes:
        cast: Stages, shared by all sessions, and what was asked of them here.
        part: Who is played.
        language: Of what is said and heard; ``auto`` for what the listener speaks.
        microphone: How it is used.
    """

    cast: Cast
    part: Part
    language: Language | Literal["auto"]
    microphone: Microphone

    async def revise(self, command: commands.Change, patience: float | None = None) -> Setup:
        """Make what a command asks for; a face of another avatar is opened.

        Args:
            command: What shall change.
            patience: Seconds that a face may take to open; None to wait for ever.

        Raises:
            StageError: It took longer.
            Error: The avatar or the voice is unknown or cannot be used.
        """
        cast = replace(
            self.cast,
            avatar=self.cast.avatar if command.avatar is None else command.avatar,
            voice=self.cast.voice if command.voice is None else command.voice,
            emotion=_emotion_of(command.emotion, self.cast.emotion),
        )
        if command.avatar is not None and command.avatar != self.part.name:
            part = await open_face(cast, patience)
        else:
            part = replace(self.part, voices=cast.choose_voices(self.part.avatar))
        return replace(self, cast=cast, part=part, language=command.language or self.language)

    def describe(self) -> dict[str, Any]:
        """Tell it as ``session.changed`` does."""
        return {
            "avatar": self.part.name,
            "voices": dict(self.part.voices),
            "language": self.language,
            "emotion": self.cast.emotion or "auto",
            "microphone": self.microphone,
        }

    def make_manner(self) -> Manner:
        """Say how the conversation shall speak."""
        settings = self.cast.settings
        return Manner(
            self.part.voices,
            settings.language if self.language == "auto" else self.language,
            self.cast.emotion or settings.emotion,
            self.cast.strength,
        )

    def make_ears(self, heard: Language | None) -> Ears:
        """Make what finds the turns in the sound.

        Args:
            heard: Language of the question that was heard last.
        """
        guess = heard or self.cast.settings.language
        return ModelEars(self.language, guess if self.language == "auto" else self.language)

    def make_recognizer(self) -> Recognizer:
        """Make what understands a question."""
        if self.language == "auto":
            return self.cast.recognizer
        return self.cast.make_recognizer(self.language, respell=self.cast.respell)


def _emotion_of(wanted: Emotion | Literal["auto"] | None, before: Emotion | None) -> Emotion | None:
    if wanted is None:
        return before
    return None if wanted == "auto" else wanted
