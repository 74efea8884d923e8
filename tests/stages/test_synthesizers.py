from __future__ import annotations

import asyncio
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pypinyin import Style, lazy_pinyin

from conformance.synthesizer_suite import sound_of
from visavis.core.errors import LanguageUnsupported, TextUnusable, UnknownVoice
from visavis.core.types import Emotion, Sentence, Speech
from visavis.models.common.heard import LAG_S
from visavis.models.common.utterance import Whole
from visavis.pipeline.bridge import Worker
from visavis.stages.synthesizers.clauses import (
    FIRST,
    FIRST_PAUSE,
    SECONDS_PER_PHONEME,
    plan_clauses,
)
from visavis.stages.synthesizers.delivery import deliver, manner_of
from visavis.stages.synthesizers.hibari import VOICE, HibariSynthesizer
from visavis.stages.synthesizers.kokoro import DEFAULT_VOICES, KokoroSynthesizer
from visavis.stages.synthesizers.loudness import PEAK
from visavis.stages.synthesizers.text.phonemes import phonemize
from visavis.stages.synthesizers.text.pinyin import cut_words, read_words

LONG_ENGLISH = (
    "Please bring your identity card and a recent photograph to the service hall before Friday, "
    "and the certificate will be mailed to you within 5 working days."
)
LONG_CHINESE = (
    "办理身份证需要携带户口簿和近期免冠照片，请您先在网上预约，然后到办事大厅三号窗口提交申请材料。"
)


# From text to phonemes


def words_of(text, language):
    return [(text[s.start : s.end], s.phonemes) for s in phonemize(text, language) if s.is_word]


def test_words_are_as_written():
    written = [w for w, _ in words_of("增长了50%，费用￥1,234.50，2025年3月15日。", "zh")]
    assert written == ["增长", "了", "50%", "费用", "￥1,234.50", "2025年", "3月", "15日"]
    written = [w for w, _ in words_of("Don't pay $5.99 at 9:30 AM, Dr. Smith's ATM.", "en")]
    assert written == ["Don't", "pay", "$5.99", "at", "9:30 AM", "Dr.", "Smith's", "ATM"]


def test_mixed_scripts_are_each_read_in_their_own():
    said = dict(words_of("请带A4纸和VISA卡，Hello world。", "zh"))
    assert said["A4纸"].startswith("ˈA sɨ↘")
    assert said["VISA"] == "vˈizə"
    assert said["world"] == "wˈɜɹld"
    said = dict(words_of("The word 你好 means hello.", "en"))
    assert said["你好"] == "ni↗xau↓"


def test_letters_are_named_and_the_article_is_not():
    said = words_of("B超和A座", "zh")
    assert ("A", "ˈA") in said
    assert said[0] == ("B", "bˈi")
    assert dict(words_of("This is a form.", "en"))["a"] == "ɐ"


def test_pauses_are_merged_and_none_opens_a_sentence():
    text = "".join(s.phonemes for s in phonemize("（见附件）……好！！！", "zh"))
    assert text == "ʨjɛ↘n fu↘ʨjɛ↘n… xau↓!"


@pytest.mark.parametrize(
    ("text", "word", "phonemes"),
    [
        ("时限为三天", "为", "wei↗"),
        ("为您服务", "为您服务", "wei↘ni↗nfu↗u↘"),
        ("您得带上证件", "得", "tei↓"),
        ("这两只猫", "两只", "lja↓ŋꭧɨ→"),
        ("局长在银行", "银行", "i↗nxa↗ŋ"),
        ("重新登记", "重新", "ꭧʰʊ↗ŋɕi→n"),
        ("照片", "照片", "ꭧau↘pʰjɛ↘n"),
        ("视为同意", "视为", "ʂɨ↘wei↗"),
        ("你好", "你好", "ni↗xau↓"),
        ("我想去", "我", "wo↗"),
        ("不是不去", "不是", "pu↗ʂɨ↘"),
        ("一共三次", "一共", "i↗kʊ↘ŋ"),
        ("一般", "一般", "i↘pa→n"),
        ("一月", "一月", "i→ɥe↘"),
        ("第一名", "第一名", "ti↘i→mi↗ŋ"),
    ],
)
def test_characters_with_several_readings(text, word, phonemes):
    words = cut_words(text)
    assert dict(zip(words, read_words(words), strict=True))[word] == phonemes


