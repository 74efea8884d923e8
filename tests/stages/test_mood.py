import time
from collections.abc import Sequence

import numpy as np
import pytest

from visavis.core.types import EMOTIONS, Emotion, Floats, Waveform
from visavis.models.sentence_encoder.predictor import SentenceEncoder
from visavis.models.text_emotion.predictor import TextEmotion
from visavis.stages.mood.answer_manner import respond_to
from visavis.stages.mood.answer_marking import AnswerMarker
from visavis.stages.mood.marks import awaits_mark, split_mark
from visavis.stages.mood.mood import Mood
from visavis.stages.mood.reader import MoodReader

RATE = 16000


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture
def reader(encoder: SentenceEncoder) -> MoodReader:
    return MoodReader(encoder)


class FixedModel(TextEmotion):
    """Gives each text the probabilities that the test wrote for it."""

    def __init__(self, known: dict[str, dict[Emotion, float]]) -> None:
        super().__init__()
        self._known = known
        self.threshold = 0.5

    def classify(self, texts: Sequence[str], vectors: Floats) -> Floats:
        rows = [[self._known[text].get(e, 0.0) for e in EMOTIONS] for text in texts]
        return np.array(rows, np.float32)


def voice(hertz: float, level: float) -> Waveform:
    time_s = np.arange(3 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(hertz * (1 + 0.1 * np.sin(3 * time_s))) / RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, 9)) * np.abs(np.sin(11 * time_s))
    hiss = np.random.default_rng(0).normal(0, 2e-4, len(time_s))
    return Waveform((level * sound + hiss).astype(np.float32), RATE)


CALM, EXCITED = voice(180, 0.08), voice(260, 0.25)


# The reader


def test_a_plain_question_is_neutral_and_an_angry_one_is_not(reader: MoodReader) -> None:
    assert reader.read("居住证到期了怎么续签？", "zh").emotion == "neutral"
    mood = reader.read("你们这是什么态度，我要投诉，气死我了！", "zh")
    assert mood.emotion == "angry"
    assert mood.intensity > 0.5
    assert mood.confidence > 0.5


def test_one_angry_word_does_not_stick(reader: MoodReader) -> None:
    assert reader.read("气死我了，我要投诉你们！", "zh").emotion == "angry"
    assert reader.read("身份证丢了怎么补办？", "zh").emotion == "neutral"


def test_what_is_doubtful_is_read_in_the_light_of_before(encoder: SentenceEncoder) -> None:
    model = FixedModel(
        {
            "angry": {"angry": 0.9, "neutral": 0.1},
            "doubt": {"angry": 0.45, "neutral": 0.35, "sad": 0.2},
            "calm": {"neutral": 0.9, "angry": 0.1},
        }
    )
    reader = MoodReader(encoder, model)
    assert reader.read("doubt", "en").emotion == "neutral"
    reader.reset()
    assert reader.read("angry", "en").emotion == "angry"
    after = reader.read("doubt", "en")
    assert after.emotion == "angry"
    assert after.confidence == pytest.approx(0.75 * 0.45 + 0.25 * 0.9, abs=1e-3)
    assert reader.read("calm", "en").emotion == "neutral"
    assert reader.read("calm", "en").confidence > 0.85
    reader.reset()
    assert reader.read("doubt", "en").emotion == "neutral"


def test_switched_off_it_reads_and_remembers_nothing() -> None:
    class Broken:
        def encode(self, texts: Sequence[str]) -> Floats:
            raise AssertionError("it read")

    reader = MoodReader(Broken(), on=False)
    assert reader.read("I hate you!", "en", CALM) == Mood()


@pytest.mark.parametrize("text", ["", "   ", "。。。", "\ud83d", "😶", "x" * 100_000])
def test_odd_texts_are_neutral(reader: MoodReader, text: str) -> None:
    assert reader.read(text, "zh").emotion == "neutral"


