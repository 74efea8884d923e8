import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import MissingWeights
from visavis.core.types import EMOTIONS, Floats
from visavis.models.sentence_encoder.predictor import SentenceEncoder
from visavis.models.text_emotion.cues import FELT, NAMES, read_cues, read_plainly
from visavis.models.text_emotion.predictor import FILE, NEUTRAL, TextEmotion, decide
from visavis.training.recipes.text_emotion import (
    LANGUAGES,
    Config,
    Labelled,
    as_heard,
    choose_threshold,
    fit,
    fit_temperature,
    read_labelled,
    read_service,
)
from visavis.training.recipes.text_emotion_report import calibration_error, describe_outcome


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture(scope="module")
def model() -> TextEmotion:
    return TextEmotion()


def judge(encoder: SentenceEncoder, model: TextEmotion, texts: list[str]) -> Floats:
    return model.classify(texts, encoder.encode([read_plainly(text) for text in texts]))


# Cues


def cues_of(text: str) -> set[str]:
    return {name for name, there in zip(NAMES, read_cues([text])[0], strict=True) if there}


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ("我很开心！", {"happy", "exclamation"}, {"negated good", "exclamations"}),
        ("我不开心", {"negated good"}, {"happy"}),
        ("I'm not happy about it", {"negated good"}, {"happy"}),
        ("don’t be sad", {"negated bad"}, {"sad"}),
        ("没想到你会来", {"surprised"}, {"negated bad"}),
        ("哈哈哈", {"laughing"}, {"crying"}),
        ("呜呜呜我的猫", {"crying", "sad"}, {"laughing"}),
        ("this is fine 😡", {"angry"}, {"happy"}),
        ("so gross!!", {"disgusted", "exclamations", "intensifier"}, {"fear"}),
        ("THIS IS A SCANDAL", {"shouting"}, {"angry"}),
        ("my ID card", set(), {"shouting"}),
        ("怎么办理居住证", {"asks"}, {"fear"}),
        ("the madam is here", set(), {"angry"}),
    ],
)
def test_cues_are_read(text: str, there: set[str], absent: set[str]) -> None:
    found = cues_of(text)
    assert there <= found
    assert not absent & found


def test_a_text_is_written_plainly_for_the_vectors() -> None:
    assert read_plainly("  WHY   IS IT SO LATE 😡😡 ") == "why is it so late"
    assert read_plainly("My ID card 👍") == "My ID card"
    assert len(read_plainly("a" * 10_000)) == 400


# The classifier


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("你们这些骗子，我要投诉，气死我了！", "angry"),
        ("I am furious, this is outrageous", "angry"),
        ("就凭你这点本事，也配当专家，真可笑", "contempt"),
        ("What a pathetic amateur, not worth my time", "contempt"),
        ("太恶心了，臭得我想吐", "disgusted"),
        ("Ugh, that smells rotten and disgusting", "disgusted"),
        ("我好害怕，有人跟踪我，救救我", "fear"),
        ("I'm terrified, someone is following me", "fear"),
        ("太好了，我今天特别开心，谢谢你", "happy"),
        ("I'm so happy, this is wonderful news", "happy"),
        ("身份证丢了怎么补办", "neutral"),
        ("What documents do I need for a passport", "neutral"),
        ("我妈妈去世了，我好难过，一直想哭", "sad"),
        ("My father died and I feel so sad and alone", "sad"),
        ("哇，居然是真的，太意外了，真没想到", "surprised"),
        ("Wow, I can't believe it, what a surprise", "surprised"),
        ("😭", "sad"),
        ("🤬🤬", "angry"),
    ],
)
def test_plain_sentences_are_known(
    encoder: SentenceEncoder, model: TextEmotion, text: str, emotion: str
) -> None:
    assert model.decide(judge(encoder, model, [text])[0]) == emotion


@pytest.mark.parametrize("text", ["", " ", "。。。", "?!", "\ud83d", "\x00", "12345", "😀😡"])
def test_nothing_to_judge_is_neutral(
    encoder: SentenceEncoder, model: TextEmotion, text: str
) -> None:
    (chances,) = judge(encoder, model, [text])
    assert model.decide(chances) == "neutral"
    assert np.isclose(chances.sum(), 1)


