"""What is kept, as it goes in and comes out. Times are Unix seconds (UTC)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from visavis.core.types import Language

Mark: TypeAlias = Literal[
    "first_sound", "first_picture", "silence", "recognizer", "responder", "synthesizer", "animator"
]
MARKS: tuple[Mark, ...] = (
    "first_sound",
    "first_picture",
    "silence",
    "recognizer",
    "responder",
    "synthesizer",
    "animator",
)
"""Latencies that a turn may have; the same as of the protocol's ``latency`` event."""

Outcome: TypeAlias = Literal["", "answer", "choice", "hint", "refusal"]
"""Empty: the responder did not say, or never came to answer."""
UNANSWERED: tuple[Outcome, ...] = ("hint", "refusal")
"""Outcomes that tell of a gap in the knowledge base."""

Rating: TypeAlias = Literal["up", "down"]
JobState: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]
FINISHED: tuple[JobState, ...] = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session, with nothing in it that tells who it was.

    Attributes:
        ended: When; None while it lives.
        reason: Why it ended, as in ``session.ended``; ``lost`` where the server died before.
        transport: ``webrtc``, ``mse``, ``whep`` or empty.
        turns: How many questions were accepted.
        frames: How many left the server; ``late`` of them after their moment.
    """

    id: str
    created: float
    avatar: str = ""
    language: str = ""
    transport: str = ""
    ended: float | None = None
    reason: str = ""
    turns: int = 0
    frames: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """A question and how it went.

    Attributes:
        number: Of the turn in its session, from 1.
        time: When it began.
        question: What was asked, with figures blotted out; None where the policy forbids to keep
            it.
        answer: What was answered, as far as it was written, with figures blotted out; None where
            the policy forbids to keep it.
        redacted: Whether something was blotted out of the question.
        outcome: What the responder made of it.
        confidence: Of the responder, 0..1; None where it did not say.
        matched: The stored question that was matched.
        source: Title of where the answer comes from.
        latencies: Seconds by mark.
        ended: How the turn ended; empty where its end was not seen.
        heard: Share of the answer that reached the listener, 0..1.
        sound: Seconds of the question's sound that are kept; None where none are.
    """

    session: str
    number: int
    time: float
    kind: Literal["text", "audio", "script"] = "text"
    question: str | None = None
    redacted: bool = False
    outcome: Outcome = ""
    confidence: float | None = None
    matched: str = ""
    source: str = ""
    language: Language | Literal[""] = ""
    latencies: Mapping[Mark, float] = field(default_factory=dict)
    ended: Literal["", "complete", "interrupted", "failed"] = ""
    heard: float | None = None
    answer: str | None = None
    sound: float | None = None


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """What a user thought of an answer; a later one for the same turn replaces it.

    Attributes:
        comment: With figures blotted out.
    """

    session: str
    turn: int
    rating: Rating
    time: float
    comment: str = ""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A render that was ordered.

    Attributes:
        request: What was ordered; JSON.
        progress: 0..1.
        error: What went wrong, for the user; empty if nothing.
        result: What came out; JSON, None until it is done.
        expires: When its files are deleted; None while it is not finished.
        owner: Data folder that its files lie in; set by the store.
    """

    id: str
    kind: str
    request: Mapping[str, Any]
    created: float
    updated: float
    state: JobState = "queued"
    progress: float = 0.0
    error: str = ""
    result: Mapping[str, Any] | None = None
    expires: float | None = None
    owner: str = ""


Item: TypeAlias = SessionRecord | TurnRecord | FeedbackRecord
"""What the recorder writes in batches."""
