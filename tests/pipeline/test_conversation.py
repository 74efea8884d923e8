import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from visavis.core.errors import AudioSilent, StageError, TextUnusable, UnknownVoice
from visavis.core.types import Message, Segment, Sentence, Speech, Waveform
from visavis.pipeline import events
from visavis.pipeline.conversation import Conversation
from visavis.pipeline.manner import Limits, Manner
from visavis.stages import fakes

MANNER = Manner({"zh": "tone_low", "en": "tone_low"})
ANSWER = "Bring your card. 请带身份证。It takes ten days."


def make(
    *,
    answer: str | None = ANSWER,
    synthesizer: fakes.ToneSynthesizer | None = None,
    animator: fakes.PaintingAnimator | None = None,
    responder: fakes.EchoResponder | None = None,
    heard: str = "如何补办身份证?",
    manner: Manner = MANNER,
    limits: Limits | None = None,
) -> Conversation:
    return Conversation(
        (animator or fakes.PaintingAnimator()).open(fakes.make_avatar(size=8)),
        synthesizer or fakes.ToneSynthesizer(),
        responder or fakes.EchoResponder(answer),
        fakes.ScriptedRecognizer(heard),
        manner=manner,
        limits=limits,
    )


def spoken(segments: list[Segment]) -> list[str]:
    texts: list[str] = []
    for segment in segments:
        assert segment.sentence is not None
        if not texts or texts[-1] != segment.sentence.text:
            texts.append(segment.sentence.text)
    return texts


def noise(seconds: float = 1.0) -> Waveform:
    rng = np.random.default_rng(0)
    return Waveform(rng.normal(0, 0.1, round(16_000 * seconds)).astype(np.float32), 16_000)


async def test_a_written_question_is_answered_in_sentences() -> None:
    async with make() as conversation:
        turn = conversation.ask_text("How?")
        segments = [s async for s in conversation.play(turn)]
        assert spoken(segments) == ["Bring your card.", "请带身份证。", "It takes ten days."]
        assert [s.language for s in turn.sentences] == ["en", "zh", "en"]
        assert turn.state == "complete"
        assert turn.answer == ANSWER
        assert {s.turn for s in segments} == {1}
        offsets = [s.audio.offset for s in segments]
        lengths = [len(s.audio.samples) for s in segments]
        assert offsets == [sum(lengths[:i]) for i in range(len(lengths))]
        assert conversation.history == [Message("user", "How?"), Message("assistant", ANSWER)]


async def test_a_spoken_question_goes_through_the_recognizer() -> None:
    async with make(answer=None) as conversation:
        heard: list[events.Event] = []
        conversation.hub.subscribe(heard.append)
        whole = noise()

        async def microphone() -> AsyncIterator[Waveform]:
            for start in range(0, 16_000, 1600):
                await asyncio.sleep(0)
                yield Waveform(whole.samples[start : start + 1600], 16_000, start)

        turn = conversation.ask_audio(microphone())
        segments = [s async for s in conversation.play(turn)]
        assert turn.question == "如何补办身份证?"
        assert spoken(segments) == ["如何补办身份证?"]
        finals = [e.transcript.is_final for e in heard if isinstance(e, events.Heard)]
        assert finals.count(True) == 1
        assert finals[-1]
        assert finals[0] is False


async def test_the_first_sentence_comes_while_the_rest_is_written() -> None:
    responder = fakes.EchoResponder("One. " + "Two and more of it. " * 20, piece=2, delay=0.01)
    async with make(responder=responder) as conversation:
        turn = conversation.ask_text("Count")
        segments = conversation.play(turn)
        await anext(segments)
        assert len(turn.answer) < 100, "the writing is not over when the first segment comes"
        await segments.aclose()  # type: ignore[attr-defined]