def test_one_sentence_of_a_long_report_is_heard(reader: MoodReader) -> None:
    report = (
        "I came on Monday with the form and two photos. The clerk at window three took them."
        " She said it takes five days and gave me a receipt with a number on it."
        " I am furious, this is outrageous!"
    )
    assert reader.read(report, "en").emotion == "angry"


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("我的钱包丢了，我好害怕，身份证怎么补办？", "fear"),
        ("气死我了你们这是什么破服务，身份证怎么补办。", "angry"),
        ("我妈妈刚去世了，我很难过，户口怎么注销？", "sad"),
        ("驾驶证去哪里领？太好了，我考过驾照了！", "happy"),
        ("I lost my wallet and I am so scared, how do I get a new card?", "fear"),
        ("What do I do with his passport? My dad died last week.", "sad"),
        ("身份证、照片、户口本，这些都要带吗，还是只带身份证，或者护照，请问？", "neutral"),
        ("I moved last month, so I need a new card, and how much is it?", "neutral"),
    ],
)
def test_a_feeling_beside_a_plain_question_is_heard(
    reader: MoodReader, text: str, emotion: Emotion
) -> None:
    assert reader.read(text, "zh").emotion == emotion
    reader.reset()
    reader.read("身份证怎么补办？", "zh")
    assert reader.read(text, "zh").emotion == emotion, "after a calm turn, too"


def test_the_voice_makes_an_excited_feeling_likelier_and_stronger(encoder: SentenceEncoder) -> None:
    model = FixedModel({"q": {"neutral": 1.0}, "mad": {"angry": 0.6, "sad": 0.2, "neutral": 0.2}})

    def read(last: Waveform | None) -> Mood:
        reader = MoodReader(encoder, model)
        for _ in range(3):
            reader.read("q", "en", CALM)
        reader._kept = None
        return reader.read("mad", "en", last)

    silent, calm, excited = read(None), read(CALM), read(EXCITED)
    assert calm.arousal == "normal"
    assert excited.arousal == "high"
    assert excited.confidence > calm.confidence
    assert calm.confidence == pytest.approx(silent.confidence, abs=0.02)
    assert excited.intensity > calm.intensity + 0.1


def test_the_voice_alone_names_no_emotion(encoder: SentenceEncoder) -> None:
    model = FixedModel({"q": {"neutral": 0.8, "angry": 0.1, "happy": 0.1}})
    reader = MoodReader(encoder, model)
    moods = [reader.read("q", "en", sound) for sound in (CALM, CALM, CALM, EXCITED, EXCITED)]
    assert [mood.emotion for mood in moods] == ["neutral"] * 5
    assert [mood.arousal for mood in moods] == ["normal"] * 3 + ["high"] * 2
    assert all(mood.intensity == 0 for mood in moods)


def test_a_voice_without_words_counts_for_the_habit_only(reader: MoodReader) -> None:
    assert reader.read("", "en", CALM) == Mood()
    reader.read("", "en", CALM)
    assert reader.read("", "en", EXCITED) == Mood(arousal="high")


def test_sessions_do_not_mix(encoder: SentenceEncoder) -> None:
    one, other = MoodReader(encoder), MoodReader(encoder)
    one.read("气死我了，我要投诉你们！", "zh", EXCITED)
    fresh = MoodReader(encoder).read("那怎么办？", "zh", CALM)
    assert other.read("那怎么办？", "zh", CALM) == fresh


def test_it_takes_less_than_five_milliseconds_beside_the_vector() -> None:
    class Quick:
        def encode(self, texts: Sequence[str]) -> Floats:
            return np.full((len(texts), 512), 512**-0.5, np.float32)

    reader = MoodReader(Quick())
    times = []
    for _ in range(30):
        began = time.perf_counter()
        reader.read("我都来了三次了，你们到底什么时候能办好！", "zh")
        times.append(time.perf_counter() - began)
    assert np.median(times) < 0.005