def test_rows_are_probabilities_and_do_not_depend_on_their_neighbours(
    encoder: SentenceEncoder, model: TextEmotion
) -> None:
    texts = ["你好", "I hate this!", "哈哈", "x" * 5000]
    together = judge(encoder, model, texts)
    assert together.shape == (4, 8)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    alone = np.concatenate([judge(encoder, model, [text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_the_test_sentences_are_judged_as_the_readme_says(
    encoder: SentenceEncoder, model: TextEmotion
) -> None:
    for language in LANGUAGES:
        rows = [row for row in read_labelled("test") if row.language == language]
        chances = judge(encoder, model, [row.text for row in rows])
        figures = describe_outcome(chances, [row.emotion for row in rows], model.threshold)
        assert figures["macro F1"] >= 0.60
        assert figures["likeliest"] >= 0.70
        assert figures["calibration error"] <= 0.12
        asked = [row.text for row in read_service("test") if row.language == language]
        alarms = [model.decide(row) != "neutral" for row in judge(encoder, model, asked)]
        assert np.mean(alarms) < 0.03


def test_it_takes_far_less_than_five_milliseconds(model: TextEmotion) -> None:
    vectors = np.full((1, 512), 512**-0.5, np.float32)
    times = []
    for _ in range(30):
        began = time.perf_counter()
        model.classify(["你们怎么搞的，我都来了三次了，到底要等到什么时候！" * 8], vectors)
        times.append(time.perf_counter() - began)
    assert np.median(times) < 0.005


def test_weights_that_are_missing_or_wrong_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="no file"):
        TextEmotion(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", weight=np.zeros((3, 8)), bias=np.zeros(8))
    with pytest.raises(MissingWeights, match=r"other\.npz"):
        TextEmotion(tmp_path / "other.npz")
    np.savez(
        tmp_path / "shape.npz", weight=np.zeros((3, 8)), bias=np.zeros(8), temperature=1, threshold=1
    )  # fmt: skip
    with pytest.raises(MissingWeights):
        TextEmotion(tmp_path / "shape.npz")
    assert FILE.stat().st_size < 200_000


# The data


def test_there_are_enough_sentences_of_every_class() -> None:
    for part, least in (("train", 60), ("held", 10), ("test", 25)):
        counts = Counter((row.language, row.emotion) for row in read_labelled(part))
        assert all(counts[language, e] >= least for language in LANGUAGES for e in EMOTIONS)
    asked = Counter(row.language for row in read_service("train"))
    assert min(asked["zh"], asked["en"]) >= 150


def test_nothing_was_learnt_from_what_is_tested(encoder: SentenceEncoder) -> None:
    def plain(row: Labelled) -> str:
        return "".join(c for c in row.text.lower() if c.isalnum())

    train = read_labelled("train")
    judged = read_labelled("held") + read_labelled("test")
    assert not {plain(row) for row in train} & {plain(row) for row in judged}
    service = {plain(row) for row in read_service("train")} & {
        plain(row) for row in read_service("test")
    }
    assert not service
    vectors = encoder.encode([read_plainly(row.text) for row in train])
    others = encoder.encode([read_plainly(row.text) for row in judged])
    assert (vectors @ others.T).max() < 0.76


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "train_zh.tsv").write_text("happy\t好\nhungry\t饿\n", "utf-8")
    with pytest.raises(ValueError, match=r"train_zh\.tsv, line 2"):
        read_labelled("train", tmp_path)


# The recipe


def test_heard_sentences_have_no_punctuation() -> None:
    assert as_heard(Labelled("Wow, it's DONE!", "surprised", "en")).text == "wow it's done"
    assert as_heard(Labelled("？！", "neutral", "zh")).text == "？！"


def test_fitting_separates_what_can_be_separated() -> None:
    random = np.random.default_rng(0)
    labels = [EMOTIONS[i % 8] for i in range(160)]
    inputs = random.normal(0, 0.1, (160, 512 + len(NAMES))).astype(np.float32)
    inputs[np.arange(160), [EMOTIONS.index(label) for label in labels]] += 1
    weight, bias = fit(inputs, labels, 1e-3, Config(steps=200))
    told = (inputs @ weight + bias).argmax(axis=1)
    assert [EMOTIONS[i] for i in told] == labels


def test_a_temperature_is_found_again() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(0, 2, (4000, 8)).astype(np.float32)
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    labels = [EMOTIONS[random.choice(8, p=row / row.sum())] for row in chances.astype(float)]
    assert fit_temperature(3 * scores, labels) == pytest.approx(3, rel=0.1)


def test_the_threshold_keeps_false_alarms_down() -> None:
    happy, neutral = np.eye(8, dtype=np.float32)[[EMOTIONS.index("happy"), NEUTRAL]]
    questions = np.stack([0.5 * happy + 0.5 * neutral] * 10)
    questions[:, EMOTIONS.index("happy")] += 0.02
    held = np.stack([0.9 * happy + 0.1 * neutral, neutral])
    chosen = choose_threshold(held, ["happy", "neutral"], questions, Config())
    assert 0.52 < chosen <= 0.56


def test_calibration_error_of_known_cases() -> None:
    sure = np.full(10, 0.95, np.float32)
    assert calibration_error(sure, np.ones(10, bool)) == pytest.approx(0.05, abs=1e-6)
    assert calibration_error(sure, np.arange(10) < 5) == pytest.approx(0.45, abs=1e-6)


def test_figures_of_known_cases() -> None:
    rows = np.eye(8, dtype=np.float32)[[0, 4, 4, 5]]
    figures = describe_outcome(rows, ["angry", "happy", "sad", "neutral"], 0.5)
    assert figures["accuracy"] == 0.75
    assert figures["by class"]["happy"] == (0.5, 1.0, 0.667)
    assert figures["confusion"][6][4] == 1


def test_below_the_threshold_it_is_neutral() -> None:
    row = np.full(8, 0.1, np.float32)
    row[EMOTIONS.index("sad")] = 0.3
    assert decide(row, 0.31) == "neutral"
    assert decide(row, 0.3) == "sad"
    assert len(FELT) == 7