async def test_events_tell_the_story_in_order() -> None:
    async with make(answer="One. Two.") as conversation:
        seen: list[events.Event] = []
        conversation.hub.subscribe(seen.append)
        turn = conversation.ask_text("Count")
        async for _ in conversation.play(turn):
            pass
        kinds = [type(e) for e in seen]
        order = [
            events.TurnStarted, events.AnswerText, events.SentenceReady, events.SpeechReady,
            events.SegmentReady, events.TurnEnded,
        ]  # fmt: skip
        assert [kinds.index(k) for k in order] == sorted(kinds.index(k) for k in order)
        assert kinds.count(events.SentenceReady) == 2
        assert kinds.count(events.TurnEnded) == 1
        times = [e.at for e in seen]
        assert times == sorted(times)
        marks = {(e.stage, e.mark) for e in seen if isinstance(e, events.Latency)}
        for stage in ("responder", "synthesizer", "animator"):
            assert {(stage, "first"), (stage, "total")} <= marks
        made = [e.seconds for e in seen if isinstance(e, events.Latency) and e.mark == "made"]
        assert made == [pytest.approx(turn.delivered)]


async def test_a_slow_reader_slows_the_stages_down() -> None:
    limits = Limits(sentences=1, speeches=1, segments=1, frames=10, text_pieces=2)
    answer = "Word word word word. " * 60
    async with make(answer=answer, limits=limits) as conversation:
        counts = {events.AnswerText: 0, events.SegmentReady: 0}

        def count(event: events.Event) -> None:
            if type(event) in counts:
                counts[type(event)] += 1

        conversation.hub.subscribe(count)
        turn = conversation.ask_text("Go")
        reader = conversation.play(turn)
        await anext(reader)
        await asyncio.sleep(0.2)
        assert counts[events.SegmentReady] <= 5
        assert len(turn.answer) < len(answer) / 4
        await reader.aclose()  # type: ignore[attr-defined]


async def test_a_new_question_breaks_off_the_old_answer() -> None:
    async with make(answer=None) as conversation:
        first = conversation.ask_text("One two three. Four five six. Seven eight nine.")
        async for _ in conversation.play(first):
            break
        second = conversation.ask_text("Ten.")
        segments = [s async for s in conversation.play(second)]
        assert spoken(segments) == ["Ten."]
        assert {s.turn for s in segments} == {second.number}
        assert first.state == "interrupted"
        assert segments[0].audio.offset == 0, "the face was reset"
        assert [s async for s in conversation.play(first)] == []


async def test_interrupt_lets_nothing_more_out_and_raises_the_turn() -> None:
    async with make() as conversation:
        seen: list[events.Event] = []
        conversation.hub.subscribe(seen.append)
        turn = conversation.ask_text("How?")
        reader = conversation.play(turn)
        first = await anext(reader)
        assert first.turn == turn.number
        number = await conversation.interrupt()
        assert number > turn.number
        assert [s async for s in reader] == []
        ended = [e for e in seen if isinstance(e, events.TurnEnded)]
        assert [e.reason for e in ended] == ["interrupted"]
        assert [type(e) for e in seen].count(events.Interrupted) == 1
        assert await conversation.interrupt() == number, "with nothing to break off it stays"


async def test_interrupt_does_not_wait_for_the_answers_end() -> None:
    synthesizer = fakes.ToneSynthesizer(delay=0.02)
    async with make(answer="Word word word word. " * 100, synthesizer=synthesizer) as conversation:
        turn = conversation.ask_text("Go")
        await anext(conversation.play(turn))
        await asyncio.wait_for(conversation.interrupt(), 1)


async def test_history_holds_what_was_delivered_when_broken_off() -> None:
    answer = "Alpha beta gamma delta. Epsilon zeta eta theta. Iota kappa lambda mu."
    async with make(answer=answer) as conversation:
        turn = conversation.ask_text("Greek?")
        seconds = 0.0
        async for segment in conversation.play(turn):
            seconds += segment.audio.duration
            if segment.sentence is not None and segment.sentence.index == 1:
                break
        await conversation.interrupt()
        said = conversation.history[-1]
        assert said.role == "assistant"
        assert said.text.startswith("Alpha beta gamma delta.")
        assert said.text.endswith("…")
        assert "theta" not in said.text
        assert "Iota" not in said.text