# How the answer follows


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_hostility_and_fear_are_never_given_back(emotion: Emotion) -> None:
    manner = respond_to(Mood(emotion, 1.0, 1.0, "high"))
    assert manner.emotion in ("neutral", "happy", "sad")
    assert 0.85 <= manner.rate <= 1.1
    assert 0 <= manner.intensity <= 0.6
    assert bool(manner.prompt_zh) == bool(manner.prompt_en) == (emotion != "neutral")


@pytest.mark.parametrize(
    ("emotion", "face", "pace"),
    [
        ("angry", "sad", "slower"),
        ("contempt", "neutral", "same"),
        ("disgusted", "neutral", "same"),
        ("fear", "neutral", "slower"),
        ("happy", "happy", "faster"),
        ("neutral", "neutral", "same"),
        ("sad", "sad", "slower"),
        ("surprised", "neutral", "same"),
    ],
)
def test_each_mood_has_its_answer(emotion: Emotion, face: Emotion, pace: str) -> None:
    manner = respond_to(Mood(emotion, 0.8, 0.8))
    assert manner.emotion == face
    assert (manner.intensity > 0) == (face != "neutral")
    told = "slower" if manner.rate < 1 else "faster" if manner.rate > 1 else "same"
    assert told == pace


def test_stronger_moods_are_answered_more() -> None:
    mild, strong = respond_to(Mood("sad", 0.2, 0.5)), respond_to(Mood("sad", 1.0, 1.0))
    assert 0 < mild.intensity < strong.intensity == 0.4
    assert 1 > mild.rate > strong.rate == 0.92


def test_no_mood_is_answered_plainly() -> None:
    assert respond_to(Mood()).emotion == "neutral"
    assert respond_to(Mood()).rate == 1
    assert respond_to(Mood(arousal="high")).rate < 1


# Marks of a model


@pytest.mark.parametrize(
    ("text", "emotion", "rest"),
    [
        ("[happy] 您好。", "happy", "您好。"),
        ("（开心）欢迎！", "happy", "欢迎！"),
        ("<emotion=sad>很抱歉。", "sad", "很抱歉。"),
        ('<emotion="sad">很抱歉。</emotion>', "sad", "很抱歉。"),
        ("【情绪：高兴】好。", "happy", "好。"),
        ("[ Surprised ]\n Oh.", "surprised", "Oh."),
        ("[emotion: happy, 0.8] Hi.", "happy", "Hi."),
        ("(slightly sad) Well.", "sad", "Well."),
        ("（有点难过地）唉。", "sad", "唉。"),
        ("*smiles* Hello.", "happy", "Hello."),
        ("[sad][happy] Hm.", "sad", "Hm."),
        ("[neutral] 好的。", "neutral", "好的。"),
        ("[happy]", "happy", ""),
        ("[hap", None, ""),
        ("<emotion=sa", None, ""),
        ("（开", None, ""),
        ("[happy] [sa", "happy", ""),
        ("（可选）带照片。", None, "（可选）带照片。"),
        ("(see page 3) Fine.", None, "(see page 3) Fine."),
        ("[1] First.", None, "[1] First."),
        ("**重要**：请带证件。", None, "**重要**：请带证件。"),
        ("Happy to help.", None, "Happy to help."),
        ("开心就好。", None, "开心就好。"),
        ("好的（开心）。", None, "好的（开心）。"),
        ("[happiness is a warm cup of tea and a long afternoon]", None,
         "[happiness is a warm cup of tea and a long afternoon]"),
        ("[", None, ""),
        ("", None, ""),
        ("(", None, ""),
    ],
)  # fmt: skip
def test_marks_are_split_off(text: str, emotion: Emotion | None, rest: str) -> None:
    assert split_mark(text) == (emotion, rest)


@pytest.mark.parametrize(
    "text",
    ["[happy] Hello there.", "（开心）您好。", "<emotion=sad>Sorry.", "[sad] [calm] Well.", "Plain.",
     "（可选）带照片。", "[1] First.", "*smiles* Hi.", "[hello world", "(" * 60],
)  # fmt: skip
def test_a_stream_gives_what_the_whole_gives(text: str) -> None:
    held, spoken, emotion = "", "", None
    for letter in text:
        if spoken:
            spoken += letter
            continue
        held += letter
        if not awaits_mark(held):
            emotion, spoken = split_mark(held)
    assert (emotion, spoken) == split_mark(text)


