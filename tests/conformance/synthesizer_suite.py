"""What every synthesizer must do."""

from typing import ClassVar

import numpy as np
import pytest

from visavis.core.errors import TextUnusable, UnknownVoice
from visavis.core.protocols import Synthesizer
from visavis.core.types import Language, Sentence, Speech, Voice


async def speak(stage: Synthesizer, sentence: Sentence, voice: str) -> list[Speech]:
    return [speech async for speech in stage.speak(sentence, voice)]


def sound_of(speeches: list[Speech]) -> np.ndarray:
    return np.concatenate([s.audio.samples for s in speeches])


class SynthesizerSuite:
    """Subclass with the fixture ``synthesizer``; set ``texts`` to what it can speak."""

    texts: ClassVar[dict[Language, tuple[str, str]]] = {
        "en": ("Please bring your identity card.", "The office opens at nine."),
        "zh": ("请带上您的身份证。", "窗口九点开门。"),
    }
    tolerance = 0.0

    @pytest.fixture
    def voice(self, synthesizer: Synthesizer) -> Voice:
        return synthesizer.voices()[0]

    def sentence(self, voice: Voice, number: int = 0, turn: int = 3) -> Sentence:
        language = voice.languages[0]
        return Sentence(turn, number, self.texts[language][number], language)

    def assert_same(self, left: list[Speech], right: list[Speech]) -> None:
        a, b = sound_of(left), sound_of(right)
        assert len(a) == len(b)
        assert float(np.abs(a - b).max()) <= self.tolerance

    def test_lists_voices_with_names_of_their_own(self, synthesizer: Synthesizer) -> None:
        assert isinstance(synthesizer, Synthesizer)
        voices = synthesizer.voices()
        assert voices
        assert len({v.name for v in voices}) == len(voices)
        for voice in voices:
            assert voice.languages
            assert set(voice.languages) <= {"zh", "en"}
            assert voice.sample_rate % 25 == 0, "frames need a whole number of samples"

    async def test_sound_and_marks_keep_their_ranges(
        self, synthesizer: Synthesizer, voice: Voice
    ) -> None:
        sentence = self.sentence(voice)
        speeches = await speak(synthesizer, sentence, voice.name)
        position = 0
        for speech in speeches:
            assert speech.turn == sentence.turn
            assert speech.sentence == sentence
            assert speech.audio.sample_rate == voice.sample_rate
            assert speech.audio.samples.dtype == np.float32
            assert speech.audio.samples.ndim == 1
            assert np.isfinite(speech.audio.samples).all()
            assert np.abs(speech.audio.samples).max() <= 1.0
            assert speech.audio.offset == position
            position += len(speech.audio.samples)
        assert [s.is_last for s in speeches] == [False] * (len(speeches) - 1) + [True]
        assert 0.3 < position / voice.sample_rate < 15
        assert np.abs(sound_of(speeches)).max() > 0.05, "somebody speaks"
        for kind in ("word", "phoneme"):
            marks = [m for s in speeches for m in s.marks if m.kind == kind]
            starts = [m.start for m in marks]
            assert starts == sorted(starts)
            assert all(0 <= m.start <= m.end <= position for m in marks)

    async def test_same_text_same_sound(self, synthesizer: Synthesizer, voice: Voice) -> None:
        sentence = self.sentence(voice)
        first = await speak(synthesizer, sentence, voice.name)
        await speak(synthesizer, self.sentence(voice, 1), voice.name)
        self.assert_same(first, await speak(synthesizer, sentence, voice.name))

    async def test_two_sessions_do_not_mix(self, synthesizer: Synthesizer, voice: Voice) -> None:
        one, two = self.sentence(voice, 0, turn=1), self.sentence(voice, 1, turn=2)
        alone = (
            await speak(synthesizer, one, voice.name),
            await speak(synthesizer, two, voice.name),
        )
        left, right = synthesizer.speak(one, voice.name), synthesizer.speak(two, voice.name)
        mixed: tuple[list[Speech], list[Speech]] = ([], [])
        open_ones = [(left, mixed[0]), (right, mixed[1])]
        while open_ones:
            for pair in list(open_ones):
                try:
                    pair[1].append(await anext(pair[0]))
                except StopAsyncIteration:
                    open_ones.remove(pair)
        self.assert_same(alone[0], mixed[0])
        self.assert_same(alone[1], mixed[1])
        assert {s.turn for s in mixed[0]} == {1}
        assert {s.turn for s in mixed[1]} == {2}

    async def test_broken_off_and_used_again(self, synthesizer: Synthesizer, voice: Voice) -> None:
        sentence = self.sentence(voice)
        fresh = await speak(synthesizer, sentence, voice.name)
        broken = synthesizer.speak(self.sentence(voice, 1), voice.name)
        await anext(broken)
        await broken.aclose()  # type: ignore[attr-defined]
        self.assert_same(fresh, await speak(synthesizer, sentence, voice.name))

    async def test_unknown_voice(self, synthesizer: Synthesizer, voice: Voice) -> None:
        with pytest.raises(UnknownVoice):
            await speak(synthesizer, self.sentence(voice), "nobody")

    @pytest.mark.parametrize("text", ["", "   ", "🙂", "…!?"])
    async def test_nothing_to_speak(
        self, synthesizer: Synthesizer, voice: Voice, text: str
    ) -> None:
        with pytest.raises(TextUnusable):
            await speak(synthesizer, Sentence(1, 0, text, voice.languages[0]), voice.name)