async def test_history_follows_the_listeners_player() -> None:
    answer = "Alpha beta gamma delta. Epsilon zeta eta theta."
    async with make(answer=answer) as conversation:
        turn = conversation.ask_text("Greek?")
        async for _ in conversation.play(turn):
            pass
        assert conversation.history[-1].text == answer
        # Alpha and beta take 9 characters of 0.06 s.
        conversation.notify_playback(turn.number, 0.56)
        assert conversation.history[-1].text == "Alpha beta…"
        conversation.notify_playback(turn.number, 0.1)
        assert conversation.history[-1].text == "Alpha beta…", "players do not go back"
        conversation.notify_playback(turn.number, 100)
        assert conversation.history[-1].text == answer


async def test_the_responder_sees_the_dialogue_and_its_length_is_bounded() -> None:
    seen: list[list[Message]] = []

    class Recorder(fakes.EchoResponder):
        def reply(self, history: list[Message]) -> AsyncIterator[str]:  # type: ignore[override]
            seen.append(list(history))
            return super().reply(history)

    async with make(responder=Recorder("Yes."), limits=Limits(history=6)) as conversation:
        for number in range(8):
            turn = conversation.ask_text(f"Q{number}")
            async for _ in conversation.play(turn):
                pass
    assert seen[1] == [Message("user", "Q0"), Message("assistant", "Yes."), Message("user", "Q1")]
    assert len(seen[-1]) == 6
    assert seen[-1][-1] == Message("user", "Q7")


async def test_text_is_spoken_as_it_is() -> None:
    async def pieces() -> AsyncIterator[str]:
        for piece in ("Good mor", "ning. How ", "are you?"):
            yield piece

    async with make() as conversation:
        for script in ("Good morning. How are you?", ["Good morning. ", "How are you?"], pieces()):
            turn = conversation.say(script)
            segments = [s async for s in conversation.play(turn)]
            assert spoken(segments) == ["Good morning.", "How are you?"]
        assert [m.role for m in conversation.history] == ["assistant"] * 3


async def test_sound_that_exists_is_performed() -> None:
    sentence = Sentence(0, 0, "", "en")

    def speech() -> Iterator[Speech]:
        whole = noise(1.0)
        for start in range(0, 16_000, 3200):
            sound = Waveform(whole.samples[start : start + 3200], 16_000, start)
            yield Speech(0, sentence, sound, is_last=start + 3200 >= 16_000)

    async with make() as conversation:
        turn = conversation.perform(speech())
        segments = [s async for s in conversation.play(turn)]
        assert {s.turn for s in segments} == {turn.number}
        assert sum(len(s.frames) for s in segments) == 25
        made = np.concatenate([s.audio.samples for s in segments])
        assert np.array_equal(made, noise(1.0).samples)


async def test_the_manners_emotion_goes_before_the_responders() -> None:
    class Moody(fakes.EchoResponder):
        def emotion_of(self, text: str) -> str:
            return "sad" if "sorry" in text else "neutral"

    responder = Moody("Hello there. I am sorry.")
    async with make(responder=responder) as conversation:
        turn = conversation.ask_text("Hi")
        async for _ in conversation.play(turn):
            pass
        assert [s.emotion for s in turn.sentences] == ["neutral", "sad"]
    manner = Manner(MANNER.voice, emotion="happy", intensity=0.8)
    async with make(responder=responder, manner=manner) as conversation:
        turn = conversation.ask_text("Hi")
        async for _ in conversation.play(turn):
            pass
        assert {(s.emotion, s.intensity) for s in turn.sentences} == {("happy", 0.8)}


async def test_idle_frames_come_between_turns() -> None:
    async with make() as conversation:
        frames = [await conversation.idle() for _ in range(3)]
        assert frames[0].image.shape == (8, 8, 3)
        turn = conversation.ask_text("Hi")
        assert [s async for s in conversation.play(turn)]
        assert (await conversation.idle()).image.shape == (8, 8, 3)


async def test_segments_go_on_over_turns_until_closed() -> None:
    conversation = make(answer="Yes.")
    seen: list[Segment] = []

    async def watch() -> None:
        async for segment in conversation.segments():
            seen.append(segment)

    watcher = asyncio.create_task(watch())
    for number in (1, 2):
        done = asyncio.Event()
        leave = conversation.hub.subscribe(
            lambda e, done=done: done.set() if isinstance(e, events.TurnEnded) else None
        )
        conversation.ask_text(f"Q{number}")
        await asyncio.wait_for(done.wait(), 5)
        await asyncio.sleep(0.02)
        leave()
    await conversation.close()
    await asyncio.wait_for(watcher, 5)
    assert [s.turn for s in seen if s.frames[0].index == 0] == [1]
    assert {s.turn for s in seen} == {1, 2}


