"""What is noted of one session while it lives, from its events to the records of its turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from visavis.apps.server.protocol import ServerEvent, events
from visavis.apps.server.store.records import (
    UNANSWERED,
    Mark,
    Outcome,
    SessionRecord,
    TurnRecord,
)
from visavis.apps.server.store.redaction import LONGEST, redact
from visavis.apps.server.store.similar import fold
from visavis.core.types import Language

SETTLE = 2.0
"""Seconds after its end in which figures of a turn may still come, such as the one of silence; the turn
is written down at once, and again with them."""
OPEN_TURNS = 8
"""Turns of one session that are noted at once."""
_LONGEST_TITLE = 500


@dataclass(slots=True)
class _Turn:
    """A turn while it lasts; the question is in memory only, whatever may be kept of it."""

    number: int
    time: float
    kind: Literal["text", "audio", "script"]
    question: str
    outcome: Outcome = ""
    confidence: float | None = None
    matched: str = ""
    source: str = ""
    language: Language | Literal[""] = ""
    latencies: dict[Mark, float] = field(default_factory=dict)
    written: int = 0
    answer: str = ""
    ended: Literal["", "complete", "interrupted", "failed"] = ""
    heard: str = ""
    settled: float | None = None
    sound: float | None = None
    is_written: bool = False


class SessionNote:
    """Follows one session; calling what is in ``leave`` stops it."""

    def __init__(self, record: SessionRecord, policy: Literal["none", "unanswered", "all"]) -> None:
        self.record = record
        self.leave: tuple[Callable[[], None], ...] = ()
        self._policy = policy
        self._turns: dict[int, _Turn] = {}
        self._asked = 0

    @property
    def is_due(self) -> bool:
        """Whether there is something to write down."""
        return len(self._turns) > OPEN_TURNS or any(map(_is_due, self._turns.values()))

    def take(self, event: ServerEvent) -> None:
        """Note an event."""
        if isinstance(event, events.TurnStarted):
            if event.kind == "greeting":
                return  # nobody asked
            self._asked += event.kind != "script"
            self._turns[event.turn] = _Turn(event.turn, time.time(), event.kind, event.text)
            return
        if isinstance(event, events.SessionChanged):
            self.record = replace(self.record, avatar=event.avatar)
            return
        turn = self._turns.get(event.turn)
        if turn is None:
            return
        match event:
            case events.TranscriptFinal():
                turn.question = event.text
                turn.language = event.language or turn.language
            case events.AnswerText():
                turn.written += len(fold(event.text))
                if self._policy == "all" and turn.kind != "script" and len(turn.answer) < LONGEST:
                    turn.answer += event.text
            case events.AnswerSources():
                turn.outcome = event.outcome
                turn.confidence = event.confidence
                best = event.sources[0] if event.sources else None
                likely = event.candidates[0] if event.candidates else ""
                turn.matched = ((best.question if best else "") or likely)[:_LONGEST_TITLE]
                turn.source = (best.title if best else "")[:_LONGEST_TITLE]
            case events.SentenceStarted():
                turn.language = turn.language or event.language
            case events.LatencyMark():
                turn.latencies[event.mark] = event.seconds
                turn.is_written = False
            case events.TurnEnded():
                turn.ended, turn.heard = event.reason, event.heard
                turn.settled = time.monotonic() + SETTLE
            case _:
                pass

    def settle(self, *, everything: bool = False) -> list[TurnRecord]:
        """Give what is to be written down: turns that ended, or of which more became known since.

        Turns are forgotten when no more is expected of them, or of too many.
        """
        now = time.monotonic()
        turns = list(self._turns.values())
        crowd = len(turns) - OPEN_TURNS
        due = []
        for number, turn in enumerate(turns):
            is_over = everything or number < crowd
            if _is_due(turn) or (is_over and not turn.is_written):
                due.append(turn)
                turn.is_written = True
                if not self.record.language:
                    self.record = replace(self.record, language=turn.language)
            if is_over or (turn.settled or now + 1) <= now:
                del self._turns[turn.number]
        return [self._write_down(turn) for turn in due]

    def note_sound(self, number: int, seconds: float) -> bool:
        """Note that sound of a question is kept. False if the turn is over and written down."""
        turn = self._turns.get(number)
        if turn is None:
            return False
        turn.sound, turn.is_written = seconds, False
        return True

    def summary(self) -> SessionRecord:
        """The session as far as it is known."""
        return replace(self.record, turns=self._asked)

    def _write_down(self, turn: _Turn) -> TurnRecord:
        keep = self._policy == "all" or (
            self._policy == "unanswered" and turn.outcome in UNANSWERED
        )
        question, redacted = None, False
        if keep and turn.kind != "script" and turn.question.strip():
            question, redacted = redact(turn.question)
        return TurnRecord(
            session=self.record.id,
            number=turn.number,
            time=turn.time,
            kind=turn.kind,
            question=question,
            redacted=redacted,
            outcome=turn.outcome,
            confidence=turn.confidence,
            matched=turn.matched,
            source=turn.source,
            language=turn.language,
            latencies=dict(turn.latencies),
            ended=turn.ended,
            heard=_share(turn),
            answer=redact(turn.answer)[0] if turn.answer.strip() else None,
            sound=turn.sound,
        )


def _is_due(turn: _Turn) -> bool:
    return bool(turn.ended) and not turn.is_written


def _share(turn: _Turn) -> float | None:
    """Give the share of the answer that was heard; None where there was none to hear."""
    if not turn.written or not turn.ended:
        return None
    if turn.ended == "complete":
        return 1.0
    return min(1.0, len(fold(turn.heard)) / turn.written)
