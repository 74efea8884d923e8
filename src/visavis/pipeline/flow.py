"""What the stages do within one turn: listen, answer, write, speak, perform.

Each stage works on its own thread; between two of them is a bounded queue.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from visavis.core.errors import StageError, TextUnusable
from visavis.core.language import detect_language
from visavis.core.protocols import (
    Overhearing,
    Performance,
    Recognizer,
    Responder,
    Synthesizer,
)
from visavis.core.types import (
    FPS,
    Emotion,
    Language,
    Message,
    Segment,
    Sentence,
    Speech,
    Waveform,
)
from visavis.pipeline import events
from visavis.pipeline.bridge import Worker
from visavis.pipeline.delivery import deliver_sentence
from visavis.pipeline.face import Face
from visavis.pipeline.manner import Limits, Manner
from visavis.pipeline.outbox import Outbox
from visavis.pipeline.pace import Pace, is_complete
from visavis.pipeline.relay import Relay
from visavis.pipeline.sentences import SentenceSplitter
from visavis.pipeline.sources import Overheard, open_reply
from visavis.pipeline.turn import Turn, join_heard

logger = logging.getLogger(__name__)

T = TypeVar("T")


class StageFailure(Exception):
    """Carries which stage failed out of a task group."""

    def __init__(self, stage: events.StageName, error: Exception) -> None:
        super().__init__(str(error))
        self.stage: events.StageName = stage
        self.error = error


@dataclass(frozen=True, slots=True)
class Stages:
    """What a conversation is made of; None where it is not needed."""

    face: Face
    synthesizer: Synthesizer | None = None
    responder: Responder | None = None
    recognizer: Recognizer | None = None


@dataclass(slots=True)
class _Timing:
    frames: int = 0
    busy: float = 0.0


class Flow:
    """Runs the stages for one turn after another; its methods are cancelled to break a turn off.

    Args:
        stages: The stages.
        manner: Voices, emotion, default language.
        limits: Bounds of the queues.
        outbox: Where segments go.
        publish: Tells the observers.
        clock: Monotonic seconds.
        is_current: Whether a turn number is still the one that counts.
        pace: Where somebody hears the answer while it is made; None where nobody does: nothing is
            then held back, cut short or left out.
    """

    def __init__(
        self,
        stages: Stages,
        manner: Manner,
        limits: Limits,
        outbox: Outbox,
        publish: Callable[[events.Event], None],
        clock: Callable[[], float],
        is_current: Callable[[int], bool],
        pace: Pace | None = None,
    ) -> None:
        self._pace = pace
        self._stages = stages
        self.face = stages.face
        self.manner = manner
        self._limits = limits
        self._outbox = outbox
        self._publish = publish
        self._clock = clock
        self._is_current = is_current
        self._workers: dict[events.StageName, Worker] = {
            "recognizer": Worker("recognizer"),  # the sound that it waits for may take any time
            "responder": Worker("responder", limits.answer_seconds),
            "synthesizer": Worker("synthesizer", limits.step_seconds),
        }

    def give_up(self) -> None:
        """Wait no longer for stages that are at work: the conversation ends."""
        for worker in self._workers.values():
            worker.give_up()
        self.face.give_up()

    async def close(self) -> None:
        """Close the performance and end the threads."""
        ends = [worker.close() for worker in self._workers.values()]
        found = await asyncio.gather(self.face.close(), *ends, return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException):
                raise error

    async def listen(self, turn: Turn, sound: AsyncIterator[Waveform]) -> Waveform | None:
        """Understand a question into ``turn.question``; its sound comes back for who overhears it."""
        if self._stages.recognizer is None:
            raise StageFailure("recognizer", StageError("this conversation has no recogniser"))
        worker, recognizer = self._workers["recognizer"], self._stages.recognizer
        heard = Overheard(sound) if isinstance(self._stages.responder, Overhearing) else None
        lent = worker.lend(heard or sound)
        relay = self._open("recognizer", lambda: recognizer.transcribe(lent))
        heard_any = False
        try:
            async for transcript in relay:
                if not heard_any:
                    self._mark_first(turn, "recognizer")
                    heard_any = True
                if transcript.is_final and transcript.text.strip():
                    turn.transcripts.append(transcript)
                self._publish(events.Heard(turn.number, self._clock(), transcript))
        except Exception as error:
            raise StageFailure("recognizer", error) from error
        finally:
            relay.stop()
            self._mark(turn, "recognizer", "total", relay.busy)
        turn.question = join_heard([t.text for t in turn.transcripts])
        if not turn.question:
            nothing = TextUnusable("no words were understood in the question; say it again, closer")
            raise StageFailure("recognizer", nothing)
        return heard.end if heard is not None else None

    async def answer(
        self, turn: Turn, history: Sequence[Message], sound: Waveform | None = None
    ) -> None:
        """Find the answer to a dialogue and speak it; ``sound`` is that of the question."""
        if self._stages.responder is None:
            raise StageFailure("responder", StageError("this conversation has no responder"))
        responder = self._stages.responder
        relay = self._open(
            "responder",
            lambda: open_reply(responder, history, sound),
            limit=self._limits.text_pieces,
        )
        await self.speak(turn, relay)

    def _open(
        self,
        stage: events.StageName,
        make: Callable[[], Iterator[T] | AsyncIterator[T]],
        *,
        limit: int = 2,
    ) -> Relay[T]:
        try:
            return self._workers[stage].iterate(make, limit=limit)
        except StageError as error:
            raise StageFailure(stage, error) from error

    async def speak(self, turn: Turn, pieces: AsyncIterator[str]) -> None:
        """Speak text as it comes: writing, voice and face work at once."""
        sentences: asyncio.Queue[Sentence | None] = asyncio.Queue(self._limits.sentences)
        speeches: asyncio.Queue[Speech | None] = asyncio.Queue(self._limits.speeches)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write(turn, pieces, sentences))
            group.create_task(self._voice(turn, sentences, speeches))
            group.create_task(self._animate(turn, speeches))

    async def _write(
        self, turn: Turn, pieces: AsyncIterator[str], out: asyncio.Queue[Sentence | None]
    ) -> None:
        """Cut text into sentences as it comes."""
        splitter, count = SentenceSplitter(), 0
        own: Emotion | None = None
        language = detect_language(turn.question, self._language_of(turn))

        async def send(texts: Iterable[str]) -> None:
            nonlocal count
            for text in texts:
                plain = Sentence(turn.number, count, text, detect_language(text, language))
                sentence = deliver_sentence(plain, self._stages.responder, self.manner, own)
                if count == 0 and isinstance(pieces, Relay):
                    self._mark_first(turn, "responder")
                count += 1
                self._publish(events.SentenceReady(turn.number, self._clock(), sentence))
                await out.put(sentence)

        try:
            async for piece in pieces:
                turn.answer += piece
                self._publish(events.AnswerText(turn.number, self._clock(), piece))
                if (felt := getattr(piece, "emotion", None)) != own:
                    await send(splitter.flush())  # what is said otherwise is another sentence
                    own = felt
                await send(splitter.feed(piece))
            await send(splitter.flush())
        except Exception as error:
            raise StageFailure("responder", error) from error
        finally:
            if isinstance(pieces, Relay):
                pieces.stop()
                self._mark(turn, "responder", "total", pieces.busy)
            elif hasattr(pieces, "aclose"):
                await pieces.aclose()
        await out.put(None)

    async def _voice(
        self,
        turn: Turn,
        sentences: asyncio.Queue[Sentence | None],
        out: asyncio.Queue[Speech | None],
    ) -> None:
        """Give the sentences to the voice; one that cannot be spoken (an emoji, say) is left out."""
        synthesizer = self._stages.synthesizer
        if synthesizer is None:
            raise StageFailure("synthesizer", StageError("this conversation has no voice"))
        spoken, busy, unusable = 0, 0.0, TextUnusable("there is nothing in the text to speak")
        while (sentence := await sentences.get()) is not None:
            relay, worked = self._open_speech(synthesizer, sentence), 0.0
            try:
                async for speech in relay:
                    if self._pace is not None:
                        self._pace.note_spoken(speech, relay.busy - worked)
                        worked = relay.busy
                    if spoken == 0:
                        self._mark_first(turn, "synthesizer")
                    spoken += 1
                    self._publish(events.SpeechReady(turn.number, self._clock(), speech))
                    await out.put(speech)
            except TextUnusable as error:
                logger.info("sentence %d is left out: %s", sentence.index, error)
                unusable = error
            except Exception as error:
                raise StageFailure("synthesizer", error) from error
            finally:
                relay.stop()
                busy += relay.busy
        self._mark(turn, "synthesizer", "total", busy)
        if spoken == 0:
            raise StageFailure("synthesizer", unusable)
        await out.put(None)

    def _open_speech(self, synthesizer: Synthesizer, sentence: Sentence) -> Relay[Speech]:
        voice = self.manner.voice.get(sentence.language, "")
        return self._open("synthesizer", lambda: synthesizer.speak(sentence, voice))

    async def _animate(self, turn: Turn, speeches: asyncio.Queue[Speech | None]) -> None:
        """Give the sound to the face and hand on what comes out."""
        timing = _Timing()
        if self._pace is not None:
            self._pace.begin(turn.number)
        held = await self._gather(speeches)
        while (speech := held.pop(0) if held else await speeches.get()) is not None:
            await self._feed(turn, speech, timing)
            if self._pace is not None and not held and speeches.empty() and is_complete(speech):
                # What follows is late: this must not be left hanging in its last word.
                await self._show(turn, lambda performance: performance.flush(), timing)
        await self._show(turn, lambda performance: performance.flush(), timing)
        self._mark(turn, "animator", "total", timing.busy)
        self._mark(turn, "animator", "made", timing.frames / FPS)

    async def _gather(self, speeches: asyncio.Queue[Speech | None]) -> list[Speech | None]:
        """Take the first pieces, as many as must be there so that no hole follows them."""
        first = await speeches.get()
        held: list[Speech | None] = [first]
        if self._pace is None or first is None:
            return held
        lookahead = self.face.lookahead
        spoken, began = [first], self._clock()
        while (wait := self._pace.wait_before(spoken, lookahead, self._clock() - began)) > 0:
            try:
                async with asyncio.timeout(wait):
                    following = await speeches.get()
            except TimeoutError:
                break
            held.append(following)
            if following is None:
                break
            spoken.append(following)
        return held

    async def perform(self, turn: Turn, speech: Iterator[Speech]) -> None:
        """Animate sound that exists already."""
        speeches: asyncio.Queue[Speech | None] = asyncio.Queue(1)

        async def read() -> None:
            relay = self._open("synthesizer", lambda: speech)
            try:
                async for piece in relay:
                    sentence = replace(piece.sentence, turn=turn.number)
                    await speeches.put(replace(piece, turn=turn.number, sentence=sentence))
            except Exception as error:
                raise StageFailure("synthesizer", error) from error
            finally:
                relay.stop()
            await speeches.put(None)

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            group.create_task(self._animate(turn, speeches))

    async def _feed(self, turn: Turn, speech: Speech, timing: _Timing) -> None:
        turn.note_speech(speech)
        await self._show(turn, lambda performance: performance.feed(speech), timing)

    async def _show(
        self, turn: Turn, make: Callable[[Performance], Iterator[Segment]], timing: _Timing
    ) -> None:
        relay = self.face.show(make, self._limits.segments)
        try:
            async for segment in relay:
                if not self._is_current(segment.turn):
                    continue
                if timing.frames == 0:
                    self._mark_first(turn, "animator")
                timing.frames += len(segment.frames)
                self._publish(events.SegmentReady(turn.number, self._clock(), segment))
                await self._outbox.put(segment)
        except Exception as error:
            raise StageFailure("animator", error) from error
        finally:
            # Waited for, unlike the others: reset must not come before the iterator is closed.
            await self.face.calm(relay)
            timing.busy += relay.busy

    def _language_of(self, turn: Turn) -> Language:
        heard = [t.language for t in turn.transcripts if t.language is not None]
        return heard[0] if heard else self.manner.language

    def _mark_first(self, turn: Turn, stage: events.StageName) -> None:
        self._mark(turn, stage, "first", self._clock() - turn.began)

    def _mark(
        self,
        turn: Turn,
        stage: events.StageName,
        mark: Literal["first", "total", "made"],
        seconds: float,
    ) -> None:
        self._publish(events.Latency(turn.number, self._clock(), stage, mark, seconds))