def test_rare_characters_do_not_break():
    assert phonemize("龘䶮𠀀好", "zh")


@pytest.mark.parametrize("text", ["", "😀", "……", "\x00"])
def test_nothing_to_phonemize(text):
    with pytest.raises(TextUnusable):
        phonemize(text, "zh")


def test_links_in_the_text_are_not_phonemes():
    assert "xxx" not in "".join(s.phonemes for s in phonemize("see [this](/xxx/) now", "en"))


# From phonemes to clauses


def test_short_sentences_are_whole():
    assert len(plan_clauses(phonemize("您好，请坐。", "zh"))) == 1


@pytest.mark.parametrize(("text", "language"), [(LONG_CHINESE, "zh"), (LONG_ENGLISH, "en")])
def test_a_long_opening_is_cut_at_a_pause(text, language):
    sounds = phonemize(text, language)
    clauses = plan_clauses(sounds)
    assert [s for c in clauses for s in c.sounds] == sounds
    first = sum(len(s.phonemes) for s in clauses[0].sounds) * SECONDS_PER_PHONEME
    assert 0.4 < first <= FIRST_PAUSE
    assert not any(c.before or c.after for c in clauses)
    assert 2 <= len(clauses) <= 4


def test_an_opening_without_a_pause_is_cut_early_in_its_context():
    text = LONG_CHINESE.replace("，", "", 1)
    clauses = plan_clauses(phonemize(text, "zh"))
    first = sum(len(s.phonemes) for s in clauses[0].sounds) * SECONDS_PER_PHONEME
    assert 0.4 < first <= FIRST
    assert clauses[0].after
    assert clauses[1].before
    assert not clauses[0].before
    assert clauses[1].sounds[-2].is_pause
    assert not clauses[1].after
    assert not clauses[2].before


@pytest.mark.parametrize(("text", "language"), [(LONG_CHINESE, "zh"), (LONG_ENGLISH, "en")])
def test_sentences_that_nobody_waits_for_are_cut_less(text, language):
    sounds = phonemize(text, language)
    opening, later = plan_clauses(sounds), plan_clauses(sounds, opening=False)
    assert len(later) <= len(opening)
    assert all(not c.before and not c.after for c in later), "cut at pauses only"
    assert [s for c in later for s in c.sounds] == sounds


def test_clauses_of_a_text_without_pauses_stay_within_the_network():
    sounds = phonemize("word " * 190, "en")
    assert all(sum(len(s.phonemes) for s in c.sounds) < 400 for c in plan_clauses(sounds))


def fake_render(phonemes, speed):
    """Two units a character; a tone in words, silence in pauses and around; it leads as voices do."""
    units = np.full(len(phonemes) + 2, 2, np.int64)
    loud = [0, *(0 if c in " ,.;:!?—…" else 1 for c in phonemes), 0]
    rng = np.random.default_rng(len(phonemes))
    sound = np.repeat(np.repeat(loud, 2), 600) * np.float32(0.3 + 0.2 * rng.random())
    tone = (sound * np.sin(np.arange(len(sound)) / 20)).astype(np.float32)
    lag = round(LAG_S * 24_000)
    return Whole(np.concatenate([tone[lag:], np.zeros(lag, np.float32)]), units)


def speeches_of(text, language, emotion: Emotion = "neutral") -> list[Speech]:
    sentence = Sentence(1, 0, text, language, emotion, 1.0)
    return list(deliver(sentence, phonemize(text, language), fake_render, 24_000, 600))


