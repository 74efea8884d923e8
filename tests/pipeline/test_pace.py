import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import numpy as np
import pytest

from visavis.core.types import Mark, Segment, Sentence, Speech, Waveform
from visavis.pipeline import events
from visavis.pipeline.conversation import Conversation
from visavis.pipeline.manner import Manner
from visavis.pipeline.outbox import TurnMark
from visavis.pipeline.pace import FEW, HESITATION, LONGEST_WAIT, USUAL, Pace
from visavis.stages import fakes

RATE = 1000
TEXT = "one two three four five six seven eight nine ten"


def clauses(*seconds: float, whole: float) -> list[Speech]:
    """Clauses of a sentence that takes ``whole`` seconds, one word each, even in its letters."""
    text = "x" * round(whole * 100)
    sentence = Sentence(1, 0, text, "en")
    out, start = [], 0.0
    for length in seconds:
        end = start + length
        word = "x" * round(length * 100)
        marks = (Mark("word", word, round(start * RATE), round(end * RATE)),)
        sound = Waveform(np.zeros(round(length * RATE), np.float32), RATE, round(start * RATE))
        out.append(Speech(1, sentence, sound, marks, abs(end - whole) < 1e-6))
        start = end
    return out


def clauses_left(pace: Pace, there: float, left: float) -> float:
    """What ``wait_before`` says of a first piece of exactly these seconds, without lookahead."""
    return pace.wait_before(clauses(there, whole=there + left), lookahead=0.0)


class TestHowLongTheFirstPieceWaits:
    def test_not_at_all_where_the_voice_is_fast(self) -> None:
        pace = Pace()
        pace.speed = 8.0
        assert pace.wait_before(clauses(1.5, whole=6.0), lookahead=0.36) == 0

    def test_not_at_all_for_a_sentence_that_is_there(self) -> None:
        pace = Pace()
        pace.speed = 0.2
        assert pace.wait_before(clauses(2.0, whole=2.0), lookahead=0.36) == 0

    def test_until_the_next_clause_is_there_before_the_first_one_has_sounded(self) -> None:
        pace = Pace()
        pace.speed = 1.0
        # 1.5 s are left to make; as much may sound meanwhile, less what the face holds back.
        wait = pace.wait_before(clauses(1.5, whole=3.0), lookahead=0.36)
        assert wait == pytest.approx(0.36, abs=0.1)

    def test_a_little_less_before_a_comma(self) -> None:
        pace = Pace()
        pace.speed = 0.7
        (speech,) = clauses(1.5, whole=3.8)
        comma = Mark("phoneme", ",", 1400, 1500)
        paused = Speech(1, speech.sentence, speech.audio, (*speech.marks, comma), False)
        assert pace.wait_before([speech], lookahead=0.36) == LONGEST_WAIT
        # The next piece is 1.6 s long.
        assert pace.wait_before([paused], lookahead=0.36) == pytest.approx(
            1.6 / 0.7 - (1.5 + HESITATION), abs=0.1
        )

    def test_a_word_of_which_the_end_is_to_come_is_not_taken_for_spoken(self) -> None:
        pace = Pace()
        pace.speed = 1.0
        (first, second) = clauses(0.4, 1.0, whole=1.4)
        cut = Waveform(first.audio.samples[:200], RATE, 0)
        begun = Speech(1, first.sentence, cut, first.marks, False)
        # 0.2 s are there of 1.4.
        assert pace.wait_before([begun], lookahead=0.0) == pytest.approx(
            clauses_left(pace, 0.2, 1.2), abs=0.01
        )
        assert second.is_last

    def test_what_was_waited_already_counts(self) -> None:
        pace = Pace()
        pace.speed = 0.05
        late = clauses(1.5, whole=9.0)
        assert pace.wait_before(late, lookahead=0.36, waited=0.4) == pytest.approx(
            LONGEST_WAIT - 0.4
        )
        assert pace.wait_before(late, lookahead=0.36, waited=9.0) == 0

    @pytest.mark.parametrize("speed", [0.7, 1.0, 1.4, 2.0, 3.0])
    def test_no_hole_follows_at_the_speed_that_was_learnt(self, speed: float) -> None:
        pace = Pace()
        pace.speed = speed
        lengths, whole = (0.6, 0.96, 1.5, 1.44), 4.5
        first = clauses(*lengths, whole=whole)[:1]
        wait = pace.wait_before(first, lookahead=0.3)
        there, needed = 0.0, wait + lengths[0] - 0.3
        for length in lengths[1:]:
            there += length / speed
            assert there <= needed or wait == LONGEST_WAIT
            needed += length

    def test_never_for_long(self) -> None:
        pace = Pace()
        pace.speed = 0.05
        assert pace.wait_before(clauses(1.5, whole=9.0), lookahead=0.36) == LONGEST_WAIT

    def test_not_where_the_words_are_unknown(self) -> None:
        pace = Pace()
        pace.speed = 0.1
        (speech,) = clauses(1.5, whole=6.0)
        bare = Speech(1, speech.sentence, speech.audio, (), False)
        assert pace.wait_before([bare], lookahead=0.36) == 0


def test_the_speed_follows_what_the_voice_does_and_not_what_was_remembered() -> None:
    pace = Pace()
    _, *pieces = clauses(*[2.0] * 9, whole=18.0)
    for piece in pieces:
        pace.note_spoken(piece, busy=4.0)
    assert pace.speed == pytest.approx(0.5, rel=0.05)
    before = pace.speed
    pace.note_spoken(pieces[0], busy=0.002)
    assert pace.speed == before


