"""What a mood does to an answer: sound, prompt, pace and marks."""

from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from visavis.core.protocols import Expressive, Overhearing
from visavis.core.types import Delivery, Emotion, Message, Said, Waveform
from visavis.knowledge.live import share_encoder
from visavis.stages.mood.answer_manner import respond_to
from visavis.stages.mood.answer_marking import AnswerMarker
from visavis.stages.mood.mood import Mood
from visavis.stages.mood.reader import MoodReader
from visavis.stages.responders.attuned import AttunedResponder

ANGRY = "气死我了！你们这是什么破服务，我要投诉你们！"
AFRAID = "我的钱包丢了，我好害怕"
PLAIN = "身份证怎么补办？"


class Inner:
    """Gives what it was made with, and keeps what it was asked."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces
        self.asked: list[list[Message]] = []

    async def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        self.asked.append(list(history))
        for piece in self.pieces:
            yield piece

    def emotion_of(self, text: str) -> Emotion | None:
        return "happy" if "恭喜" in text else None


class Listener(MoodReader):
    """A reader that keeps what it was given to hear."""

    def __init__(self) -> None:
        super().__init__(share_encoder())
        self.sounds: list[Waveform | None] = []

    def read(self, text: str, language: object, audio: Waveform | None = None) -> Mood:
        self.sounds.append(audio)
        return super().read(text, "zh", audio)


def attune(inner: Inner, usual: Emotion = "neutral") -> AttunedResponder:
    encoder = share_encoder()
    return AttunedResponder(inner, MoodReader(encoder), AnswerMarker(encoder), usual)


async def ask(responder: AttunedResponder, *turns: str) -> list[str]:
    roles = ("user", "assistant")
    history = [Message(roles[i % 2], text) for i, text in enumerate(turns)]  # type: ignore[arg-type]
    return [piece async for piece in responder.reply(history)]


async def test_a_model_is_told_in_front_of_the_dialogue_and_only_when_there_is_something() -> None:
    inner = Inner("好。")
    responder = attune(inner)
    await ask(responder, PLAIN)
    assert [m.role for m in inner.asked[0]] == ["user"]
    await ask(responder, "在吗", "在。", ANGRY)
    assert [m.role for m in inner.asked[1]] == ["system", "user", "assistant", "user"]
    assert inner.asked[1][0].text == respond_to(Mood("angry", 1, 1)).prompt_zh
    responder.forget()
    await ask(responder, "I am furious, this is outrageous!")
    assert inner.asked[2][0].text == respond_to(Mood("angry", 1, 1)).prompt_en


async def test_pace_and_intensity_follow_the_mood_and_an_own_emotion_goes_first() -> None:
    responder = attune(Inner("好。"))
    assert isinstance(responder, Expressive)
    await ask(responder, PLAIN)
    assert responder.delivery_of("带身份证来。") == Delivery()
    assert responder.delivery_of("恭喜您！") == Delivery("happy")
    await ask(responder, ANGRY)
    told = responder.delivery_of("带身份证来。")
    assert (told.emotion, told.rate) == ("sad", responder.manner.rate)
    assert told.intensity == responder.manner.intensity
    assert 0.15 <= told.intensity <= 0.3
    assert 0.94 <= told.rate <= 0.97
    assert responder.delivery_of("恭喜您！") == Delivery("happy", None, told.rate)
    assert responder.delivery_of("带身份证来。", "surprised").emotion == "surprised"
    assert responder.delivery_of("带身份证来。", "neutral").emotion == "neutral"


async def test_fear_is_met_slowly_with_a_calm_face() -> None:
    responder = attune(Inner("好。"))
    await ask(responder, AFRAID)
    told = responder.delivery_of("带身份证来。")
    assert told.emotion is None
    assert 0.9 <= told.rate <= 0.95


@pytest.mark.parametrize(
    ("question", "emotion"), [(PLAIN, "happy"), (ANGRY, "sad"), (AFRAID, None)]
)
async def test_a_personas_smile_gives_way_to_a_mood(question: str, emotion: str | None) -> None:
    class Smiling(Inner):
        def emotion_of(self, text: str) -> Emotion | None:
            return "happy"

    responder = attune(Smiling("好。"), usual="happy")
    await ask(responder, question)
    assert responder.delivery_of("带身份证来。").emotion == emotion


async def test_what_a_model_wrote_without_a_mark_is_marked_and_a_stored_answer_is_not() -> None:
    pieces = [
        Said("恭喜您！\n"),
        Said("[ok] 很抱歉。", "happy"),
        Said("还有\n", "happy"),
        Said("很抱歉，今天不行，"),
        Said("明天再来吧。\n"),
        Said("带身份证来。"),
        "恭喜您！",
    ]
    got = await ask(attune(Inner(*pieces)), PLAIN)
    assert got == pieces
    marks = [getattr(piece, "emotion", "plain") for piece in got]
    assert marks == ["happy", "happy", "happy", "sad", "sad", None, "plain"]


def voice(pitch: float, level: float, pace: float, seconds: float = 3.0, seed: int = 0) -> Waveform:
    """A vowel-like sound: harmonics of a pitch, loud and soft as syllables are."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * 16_000)) / 16_000
    bend = np.cumsum(pitch * (1 + 0.05 * np.sin(2 * np.pi * 0.7 * times))) / 16_000
    tone = sum(np.sin(2 * np.pi * k * bend) / k for k in range(1, 12))
    beat = np.clip(np.sin(2 * np.pi * pace * times), 0, 1)
    noise = rng.normal(0, 1e-4, len(times))
    return Waveform((level * beat * tone + noise).astype(np.float32), 16_000)


