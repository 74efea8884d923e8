"""What the listener says and what follows from it, typed or spoken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from visavis.apps.assemble import clean_text
from visavis.apps.server.sessions.narrator import Narrator
from visavis.apps.settings import Settings
from visavis.core.errors import Error
from visavis.core.protocols import Attentive, Performance
from visavis.core.types import Language, Transcript, Waveform, replace
from visavis.pipeline.conversation import Conversation
from visavis.pipeline.hearing import FaceNow
from visavis.pipeline.playout import Playout

MENDABLE = 2.5
"""Seconds after the end of a question within which speech that follows is taken for its rest."""


class Dialogue:
    """Begins turns and breaks them off: conversation, stream and what is told stay in step.

    Args:
        conversation: Answers.
        playout: Sends.
        narrator: Tells.
        settings: Longest texts.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        conversation: Conversation,
        playout: Playout,
        narrator: Narrator,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        self._conversation = conversation
        self._playout = playout
        self._narrator = narrator
        self._settings = settings
        self._clock = clock
        self._unanswered: Transcript | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.language: Language | None = None
        """Of the question that was heard last."""
        self.on_sound: Callable[[int, Waveform], None] | None = None
        """Told the turn and the sound of every spoken question."""

    def break_off(self) -> None:
        """Silence the face at once; what it would have said is dropped."""
        self._playout.release()
        turn = self._narrator.turn
        if turn is None:
            return
        since = self._clock()
        cut = self._playout.cut()
        self._conversation.cut(cut.picture, self._playout.sent(turn.number))
        self._narrator.break_off(since)

    def ask(self, text: str) -> None:
        """Answer a typed question.

        Raises:
            TextUnusable: It is empty or too long.
        """
        question = clean_text(text, self._settings.max_question, "question")
        asked = self._clock()
        self.break_off()
        turn = self._conversation.ask_text(question)
        self._narrator.begin_turn(turn, "text", question, asked)

    def say(self, text: str) -> None:
        """Speak a text as it is.

        Raises:
            TextUnusable: It is empty or too long.
        """
        script = clean_text(text, self._settings.max_characters)
        asked = self._clock()
        self.break_off()
        turn = self._conversation.say(script)
        self._narrator.begin_turn(turn, "script", script, asked)

    def greet(self, text: str) -> None:
        """Speak a persona's greeting, which answers no question."""
        asked = self._clock()
        self.break_off()
        turn = self._conversation.say(text)
        self._narrator.begin_turn(turn, "greeting", "", asked)

    def forget(self) -> None:
        """Break off what is under way; what was said so far means nothing to what follows."""
        self.break_off()
        self._unanswered = None
        self._conversation.forget()

    def on_hush(self, hushed: bool) -> None:
        """Somebody may speak while the face does, or it was nothing."""
        if hushed:
            self._playout.hold()
        else:
            self._playout.release()

    def on_barge_in(self) -> None:
        """The user speaks while the face does, or before it began."""
        turn = self._narrator.turn
        self._unanswered = None
        thinking = turn is not None and self._narrator.state == "thinking"
        recent = self._clock() - self._narrator.asked < MENDABLE
        if turn is not None and turn.transcripts and thinking and recent:
            self._unanswered = turn.transcripts[-1]
        self.break_off()

    def on_listening(self, listening: bool) -> None:
        """The user begins or ends to speak."""
        self._narrator.set_listening(listening)
        self._launch(self._attend(listening))

    async def _attend(self, listening: bool) -> None:
        def attend(performance: Performance) -> None:
            if isinstance(performance, Attentive):
                performance.attend(listening)

        with suppress(Error):  # a face that cannot is told of with its next picture
            await self._conversation.on_face(attend)

    def on_partial(self, text: str, language: Language | None) -> None:
        """What was understood so far."""
        self._narrator.tell_partial(text, language)

    def on_question(
        self, question: Transcript, ended: float, sound: Waveform | None = None
    ) -> None:
        """What was understood, when it ended, and how it sounded."""
        before, self._unanswered = self._unanswered, None
        if before is not None and before.language == question.language:
            # The user went on speaking after a pause that was taken for the end.
            question = _join(before.text, question)
        self.break_off()
        try:
            turn = self._conversation.ask_heard(question, sound)
        except Error as error:
            self._narrator.tell_failure(error)
            return
        self._narrator.begin_turn(turn, "audio", "", ended)
        self._narrator.tell_final(turn.number, question)
        if question.language is not None:
            self.language = question.language
        if sound is not None and self.on_sound is not None:
            self.on_sound(turn.number, sound)

    def on_nothing(self, error: Exception) -> None:
        """A turn was heard and no words were understood, or a model failed."""
        self._narrator.tell_failure(error)

    def face_now(self) -> FaceNow:
        """What the face does, for telling its echo from the user."""
        turn = self._narrator.turn
        return FaceNow(turn is not None, self._playout.speaking > 0, self._narrator.words)

    def _launch(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what is under way on the face's thread."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _join(before: str, question: Transcript) -> Transcript:
    space = " " if before[-1:].isascii() else ""
    return replace(question, text=f"{before.rstrip('。.!！?？')}{space}{question.text}")
