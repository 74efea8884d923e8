"""What every recogniser must do."""

from collections.abc import AsyncIterator

import numpy as np
import pytest

from visavis.core.errors import AudioSilent
from visavis.core.protocols import Recognizer
from visavis.core.types import Transcript, Waveform


async def chunks(sound: Waveform, seconds: float) -> AsyncIterator[Waveform]:
    size = max(round(seconds * sound.sample_rate), 1)
    for start in range(0, len(sound.samples), size):
        yield Waveform(sound.samples[start : start + size], sound.sample_rate, start)


async def hear(stage: Recognizer, sound: Waveform, seconds: float = 0.2) -> list[Transcript]:
    return [heard async for heard in stage.transcribe(chunks(sound, seconds))]


def final_text(transcripts: list[Transcript]) -> str:
    return "".join(t.text for t in transcripts if t.is_final)


class RecognizerSuite:
    """Subclass with the fixtures ``recognizer``, ``question`` (a Waveform) and ``expected``.

    ``expected`` is a word that must be in what was heard.
    """

    async def test_hears_the_question(
        self, recognizer: Recognizer, question: Waveform, expected: str
    ) -> None:
        assert isinstance(recognizer, Recognizer)
        heard = await hear(recognizer, question)
        assert heard[-1].is_final
        assert expected.lower() in final_text(heard).lower()
        end = 0.0
        for transcript in heard:
            if transcript.is_final:
                assert end - 0.05 <= transcript.start <= transcript.end + 1e-6
                assert transcript.end <= question.duration + 0.5
                end = transcript.end
                times = [t for w in transcript.words for t in (w.start, w.end)]
                assert times == sorted(times)

    async def test_chunked_equals_whole(self, recognizer: Recognizer, question: Waveform) -> None:
        whole = final_text(await hear(recognizer, question, question.duration + 1))
        assert whole == final_text(await hear(recognizer, question, 0.08))

    async def test_same_sound_same_text(self, recognizer: Recognizer, question: Waveform) -> None:
        first = final_text(await hear(recognizer, question))
        assert first == final_text(await hear(recognizer, question))

    async def test_two_sessions_do_not_mix(
        self, recognizer: Recognizer, question: Waveform
    ) -> None:
        alone = final_text(await hear(recognizer, question))
        quiet = Waveform(question.samples * np.float32(0.5), question.sample_rate)
        one = recognizer.transcribe(chunks(question, 0.2))
        two = recognizer.transcribe(chunks(quiet, 0.2))
        texts = ["", ""]
        open_ones = [(0, one), (1, two)]
        while open_ones:
            for pair in list(open_ones):
                try:
                    heard = await anext(pair[1])
                except StopAsyncIteration:
                    open_ones.remove(pair)
                    continue
                texts[pair[0]] += heard.text if heard.is_final else ""
        assert texts[0] == alone
        assert texts[1], "the quieter twin was heard too"

    async def test_broken_off_and_used_again(
        self, recognizer: Recognizer, question: Waveform
    ) -> None:
        fresh = final_text(await hear(recognizer, question))
        broken = recognizer.transcribe(chunks(question, 0.2))
        await anext(broken)
        await broken.aclose()  # type: ignore[attr-defined]
        assert final_text(await hear(recognizer, question)) == fresh

    @pytest.mark.parametrize("seconds", [0.5, 3.0])
    async def test_silence_is_an_error(self, recognizer: Recognizer, seconds: float) -> None:
        silence = Waveform(np.zeros(round(16_000 * seconds), np.float32), 16_000)
        with pytest.raises(AudioSilent):
            await hear(recognizer, silence)