async def test_an_excited_voice_with_plain_words_is_met_a_little_slower() -> None:
    responder = attune(Inner("好。"))
    assert isinstance(responder, Overhearing)
    for seed in range(3):
        responder.hear(voice(120, 0.05, 3.0, seed=seed))
        await ask(responder, PLAIN)
        assert responder.mood.arousal == "normal"
        assert responder.delivery_of("带身份证来。") == Delivery()
    responder.hear(voice(220, 0.25, 6.0))
    await ask(responder, PLAIN)
    assert (responder.mood.emotion, responder.mood.arousal) == ("neutral", "high")
    assert responder.delivery_of("带身份证来。") == Delivery(None, None, 0.97)


async def test_a_sound_is_for_one_reply_and_is_not_kept() -> None:
    reader = Listener()
    responder = AttunedResponder(Inner("好。"), reader)
    sound = voice(120, 0.05, 3.0)
    responder.hear(sound)
    await ask(responder, PLAIN)
    await ask(responder, PLAIN)
    assert [s is sound for s in reader.sounds] == [True, False]
    responder.hear(sound)
    responder.reply([Message("user", PLAIN)])  # broken off before it began
    await ask(responder, PLAIN)
    responder.hear(sound)
    responder.forget()
    await ask(responder, PLAIN)
    assert reader.sounds[2:] == [None, None]


async def test_forgetting_is_a_new_person() -> None:
    responder = attune(Inner("好。"))
    await ask(responder, ANGRY)
    assert responder.mood.emotion == "angry"
    responder.forget()
    assert responder.mood == Mood()
    assert responder.delivery_of("带身份证来。") == Delivery()


async def test_switched_off_nothing_is_different() -> None:
    inner = Inner("好。")
    responder = AttunedResponder(inner, MoodReader(share_encoder(), on=False))
    responder.hear(voice(220, 0.25, 6.0))
    await ask(responder, ANGRY)
    assert [m.role for m in inner.asked[0]] == ["user"]
    assert responder.delivery_of("带身份证来。") == Delivery()
    assert responder.delivery_of("恭喜您！") == Delivery("happy")
