"""What the server tells a page, one JSON object an event.

They travel over the events WebSocket and, with WebRTC, over the data channel ``events`` as well.
Every time ``at``, ``start`` and ``end`` is in seconds on the session's stream clock: frame number
divided by 25, counted from the first frame that the session sent, and the same for sound and
picture. Events are sent when their moment leaves the server; a page shows them when its player
gets there.

A field may be added within a version; taking one away or changing its meaning raises it.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from visavis.core.types import Emotion, Language

VERSION: Literal[1] = 1

State: TypeAlias = Literal["idle", "listening", "thinking", "speaking"]
"""Idle: nobody speaks. Listening: the user speaks. Thinking: the answer is being made. Speaking."""
Microphone: TypeAlias = Literal["off", "push", "open"]
"""Off: nothing is heard. Push: heard while a button is held. Open: the server finds the turns."""
EndReason: TypeAlias = Literal["left", "idle", "limit", "vanished", "closed", "failed"]
"""Why a session ended: the user left, did nothing for long, used up its time, vanished without a
word, the server was shut down, or a stage could not be revived."""


_SENT = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)
"""A field with a default is always sent too, and the schema says so."""


class _Event(BaseModel):
    model_config = _SENT

    v: Literal[1] = VERSION
    seq: int = Field(
        0, ge=0, description="Rises by one with each event of a session; a gap is a loss."
    )
    at: float = Field(0.0, ge=0, description="Seconds on the stream clock.")
    turn: int = Field(0, ge=0, description="Turn that it belongs to; 0 for none.")


class Persona(BaseModel):
    """Who answers, where the server was given a persona."""

    model_config = _SENT

    name: dict[Language, str] = Field(description="What people call it, in each language.")
    greeting: dict[Language, str] = Field(
        default_factory=dict, description="What it says after `greet`; may lack a language."
    )


class SessionStarted(_Event):
    """First event on every connection; after a reconnection it comes again."""

    type: Literal["session.started"] = "session.started"
    session: str
    avatar: str
    voices: dict[Language, str]
    language: Language | Literal["auto"]
    emotion: Emotion | Literal["auto"]
    microphone: Microphone
    state: State
    width: int
    height: int
    fps: int
    sample_rate: int
    idle_limit: float = Field(description="Seconds without a word after which the session ends.")
    persona: Persona | None = Field(None, description="Who answers; null where nobody is named.")


class SessionState(_Event):
    """What the face is doing; sent when it changes."""

    type: Literal["session.state"] = "session.state"
    state: State


class SessionChanged(_Event):
    """Avatar, voice, language, emotion or microphone are set otherwise now."""

    type: Literal["session.changed"] = "session.changed"
    avatar: str
    voices: dict[Language, str]
    language: Language | Literal["auto"]
    emotion: Emotion | Literal["auto"]
    microphone: Microphone
    width: int
    height: int


class SessionEnded(_Event):
    """Last event of a session."""

    type: Literal["session.ended"] = "session.ended"
    reason: EndReason
    message: str


class HistoryCleared(_Event):
    """What was said before this is forgotten; a page shows it no longer."""

    type: Literal["history.cleared"] = "history.cleared"


class TurnStarted(_Event):
    """A question was accepted, or something is said without one."""

    type: Literal["turn.started"] = "turn.started"
    kind: Literal["text", "audio", "script", "greeting"] = Field(
        description="Question typed or spoken; text spoken as it is; the persona's greeting."
    )
    text: str = Field("", description="The question, when it was typed.")


class TranscriptPartial(_Event):
    """What was understood so far; each replaces the one before. ``turn`` is 0: none was begun yet."""

    type: Literal["transcript.partial"] = "transcript.partial"
    text: str
    language: Language | None = None


class TranscriptFinal(_Event):
    """What was understood."""

    type: Literal["transcript.final"] = "transcript.final"
    text: str
    language: Language | None = None


class AnswerText(_Event):
    """A piece of the answer as it is written, ahead of the voice; pieces joined are the answer."""

    type: Literal["answer.text"] = "answer.text"
    text: str


class Attachment(BaseModel):
    """What is shown beside an answer and not spoken."""

    model_config = _SENT

    kind: Literal["link", "phone", "office"]
    value: str = Field(description="A web address, a telephone number, or where a place is.")
    label: str = Field("", description="What it is; empty where the value says it.")


class Source(BaseModel):
    """Where an answer comes from."""

    model_config = _SENT

    title: str
    url: str = ""
    question: str = Field("", description="The stored question that was matched.")
    attachments: tuple[Attachment, ...] = Field(
        (), description="What belongs to the answer besides its text."
    )


class AnswerSources(_Event):
    """Where the answer comes from and how sure the responder is."""

    type: Literal["answer.sources"] = "answer.sources"
    outcome: Literal["answer", "choice", "hint", "refusal"]
    confidence: float = Field(ge=0, le=1)
    sources: tuple[Source, ...] = ()
    candidates: tuple[str, ...] = Field((), description="Questions that may be meant, best first.")


class SentenceStarted(_Event):
    """The voice begins a sentence at ``at``."""

    type: Literal["sentence.started"] = "sentence.started"
    index: int
    text: str
    language: Language
    emotion: Emotion
    intensity: float


class TimedText(BaseModel):
    """A word or viseme and when it is said."""

    model_config = _SENT

    text: str
    start: float
    end: float


class SpeechMarks(_Event):
    """Words and visemes that begin within the next stretch of sound; ``index`` is the sentence's.

    Words are as written in the sentence, in order. Visemes are named after the 15 of the
    Oculus/ARKit habit: sil PP FF TH DD kk CH SS nn RR aa E I O U.
    """

    type: Literal["speech.marks"] = "speech.marks"
    index: int
    words: tuple[TimedText, ...] = ()
    visemes: tuple[TimedText, ...] = ()


class TurnEnded(_Event):
    """The answer was said to its end, was interrupted, or failed."""

    type: Literal["turn.ended"] = "turn.ended"
    reason: Literal["complete", "interrupted", "failed"]
    heard: str = Field("", description="What of the answer reached the listener.")


class LatencyMark(_Event):
    """How long something took, for this turn.

    ``first_sound`` and ``first_picture`` count from the end of the user's speech, or from the typed
    question; ``silence`` from an interruption to the last sound sent; ``recognizer``, ``responder``,
    ``synthesizer`` and ``animator`` from the turn's start to the stage's first result.
    """

    type: Literal["latency"] = "latency"
    mark: Literal[
        "first_sound",
        "first_picture",
        "silence",
        "recognizer",
        "responder",
        "synthesizer",
        "animator",
    ]
    seconds: float


class Failure(_Event):
    """Something went wrong; the session goes on unless ``session.ended`` follows."""

    type: Literal["error"] = "error"
    code: str = Field(description="Name of the error in the server's tree, such as TextUnusable.")
    message: str = Field(description="What was found and what to do.")
    retryable: bool = False


class Pong(_Event):
    """Answers a ``ping``."""

    type: Literal["pong"] = "pong"
    sent: float = Field(description="What the ping carried.")


ServerEvent: TypeAlias = (
    SessionStarted
    | SessionState
    | SessionChanged
    | SessionEnded
    | HistoryCleared
    | TurnStarted
    | TranscriptPartial
    | TranscriptFinal
    | AnswerText
    | AnswerSources
    | SentenceStarted
    | SpeechMarks
    | TurnEnded
    | LatencyMark
    | Failure
    | Pong
)

EVENT: TypeAdapter[ServerEvent] = TypeAdapter(
    Annotated[ServerEvent, Field(discriminator="type", title="ServerEvent")]
)
"""Reads and describes any event."""
