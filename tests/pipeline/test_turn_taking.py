"""Whose turn it is, in virtual time: every case is a script of sound, words and what the face does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.pipeline.decisions import (
    BargedIn,
    Began,
    Cleared,
    Decision,
    Discarded,
    Hushed,
    Paused,
    Resumed,
    Taken,
)
from visavis.pipeline.patience import Patience
from visavis.pipeline.turn_taking import (
    Mode,
    TurnTaking,
)

STEP = 0.032
OWN = "请先在派出所或者政务服务网上挂失"


class Stage:
    """Plays speech, silence and words to a ``TurnTaking`` and keeps what it decides."""

    def __init__(self, mode: Mode = "open") -> None:
        self.taking = TurnTaking(mode)
        self.now = 0.0
        self.decisions: list[tuple[float, Decision]] = []
        self.echo: float | None = None

    def note(self, decisions: list[Decision]) -> None:
        self.decisions += [(self.now, decision) for decision in decisions]

    def play(
        self, seconds: float, probability: float, then: Callable[[], None] | None = None
    ) -> None:
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            if self.echo is not None and self.taking.wants_echo:
                self.note(self.taking.note_echo(self.echo))
            self.note(self.taking.hear(probability, STEP))
            if then is not None:
                then()

    def speech(self, seconds: float, words: str = "") -> None:
        """Words come to be understood evenly, 0.2 s behind the sound."""
        began, base = self.now, words
        letters = base.split(" ") if base.isascii() else list(base)
        glue = " " if base.isascii() else ""

        def understand() -> None:
            share = max(self.now - began - 0.2, 0) / max(seconds - 0.2, 0.1)
            if base:
                self.note(
                    self.taking.note_partial(glue.join(letters[: round(share * len(letters))]))
                )

        self.play(seconds, 0.95, understand)
        if base:
            self.note(self.taking.note_partial(base))

    def silence(self, seconds: float) -> None:
        self.play(seconds, 0.02)

    @property
    def is_hushed(self) -> bool:
        turns = [d for _, d in self.decisions if isinstance(d, Hushed | Cleared | BargedIn)]
        return bool(turns) and isinstance(turns[-1], Hushed)

    def own(self, seconds: float, words: str = "", delay: float = 0.25) -> None:
        """The microphone hears the face, which holds its tongue when it is told to."""
        sounded = [not self.is_hushed] * round(delay / STEP)
        for _ in range(round(seconds / STEP)):
            sounded.append(not self.is_hushed)
            self.play(STEP, 0.9 if sounded.pop(0) else 0.02)
            if self.taking.speech_seconds > 0.2:
                self.note(self.taking.note_partial(words))

    def face(self, speaking: bool, words: str = OWN, echo: float | None = None) -> None:
        self.taking.note_face(speaking, speaking, words)
        self.echo = echo

    def all(self, kind: type[Decision]) -> list[float]:
        return [at for at, decision in self.decisions if isinstance(decision, kind)]

    def last(self, kind: type[Decision]) -> Decision:
        return next(d for _, d in reversed(self.decisions) if isinstance(d, kind))


@pytest.mark.parametrize(
    ("words", "pause"),
    [
        ("身份证丢了怎么补办", 0.35),
        ("how do i renew my passport", 0.35),
        ("身份证丢了", 0.6),
        ("my card is lost", 0.6),
        ("身份证丢了然后", 1.2),
        ("how do i renew my", 1.2),
        ("", 0.6),
    ],
)
def test_a_turn_ends_after_the_pause_that_its_words_ask_for(words: str, pause: float) -> None:
    stage = Stage()
    stage.silence(1.0)
    stage.speech(2.0, words)
    ended = stage.now
    stage.silence(2.0)
    [taken] = stage.all(Taken)
    assert taken - ended == pytest.approx(pause, abs=0.07)
    decision = stage.last(Taken)
    assert isinstance(decision, Taken)
    assert decision.end == pytest.approx(ended, abs=0.04)
    assert decision.start == pytest.approx(1.0 - 0.3, abs=0.04), "with a margin before"


def test_the_transcript_is_begun_at_a_quarter_second_and_voided_when_speech_resumes() -> None:
    stage = Stage()
    stage.speech(1.0, "身份证丢了")
    stage.silence(0.4)
    assert len(stage.all(Paused)) == 1
    stage.speech(1.0, "身份证丢了怎么补办")
    assert len(stage.all(Resumed)) == 1
    stage.silence(1.0)
    assert [type(d) for _, d in stage.decisions] == [Began, Paused, Resumed, Paused, Taken]
    paused, taken = stage.last(Paused), stage.last(Taken)
    assert isinstance(paused, Paused)
    assert isinstance(taken, Taken)
    assert (paused.start, paused.end) == (taken.start, taken.end), "the guess holds"


def test_a_click_is_no_turn() -> None:
    stage = Stage()
    for _ in range(5):
        stage.speech(0.1)
        stage.silence(1.0)
    assert not stage.all(Began)
    assert not stage.all(Taken)
    assert len(stage.all(Discarded)) == 5


def test_a_turn_that_is_too_long_is_cut() -> None:
    stage = Stage()
    stage.speech(40.0)
    [cut] = stage.all(Taken)
    assert cut == pytest.approx(28.0, abs=0.1)
    taken = stage.last(Taken)
    assert isinstance(taken, Taken)
    assert taken.was_cut
    assert stage.taking.is_listening, "what follows is a turn again"


class TestBargeIn:
    def test_speech_silences_the_face_after_a_quarter_second(self) -> None:
        stage = Stage()
        stage.face(True)
        stage.silence(1.0)
        began = stage.now
        stage.face(True, echo=0.0)
        stage.speech(0.6)
        [at] = stage.all(BargedIn)
        assert 0.25 <= at - began < 0.25 + 2 * STEP

    def test_thinking_is_interrupted_too(self) -> None:
        stage = Stage()
        stage.taking.note_face(True, False)
        stage.speech(0.4)
        assert len(stage.all(BargedIn)) == 1

    def test_nothing_is_interrupted_when_the_face_is_silent(self) -> None:
        stage = Stage()
        stage.speech(2.0)
        assert not stage.all(BargedIn)
        assert len(stage.all(Began)) == 1

    @pytest.mark.parametrize("seconds", [0.2, 0.5, 1.0, 3.0, 8.0, 60.0])
    def test_its_own_voice_does_not_interrupt_it(self, seconds: float) -> None:
        stage = Stage()
        stage.face(True, echo=0.9)
        stage.own(seconds)
        stage.note(stage.taking.note_partial("在派出所或者政务网上"))
        stage.own(0.5)
        stage.face(False)
        stage.silence(2.0)
        assert not stage.all(BargedIn)
        assert not stage.all(Taken)

    def test_its_own_words_do_not_interrupt_it_though_the_sound_tells_nothing(self) -> None:
        stage = Stage()
        stage.face(True)
        stage.own(3.0, "请先在派出所")
        stage.face(False)
        stage.silence(1.5)
        assert not stage.all(BargedIn)
        assert not stage.all(Taken)

    def test_the_echo_that_comes_late_is_not_a_turn(self) -> None:
        stage = Stage()
        stage.face(True)
        stage.play(1.0, 0.02)
        stage.face(False, echo=0.9)
        stage.silence(0.1)
        stage.play(0.4, 0.9)
        stage.silence(1.5)
        assert not stage.all(Began)

    def test_words_of_the_user_over_an_echo_interrupt(self) -> None:
        stage = Stage()
        stage.face(True, echo=0.9)
        stage.play(0.45, 0.9)
        assert not stage.all(BargedIn)
        stage.note(stage.taking.note_partial("那护照要多少钱"))
        stage.play(0.6, 0.9)
        assert len(stage.all(BargedIn)) == 1

    @pytest.mark.parametrize("word", ["停", "别说了", "stop", "wait"])
    def test_stop_interrupts_whatever_the_echo(self, word: str) -> None:
        stage = Stage()
        stage.face(True, echo=1.0)
        stage.play(0.4, 0.9)
        stage.note(stage.taking.note_partial(word))
        assert len(stage.all(BargedIn)) == 1

    def test_where_an_echo_was_heard_words_are_wanted(self) -> None:
        stage = Stage()
        stage.face(True)
        for _ in range(3):
            stage.note(stage.taking.note_echo(0.95))
        stage.echo = 0.1
        stage.play(0.5, 0.9)
        assert not stage.all(BargedIn), "a bad moment to trust the sound alone"
        stage.note(stage.taking.note_partial("我想问"))
        assert len(stage.all(BargedIn)) == 1


class TestHoldingItsTongue:
    """Long before it is clear who speaks, the face pauses; only then is it broken off or goes on."""

    def test_it_is_silent_after_one_chunk_of_speech(self) -> None:
        stage = Stage()
        stage.silence(1.0)
        began = stage.now
        stage.face(True, echo=0.0)
        stage.play(0.6, 0.6)
        [at] = stage.all(Hushed)
        assert at - began == pytest.approx(STEP)
        assert len(stage.all(BargedIn)) == 1
        assert not stage.all(Cleared)

    @pytest.mark.parametrize("seconds", [0.1, 0.13, 0.19])
    def test_after_a_cough_it_goes_on(self, seconds: float) -> None:
        stage = Stage()
        stage.face(True)
        stage.play(seconds, 0.9)
        ended = stage.now
        stage.silence(1.0)
        assert len(stage.all(Hushed)) == 1
        [at] = stage.all(Cleared)
        assert at - ended < 0.35
        assert not stage.all(BargedIn)

    def test_a_click_is_no_speech(self) -> None:
        stage = Stage()
        stage.face(True)
        stage.play(0.032, 0.45)
        stage.silence(1.0)
        assert not stage.all(Hushed)

    @pytest.mark.parametrize("seconds", [0.032, 0.064, 0.096, 0.128])
    def test_what_is_shorter_than_a_syllable_costs_a_moment(self, seconds: float) -> None:
        stage = Stage()
        stage.face(True)
        stage.play(seconds, 0.9)
        stage.silence(1.0)
        [held], [released] = stage.all(Hushed), stage.all(Cleared)
        assert released - held < 0.25

    def test_a_gap_between_two_syllables_is_no_end(self) -> None:
        stage = Stage()
        stage.face(True)
        stage.play(0.096, 0.9)
        stage.silence(0.096)
        stage.play(0.4, 0.9)
        assert not stage.all(Cleared)
        assert len(stage.all(BargedIn)) == 1

    def test_its_own_echo_makes_it_stutter_twice_and_no_more(self) -> None:
        stage = Stage()
        stage.face(True, echo=0.9)
        stage.own(20.0)
        assert len(stage.all(Hushed)) <= 2
        assert len(stage.all(Cleared)) == len(stage.all(Hushed))

    def test_what_is_like_an_echo_for_a_moment_only_is_not_held_against_the_room(self) -> None:
        stage = Stage()
        for _ in range(4):
            stage.face(True, echo=0.0)
            stage.play(0.25, 0.9)
            stage.note(stage.taking.note_echo(0.9))
            stage.play(1.5, 0.9)
            stage.face(False)
            stage.silence(3.0)
        assert len(stage.all(Hushed)) == len(stage.all(BargedIn)) == 4

    def test_an_echo_that_cannot_be_told_makes_it_stutter_twice_at_most(self) -> None:
        stage = Stage()
        stage.face(True)
        for _ in range(6):
            stage.play(0.1, 0.9)
            stage.silence(1.0)
        assert len(stage.all(Hushed)) == 2

    def test_what_goes_on_although_the_face_is_silent_is_somebody_else(self) -> None:
        stage = Stage()
        stage.face(True)
        stage.play(0.13, 0.9)
        stage.echo = 0.4  # neither like an echo nor unlike one
        stage.play(0.9, 0.9)
        assert len(stage.all(BargedIn)) == 1

    def test_a_silent_face_has_nothing_to_hold(self) -> None:
        stage = Stage()
        stage.taking.note_face(True, False)
        stage.speech(0.6)
        assert not stage.all(Hushed)

    def test_it_goes_on_when_the_microphone_is_switched_off(self) -> None:
        stage = Stage()
        stage.face(True)
        stage.play(0.13, 0.9)
        stage.note(stage.taking.set_mode("off"))
        assert len(stage.all(Cleared)) == 1


class TestPushToTalk:
    def test_nothing_is_heard_before_the_button(self) -> None:
        stage = Stage("push")
        stage.speech(3.0)
        stage.silence(2.0)
        assert not stage.decisions

    def test_a_turn_is_what_lies_between(self) -> None:
        stage = Stage("push")
        stage.silence(1.0)
        stage.note(stage.taking.press())
        stage.speech(1.0)
        stage.silence(3.0)
        assert not stage.all(Taken), "a pause is allowed as long as the button is held"
        stage.speech(1.0)
        stage.note(stage.taking.release())
        assert [type(d) for _, d in stage.decisions] == [Began, Paused, Resumed, Taken]
        assert stage.all(Taken) == [stage.now]

    def test_the_button_silences_the_face_at_once(self) -> None:
        stage = Stage("push")
        stage.face(True)
        stage.note(stage.taking.press())
        assert [type(d) for _, d in stage.decisions] == [BargedIn, Began]

    def test_holding_it_without_a_word_is_nothing(self) -> None:
        stage = Stage("push")
        stage.note(stage.taking.press())
        stage.silence(2.0)
        stage.note(stage.taking.release())
        assert isinstance(stage.decisions[-1][1], Discarded)
        assert not stage.taking.is_listening

    def test_pressing_twice_or_releasing_alone_does_no_harm(self) -> None:
        stage = Stage("push")
        assert stage.taking.release() == []
        stage.note(stage.taking.press())
        assert stage.taking.press() == []


def test_switching_off_drops_the_turn() -> None:
    stage = Stage()
    stage.speech(1.0)
    stage.note(stage.taking.set_mode("off"))
    assert stage.decisions[-1][1] == Discarded(pytest.approx(stage.now), "off")
    stage.speech(3.0)
    assert isinstance(stage.decisions[-1][1], Discarded)


MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            ["speech", "silence", "face", "quiet", "press", "release", "echo", "clear"]
        ),
        st.floats(0.03, 2.5),
        st.sampled_from(["", OWN, "护照怎么办理", "how do i", "stop"]),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(moves=MOVES, mode=st.sampled_from(["push", "open"]))
def test_whatever_happens_turns_are_whole_and_in_order(
    moves: list[tuple[str, float, str]], mode: Mode
) -> None:
    stage = Stage(mode)
    for kind, seconds, words in moves:
        match kind:
            case "speech":
                stage.speech(seconds, words)
            case "silence":
                stage.silence(seconds)
            case "face":
                stage.face(True)
            case "quiet":
                stage.face(False)
            case "echo":
                stage.note(stage.taking.note_echo(0.9))
            case "clear":
                stage.note(stage.taking.note_echo(0.0))
            case "press":
                stage.note(stage.taking.press())
            case "release":
                stage.note(stage.taking.release())
    stage.note(stage.taking.release())
    stage.face(False)
    stage.silence(3.0)
    assert not stage.is_hushed
    listening, last_end = False, 0.0
    for at, decision in stage.decisions:
        match decision:
            case Began():
                assert not listening
                listening = True
            case Taken():
                assert listening, "nothing is taken that did not begin"
                assert 0 <= decision.start < decision.end <= at + 1e-6
                assert decision.end - decision.start <= Patience().longest + 1.0
                assert decision.end > last_end
                last_end = decision.end
                listening = False
            case Discarded():
                listening = False
            case Paused() | Resumed():
                assert listening
            case BargedIn():
                assert not listening
    assert not listening, "silence ends everything"
    assert stage.now - stage.taking.needed_from <= Patience().margin + STEP + 1e-6