def test_hostile_marks_take_no_time() -> None:
    began = time.perf_counter()
    for text in ("[" * 200_000, "[happy]" * 3_000, "<emotion=" * 50_000, "（" + "开" * 100_000):
        split_mark(text)
        awaits_mark(text)
    assert time.perf_counter() - began < 2


# The answer's own emotion


ANSWERS: list[tuple[str, Emotion | None]] = [
    ("补办身份证的工本费是四十元。", None),
    ("一般二十个工作日可以领到新证。", None),
    ("请带身份证、居住证明和一张近期照片。", None),
    ("您可以在网上预约，也可以直接到窗口。", None),
    ("在居住地派出所办理。", None),
    ("逾期没有签注的，证件会暂停使用。", None),
    ("死亡证明由医院出具。", None),
    ("离婚登记有三十天的冷静期。", None),
    ("如果丢失，请先挂失再补办。", None),
    ("罚款可以在银行缴纳。", None),
    ("投诉电话是一二三四五。", None),
    ("我是这里的数字人助手。", None),
    ("您还想了解什么？", None),
    ("您不用难过，可以重新申请。", None),
    ("如果结果让您遗憾，可以申请复议。", None),
    ("很抱歉，这个问题我回答不了。", "sad"),
    ("对不起，周末不办理这项业务。", "sad"),
    ("听到您母亲去世的消息，我很难过，请节哀。", "sad"),
    ("非常遗憾，名额已经满了。", "sad"),
    ("恭喜您，申请已经通过了！", "happy"),
    ("祝您新婚快乐，百年好合！", "happy"),
    ("好消息，您不用再跑一趟。", "happy"),
    ("不客气，很高兴能帮到您。", "happy"),
    ("The replacement costs 40 yuan.", None),
    ("The card is ready within twenty working days.", None),
    ("Please bring your ID card and a recent photo.", None),
    ("You can do this online or at the counter.", None),
    ("Go to the police station near your home.", None),
    ("A permit that was not endorsed in time is suspended.", None),
    ("The hospital issues the death certificate.", None),
    ("Fines can be paid at the bank.", None),
    ("File the complaint in writing.", None),
    ("There is a waiting period of thirty days for divorce.", None),
    ("What else would you like to know?", None),
    ("There is no need to be sorry.", None),
    ("I'm sorry, I cannot answer that.", "sad"),
    ("Unfortunately the office is closed on Sundays.", "sad"),
    ("I am so sorry for your loss.", "sad"),
    ("Good news, but unfortunately you have to come again.", "sad"),
    ("Congratulations on your baby!", "happy"),
    ("I'm glad I could help.", "happy"),
    ("You are very welcome.", "happy"),
    ("Wow, I did not know that.", "surprised"),
]


@pytest.fixture(scope="module")
def marker(encoder: SentenceEncoder) -> AnswerMarker:
    return AnswerMarker(encoder)


@pytest.mark.parametrize(("text", "emotion"), ANSWERS)
def test_answers_are_marked_sparingly(
    marker: AnswerMarker, text: str, emotion: Emotion | None
) -> None:
    assert marker.mark_sentence(text, "en" if text.isascii() else "zh") == emotion


def test_the_classifier_speaks_up_where_no_phrase_does(marker: AnswerMarker) -> None:
    assert marker.mark_sentence("这真是太棒了，我也替你开心！", "zh") == "happy"


@pytest.mark.parametrize(
    "text", ["", " ", "。", "\ud83d", "I hate you, get out!", "滚，闭嘴！", "a" * 9999]
)
def test_no_answer_is_ever_hostile(marker: AnswerMarker, text: str) -> None:
    assert marker.mark_sentence(text, "en") is None