@pytest.mark.parametrize(("text", "language"), [(LONG_CHINESE, "zh"), (LONG_ENGLISH, "en")])
def test_every_word_has_a_mark_where_its_sound_is(text, language):
    speeches = speeches_of(text, language)
    sound = sound_of(speeches)
    marks = [m for s in speeches for m in s.marks if m.kind == "word"]
    assert [m.text for m in marks] == [w for w, _ in words_of(text, language)]
    for mark in marks:
        assert np.abs(sound[mark.start : mark.end]).max() > 0.05
    between = np.ones(len(sound), bool)
    for mark in marks:
        between[max(0, mark.start - 300) : mark.end + 300] = False
    assert np.abs(sound[between]).max() < 0.02


def test_phoneme_marks_are_the_phonemes_in_a_row():
    speeches = speeches_of(LONG_ENGLISH, "en")
    marks = [m for s in speeches for m in s.marks if m.kind == "phoneme"]
    whole = "".join(s.phonemes for s in phonemize(LONG_ENGLISH, "en"))
    assert "".join(m.text for m in marks).replace(" ", "") == whole.replace(" ", "")
    assert all(a.end <= b.start for a, b in itertools.pairwise(marks))


def test_level_is_kept_and_peaks_are_bent():
    def loud(phonemes, speed):
        quiet = fake_render(phonemes, speed)
        sound = quiet.sound(0, int(quiet.durations.sum()) * 600)
        return Whole(sound * 20, quiet.durations)

    for render in (fake_render, loud):
        sentence = Sentence(0, 0, LONG_ENGLISH, "en")
        sound = sound_of(
            list(deliver(sentence, phonemize(LONG_ENGLISH, "en"), render, 24_000, 600))
        )
        assert np.abs(sound).max() <= PEAK + 1e-6


def test_emotions_change_pace_a_little():
    assert manner_of("neutral", 1.0) == manner_of("sad", 0.0)
    for emotion in ("angry", "sad", "happy", "fear", "contempt", "disgusted", "surprised"):
        assert 0.85 <= manner_of(emotion, 1.0).speed <= 1.15


# The stages


@pytest.fixture(scope="module")
def hibari():
    return HibariSynthesizer()


def test_chinese_is_refused_with_advice(hibari):
    with pytest.raises(LanguageUnsupported, match=r"English only.*kokoro"):
        list(hibari.iterate(Sentence(0, 0, "你好", "zh"), VOICE))


def test_no_click_at_the_joins(hibari):
    speeches = list(hibari.iterate(Sentence(0, 0, LONG_ENGLISH, "en"), ""))
    assert len(speeches) > 1
    assert_joins_are_smooth(speeches)


@pytest.fixture(scope="module")
def whisper():
    from faster_whisper import WhisperModel

    from visavis.models.assets import locate

    return WhisperModel(str(locate("whisper-base")), compute_type="int8", cpu_threads=2)


@pytest.fixture(scope="module")
def kokoro():
    return KokoroSynthesizer()


@pytest.mark.assets
def test_default_voices_come_first(kokoro):
    voices = kokoro.voices()
    defaults = [name for pair in DEFAULT_VOICES.values() for name in pair]
    assert [v.name for v in voices[:4]] == defaults
    assert [v.gender for v in voices[:4]] == ["female", "male"] * 2
    assert sum(v.languages[0] == "zh" for v in voices) == 9
    assert sum(v.languages[0] == "en" for v in voices) == 28


@pytest.mark.assets
def test_a_mixed_sentence_is_marked_across_the_joins(kokoro):
    text = "请带A4纸和VISA卡，费用是￥50。"
    speeches = list(kokoro.iterate(Sentence(0, 0, text, "zh"), ""))
    sound = sound_of(speeches)
    marks = [m for s in speeches for m in s.marks if m.kind == "word"]
    assert [m.text for m in marks] == [w for w, _ in words_of(text, "zh")]
    for mark in marks:
        assert np.sqrt(np.mean(sound[mark.start : mark.end] ** 2)) > 0.01, mark
    assert_joins_are_smooth(speeches)


