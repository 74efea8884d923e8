from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.apps.assemble import Cast, VoiceRouter, check_output, clean_text
from visavis.apps.settings import Settings
from visavis.core import registry
from visavis.core.errors import OutputUnwritable, TextUnusable, UnknownStage, UnknownVoice
from visavis.core.types import Sentence, Transcript
from visavis.stages import fakes


@pytest.mark.usefixtures("fake_stages")
class TestVoiceRouter:
    async def test_speaks_with_the_stage_that_has_the_voice(self) -> None:
        router = VoiceRouter()
        sentence = Sentence(1, 0, "Hello there", "en")
        speeches = [s async for s in router.speak(sentence, "tone_low")]
        assert {s.audio.sample_rate for s in speeches} == {24_000}
        alone = [s async for s in fakes.ToneSynthesizer().speak(sentence, "tone_low")]
        for mine, theirs in zip(speeches, alone, strict=True):
            assert np.array_equal(mine.audio.samples, theirs.audio.samples)

    async def test_brings_every_voice_to_one_rate(self) -> None:
        router = VoiceRouter(sample_rate=16_000)
        sentence = Sentence(1, 0, "Hello there you", "en")
        speeches = [s async for s in router.speak(sentence, "tone_low")]
        assert {s.audio.sample_rate for s in speeches} == {16_000}
        position = 0
        for speech in speeches:
            assert speech.audio.offset == position
            position += len(speech.audio.samples)
        # 13 letters of 0.06 s
        assert position == pytest.approx(13 * 0.06 * 16_000, abs=2)
        assert speeches[-1].marks[0].end == pytest.approx(position, abs=2)
        assert [v.sample_rate for v in router.voices()] == [16_000, 16_000]

    async def test_an_unknown_voice_is_an_error_that_names_some(self) -> None:
        with pytest.raises(UnknownVoice, match="tone_low, tone_high"):
            async for _ in VoiceRouter().speak(Sentence(1, 0, "Hi", "en"), "nobody"):
                pass


class TestRespelling:
    def test_questions_are_written_as_the_base_writes_them(self) -> None:
        cast = Cast()
        heard = Transcript("我想提取恭喜金。", True, 0.0, 2.0, "zh")
        assert cast.respell(replace(heard, text="我想提取攻击金。")).text == "我想提取公积金。"
        # Another sound, another language, another wish.
        assert cast.respell(heard) is heard
        english = replace(heard, language="en")
        assert cast.respell(english) is english
        plain = Cast(Settings(respell=False))
        assert plain.respell(replace(heard, text="攻击金")).text == "攻击金"

    def test_the_recogniser_of_questions_does_and_that_of_files_does_not(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given: list[Any] = []

        class Hears:
            def __init__(self, language: str, hint: str, respell: Any) -> None:
                given.append((language, hint, respell))

        monkeypatch.setattr(registry, "load", lambda kind, name: Hears)
        cast = Cast(Settings(hint="公积金"))
        assert cast.recognizer is cast.recognizer
        cast.make_recognizer("en", "names")
        assert given == [("auto", "公积金", cast.respell), ("en", "names", None)]

    def test_a_responder_without_a_base_changes_nothing(self, cast: Cast) -> None:
        heard = Transcript("攻击金", True, 0.0, 1.0, "zh")
        assert cast.respell(heard) is heard


class TestVoices:
    def test_the_voice_asked_for_goes_first(self, cast: Cast) -> None:
        avatar = fakes.make_avatar()
        assert cast.choose_voices(avatar) == {"zh": "tone_low", "en": "tone_high"}
        cast.voice = "tone_high"
        assert cast.choose_voices(avatar) == {"zh": "tone_high", "en": "tone_high"}
        cast.voice = "nobody"
        with pytest.raises(UnknownVoice):
            cast.choose_voices(avatar)

    def test_an_unknown_stage_is_named(self, cast: Cast) -> None:
        from dataclasses import replace

        cast.settings = replace(cast.settings, animator="nothing")
        with pytest.raises(UnknownStage, match="nothing"):
            cast.open_conversation()


class TestText:
    def test_control_characters_become_spaces(self) -> None:
        assert clean_text("a\x00b\x1b[31mc\u200bd\n e ", 100) == "a b [31mc d\n e"

    @pytest.mark.parametrize("text", ["", " \n ", "\x00\x01"])
    def test_empty_is_an_error(self, text: str) -> None:
        with pytest.raises(TextUnusable, match="empty"):
            clean_text(text, 10)

    def test_too_long_is_an_error_that_says_both_numbers(self) -> None:
        with pytest.raises(TextUnusable, match="100000 characters and the limit is 20000"):
            clean_text("字" * 100_000, 20_000)

    @given(st.text(max_size=50))
    def test_any_text_is_cleaned_or_refused(self, text: str) -> None:
        try:
            cleaned = clean_text(text, 100)
        except TextUnusable:
            return
        assert cleaned
        assert all(c.isprintable() or c in "\n\t" for c in cleaned)


class TestOutput:
    def test_leaves_nothing_behind(self, tmp_path: Path) -> None:
        assert check_output(tmp_path / "视频 1.mp4", (".mp4",)) == tmp_path / "视频 1.mp4"
        assert list(tmp_path.iterdir()) == []

    def test_wrong_ending(self, tmp_path: Path) -> None:
        with pytest.raises(OutputUnwritable, match="does not end in"):
            check_output(tmp_path / "a.avi", (".mp4",))

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(OutputUnwritable, match="not a folder"):
            check_output(tmp_path / "nowhere" / "a.mp4", (".mp4",))