def test_a_short_first_piece_does_not_make_a_voice_seem_slow() -> None:
    """Before it there is more to do than before the others, and it says little of the speed."""
    pace = Pace()
    first, second = clauses(0.6, 0.9, whole=1.5)
    pace.note_spoken(first, busy=(0.6 + 0.5) / USUAL)
    assert pace.speed == pytest.approx(USUAL)
    pace.note_spoken(second, busy=0.9)
    assert 1.0 < pace.speed < USUAL


def test_the_reserve_is_short_when_few_pictures_are_left() -> None:
    pace = Pace()
    pace.begin(3)
    pace.note_made(10)
    assert not pace.is_short, "nothing sounds yet"
    for _ in range(10 - FEW - 1):
        pace.note_sent(3)
    assert not pace.is_short
    pace.note_sent(2)
    assert not pace.is_short, "of another turn"
    pace.note_sent(3)
    assert pace.is_short
    pace.note_made(5)
    assert not pace.is_short


def converse(synthesizer: fakes.ToneSynthesizer, answer: str, pace: Pace | None) -> Conversation:
    return Conversation(
        fakes.PaintingAnimator(lookahead_frames=9).open(fakes.make_avatar(size=8)),
        synthesizer,
        fakes.EchoResponder(answer),
        manner=Manner({"zh": "tone_low", "en": "tone_low"}),
        pace=pace,
    )


async def longest_hole(conversation: Conversation) -> float:
    """Seconds that a player without any reserve of its own stands still within an answer."""
    clock = asyncio.get_running_loop().time
    conversation.ask_text("Count")
    hole, until = 0.0, 0.0
    async with aclosing(conversation.stream()) as stream:
        async for item in stream:
            if isinstance(item, TurnMark):
                break
            now = clock()
            if until:
                hole = max(hole, now - until)
            until = max(until, now) + len(item.frames) / 25
    return hole


async def test_a_slow_voice_begins_late_instead_of_breaking_off() -> None:
    # A word of 0.24 s takes 0.3 s.
    slow = fakes.ToneSynthesizer(delay=0.3)
    text = " ".join(["word"] * 8)
    async with converse(slow, text, None) as conversation:
        torn = await longest_hole(conversation)
    async with converse(slow, text, pace := Pace()) as conversation:
        pace.speed = 0.24 / 0.3
        whole = await longest_hole(conversation)
    assert torn > 0.15
    assert whole < torn / 2


async def test_a_sentence_is_heard_to_its_end_though_the_next_one_is_late() -> None:
    """The face holds sound back for the mouth; it must not hold back the last word."""

    class Late(fakes.ToneSynthesizer):
        async def speak(self, sentence: Sentence, voice: str):  # type: ignore[no-untyped-def]
            if sentence.index:
                await asyncio.sleep(1.0)
            async for speech in super().speak(sentence, voice):
                yield speech

    async with converse(Late(), "First words here. Then others.", Pace()) as conversation:
        ready: list[str] = []

        def observe(event: events.Event) -> None:
            if isinstance(event, events.SpeechReady) and event.speech.sentence.index:
                ready.append(event.speech.sentence.text)

        conversation.hub.subscribe(observe)
        conversation.ask_text("Go")
        early = 0
        async with aclosing(conversation.stream()) as stream:
            async for item in stream:
                if isinstance(item, TurnMark):
                    break
                early += 0 if ready else len(item.frames)
        words = sum(len(word) for word in ("First", "words", "here"))
        assert early * 960 >= words * round(fakes.SECONDS_PER_CHARACTER * fakes.SAMPLE_RATE)


class Thrifty(fakes.PaintingPerformance):
    """Paints slower than it is watched, and twice as fast when it may be thrifty."""

    sparing = False
    spared = 0

    def spare(self, sparing: bool) -> None:
        self.sparing = sparing

    def _show(self, until: int) -> Iterator[Segment]:
        import time

        for segment in super()._show(until):
            time.sleep(len(segment.frames) / 25 * (0.6 if self.sparing else 1.2))
            self.spared += self.sparing
            yield segment


async def test_a_slow_face_makes_do_with_less_before_the_sound_breaks_off() -> None:
    from visavis.pipeline.playout import Playout

    avatar = fakes.make_avatar(size=8)
    face = Thrifty(avatar, 0.0, 2, 0)
    pace = Pace()

    class Nobody:
        ended = asyncio.Event()

        def on_tick(self, tick: object) -> None: ...
        def on_segment(self, segment: object, index: int) -> None: ...
        def on_failure(self, error: Exception) -> None: ...
        def on_turn_end(self, mark: TurnMark) -> None:
            self.ended.set()

    conversation = Conversation(
        face,
        fakes.ToneSynthesizer(),
        fakes.EchoResponder("many words go here " * 5),
        manner=Manner({"zh": "tone_low", "en": "tone_low"}),
        pace=pace,
    )
    async with conversation:
        playout = Playout(conversation, watcher := Nobody(), pace=pace)
        running = asyncio.create_task(playout.run())
        await asyncio.sleep(0.2)
        conversation.ask_text("Go")
        async with asyncio.timeout(30):
            await watcher.ended.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert face.spared > 2
    assert playout.counts.starved <= 8, "17 without"