class TestFailures:
    async def test_an_empty_question(self) -> None:
        async with make() as conversation:
            with pytest.raises(TextUnusable):
                conversation.ask_text("  ")

    async def test_a_silent_question(self) -> None:
        async with make() as conversation:
            turn = conversation.ask_audio(Waveform(np.zeros(16_000, np.float32), 16_000))
            with pytest.raises(AudioSilent):
                await self.drain(conversation, turn)
            assert turn.state == "failed"

    async def test_nothing_understood(self) -> None:
        async with make(heard=" ") as conversation:
            turn = conversation.ask_audio(noise())
            with pytest.raises(TextUnusable, match="understood"):
                await self.drain(conversation, turn)

    async def test_the_voice_is_unknown(self) -> None:
        async with make(manner=Manner({"en": "nobody"})) as conversation:
            with pytest.raises(UnknownVoice):
                await self.drain(conversation, conversation.say("Hello."))

    async def test_a_sentence_that_cannot_be_spoken_is_left_out(self) -> None:
        async with make() as conversation:
            turn = conversation.say("Hello. 🙂! Bye.")
            segments = [s async for s in conversation.play(turn)]
            assert "Hello." in spoken(segments)[0]
            assert "Bye." in spoken(segments)[-1]

    async def test_nothing_can_be_spoken(self) -> None:
        async with make() as conversation:
            with pytest.raises(TextUnusable):
                await self.drain(conversation, conversation.say("🙂"))

    async def test_the_responder_fails_in_the_middle(self) -> None:
        responder = fakes.EchoResponder("One. Two. Three. Four.", fail=True)
        async with make(responder=responder) as conversation:
            failed: list[events.StageFailed] = []
            conversation.hub.subscribe(
                lambda e: failed.append(e) if isinstance(e, events.StageFailed) else None
            )
            with pytest.raises(StageError, match="told to fail"):
                await self.drain(conversation, conversation.ask_text("Count"))
            assert [e.stage for e in failed] == ["responder"]

    async def test_the_voice_fails_and_the_next_turn_works(self) -> None:
        async with make(synthesizer=fakes.ToneSynthesizer(fail_on="Two")) as conversation:
            with pytest.raises(StageError, match="broke") as caught:
                await self.drain(conversation, conversation.say("One. Two. Three."))
            assert caught.value.retryable
            segments = [s async for s in conversation.play(conversation.say("Four."))]
            assert spoken(segments) == ["Four."]
            assert segments[0].audio.offset == 0

    async def test_an_unexpected_error_is_named_after_its_stage(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken(fakes.ToneSynthesizer):
            async def speak(self, sentence: Sentence, voice: str) -> AsyncIterator[Speech]:
                raise ZeroDivisionError("oh")
                yield

        async with make(synthesizer=Broken()) as conversation:
            with pytest.raises(StageError, match="the synthesizer failed: ZeroDivisionError: oh"):
                await self.drain(conversation, conversation.say("One."))

    async def test_a_missing_stage_is_said(self) -> None:
        performance = fakes.PaintingAnimator().open(fakes.make_avatar())
        async with Conversation(performance) as conversation:
            with pytest.raises(StageError, match="no voice"):
                await self.drain(conversation, conversation.say("One."))

    async def drain(self, conversation: Conversation, turn: object) -> None:
        async for _ in conversation.play(turn):  # type: ignore[arg-type]
            pass


async def test_closing_ends_all_threads_and_tasks() -> None:
    async with make(synthesizer=fakes.ToneSynthesizer(delay=0.01)) as conversation:
        turn = conversation.ask_text("How?")
        await anext(conversation.play(turn))
    assert not [t.name for t in threading.enumerate() if t.name.startswith("visavis-")]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(RuntimeError, match="closed"):
        conversation.ask_text("Again?")