@pytest.mark.assets
def test_closing_the_iterator_stops(kokoro):
    speeches = kokoro.iterate(Sentence(0, 0, LONG_CHINESE, "zh"), "")
    first = next(speeches)
    assert not first.is_last
    assert first.audio.duration < 0.7
    speeches.close()
    assert next(speeches, None) is None


@pytest.mark.assets
def test_unknown_voice_before_any_work(kokoro):
    with pytest.raises(UnknownVoice, match="visavis voices"):
        next(kokoro.iterate(Sentence(0, 0, "你好", "zh"), "bob"))


@pytest.mark.assets
async def test_a_sentence_that_nobody_waits_for_is_broken_off() -> None:
    synthesizer, worker = KokoroSynthesizer(), Worker("voice")
    text = "请带上身份证、居住证明和一张近期照片，到居住地派出所或社区服务站办理。"
    sentence = Sentence(1, 1, text, "zh")

    async def speak() -> tuple[np.ndarray, float]:
        began = time.monotonic()
        relay = worker.iterate(lambda: synthesizer.speak(sentence, ""), limit=100)
        return sound_of([speech async for speech in relay]), time.monotonic() - began

    await speak()
    first, whole = await speak()
    relay = worker.iterate(lambda: synthesizer.speak(sentence, ""))
    await asyncio.sleep(whole / 4)
    began = time.monotonic()
    await relay.aclose()
    assert time.monotonic() - began < whole / 4
    again, _ = await speak()
    assert np.array_equal(again, first)
    await worker.close()


@pytest.mark.assets
def test_sessions_on_several_threads(kokoro):
    sentence = Sentence(0, 0, "您好，请坐。", "zh")
    alone = sound_of(list(kokoro.iterate(sentence, "")))
    barrier = threading.Barrier(2)

    def one(_):
        barrier.wait()
        return sound_of(list(KokoroSynthesizer().iterate(sentence, "")))

    with ThreadPoolExecutor(2) as pool:
        for sound in pool.map(one, range(2)):
            assert np.array_equal(sound, alone)


@pytest.mark.assets
@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("今天下午我们一起去公园散步。", "zh", ["公园", "散步"]),
        ("The weather is very nice today, so we went to the park.", "en", ["weather", "park"]),
    ],
)
# CTranslate2's converter table is not used; faster_whisper imports setuptools' old module.
@pytest.mark.filterwarnings("ignore:pkg_resources is deprecated")
def test_what_is_said_is_recognised(kokoro, whisper, text, language, words):
    speeches = list(kokoro.iterate(Sentence(0, 0, text, language), ""))
    sound = sound_of(speeches)
    at_16k = np.interp(np.arange(0, len(sound), 1.5), np.arange(len(sound)), sound)
    prompt = "以下是普通话的句子。" if language == "zh" else None
    segments, _ = whisper.transcribe(
        at_16k.astype(np.float32), language=language, initial_prompt=prompt, beam_size=5
    )
    heard = "".join(s.text for s in segments)
    # A word of the same sound is heard as well as the word: it depends on the processor which is written.
    assert all(sounds_of(word) in sounds_of(heard) for word in words), heard


def sounds_of(text: str) -> str:
    """Text with Chinese characters as pinyin, with tones."""
    return " ".join(lazy_pinyin(text, style=Style.TONE3))


def assert_joins_are_smooth(speeches: list[Speech]) -> None:
    """No step at a join is larger than those of the speech around it."""
    sound = sound_of(speeches)
    for speech in speeches[1:]:
        at = speech.audio.offset
        around = np.abs(np.diff(sound[at - 1200 : at + 1200]))
        assert np.abs(np.diff(sound[at - 2 : at + 2])).max() <= max(around.max(), 0.01)
        assert np.abs(np.diff(sound[at - 2 : at + 2])).max() < 0.2
