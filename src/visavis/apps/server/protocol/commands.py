"""What a page tells the server, one JSON object a command, over the events WebSocket or data channel."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from visavis.apps.server.protocol.events import Microphone
from visavis.core.types import Emotion, Language


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ask(_Command):
    """Ask a typed question; what is being said is broken off."""

    type: Literal["ask"] = "ask"
    text: str = Field(min_length=1, max_length=100_000)


class Say(_Command):
    """Let the face say a text as it is."""

    type: Literal["say"] = "say"
    text: str = Field(min_length=1, max_length=100_000)


class Greet(_Command):
    """Somebody is there and can hear: the persona may greet.

    It does so once in a session, in the session's language, and not where something was asked before
    or no persona is set.
    """

    type: Literal["greet"] = "greet"


class Interrupt(_Command):
    """Stop: silence at once."""

    type: Literal["interrupt"] = "interrupt"


class Talk(_Command):
    """Press or release the push-to-talk button."""

    type: Literal["talk"] = "talk"
    pressed: bool


class SetMicrophone(_Command):
    """Choose how the microphone is used."""

    type: Literal["microphone"] = "microphone"
    mode: Microphone


class Change(_Command):
    """Set what is given, leave the rest."""

    type: Literal["change"] = "change"
    avatar: str | None = None
    voice: str | None = Field(
        None, description="For the languages that it speaks; empty: the avatar's own."
    )
    language: Language | Literal["auto"] | None = None
    emotion: Emotion | Literal["auto"] | None = None


class Playback(_Command):
    """How far the page's player got: the dialogue keeps only what was heard.

    Sent about once a second while something is said, and at once after an interruption.
    """

    type: Literal["playback"] = "playback"
    at: float = Field(ge=0, description="Seconds on the stream clock that were played.")


class Ping(_Command):
    """Ask for a ``pong``."""

    type: Literal["ping"] = "ping"
    sent: float


class Forget(_Command):
    """Clear the history: what was said so far means nothing to later answers, nor does its mood.

    What is being said is broken off. Records that the operator keeps are not touched.
    """

    type: Literal["forget"] = "forget"


class Feedback(_Command):
    """What the user thinks of an answer."""

    type: Literal["feedback"] = "feedback"
    turn: int = Field(ge=1)
    rating: Literal["up", "down"]
    comment: str = Field("", max_length=2_000)


class Leave(_Command):
    """End the session now."""

    type: Literal["leave"] = "leave"


Command: TypeAlias = (
    Ask
    | Say
    | Greet
    | Interrupt
    | Talk
    | SetMicrophone
    | Change
    | Playback
    | Ping
    | Forget
    | Feedback
    | Leave
)

COMMAND: TypeAdapter[Command] = TypeAdapter(
    Annotated[Command, Field(discriminator="type", title="Command")]
)
"""Reads and describes any command."""
