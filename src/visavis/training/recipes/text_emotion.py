"""The emotion of written sentences: logistic regression on sentence vectors and cues.

``python -m visavis.training.recipes.text_emotion`` fits again what is shipped, in about a minute, and
writes weights, figures and the manifest of the data into the model's folder.

Texts lie beside the model: ``data/{train,held,test}_{zh,en}.tsv``, each line an emotion, a tab and a
sentence, and ``data/service_{train,held,test}_{zh,en}.txt``, neutral questions at a counter. What is
chosen (penalty, temperature, threshold) is chosen on ``held`` alone; ``test`` only gives the figures.

Shapes: N sentences, D = 512 + K numbers of each (vector, cues), C = 8 classes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import visavis.models.text_emotion
from visavis.core.types import EMOTIONS, Emotion, Floats, Language
from visavis.models.sentence_encoder.predictor import SentenceEncoder
from visavis.models.text_emotion.cues import read_cues, read_plainly
from visavis.models.text_emotion.predictor import NEUTRAL, TextEmotion, decide, softmax
from visavis.training.recipes.text_emotion_report import describe_outcome

log = logging.getLogger(__name__)

LANGUAGES: tuple[Language, ...] = ("zh", "en")
MODEL = Path(visavis.models.text_emotion.__file__).parent
_PUNCTUATION = re.compile(r"[^\w\s']+")

_Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Config:
    """What is tried and chosen from.

    Attributes:
        penalties: Weights of the squared norm, the best of which on ``held`` is taken.
        cue_penalty: Factor of it for the cues, of which there are few.
        steps: Of accelerated gradient descent from zero; no chance is in it, so there is no seed.
        thresholds: Probabilities below which a sentence is called neutral.
        false_alarms: Share of neutral service questions of ``held`` that may get an emotion.
        least: The threshold is at least this: a likeliest class below it is a guess.
    """

    penalties: tuple[float, ...] = (3e-5, 6e-5, 1e-4, 1.5e-4, 2e-4)
    cue_penalty: float = 1.0
    steps: int = 600
    thresholds: tuple[float, ...] = tuple(round(0.30 + 0.02 * i, 2) for i in range(26))
    false_alarms: float = 0.02
    least: float = 0.4


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sentence and what it shows."""

    text: str
    emotion: Emotion
    language: Language


def read_labelled(part: str, folder: Path = MODEL / "data") -> list[Labelled]:
    """Read the sentences of a part, ``train``, ``held`` or ``test``.

    Raises:
        ValueError: A line is not an emotion, a tab and a sentence.
    """
    rows = []
    for language in LANGUAGES:
        file = folder / f"{part}_{language}.tsv"
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            name, _, text = line.partition("\t")
            emotion = next((e for e in EMOTIONS if e == name), None)
            if emotion is None or not text.strip():
                raise ValueError(f"{file.name}, line {number}: no emotion, tab and sentence")
            rows.append(Labelled(text.strip(), emotion, language))
    return rows


def read_service(part: str, folder: Path = MODEL / "data") -> list[Labelled]:
    """Read the neutral service questions of a part, ``train``, ``held`` or ``test``."""
    return [
        Labelled(text, "neutral", language)
        for language in LANGUAGES
        for text in (folder / f"service_{part}_{language}.txt").read_text("utf-8").splitlines()
    ]


def as_heard(row: Labelled) -> Labelled:
    """Write a sentence as a recogniser does: small letters, no punctuation."""
    text = " ".join(_PUNCTUATION.sub(" ", row.text.lower()).split())
    return Labelled(text or row.text, row.emotion, row.language)


def measure(encoder: SentenceEncoder, rows: Sequence[Labelled]) -> Floats:
    """Vectors and cues of sentences, float32 (N, D)."""
    texts = [row.text for row in rows]
    vectors = encoder.encode([read_plainly(text) for text in texts])
    return np.concatenate([vectors, read_cues(texts)], axis=1)


def fit(
    inputs: Floats, labels: Sequence[Emotion], penalty: float, config: Config
) -> tuple[Floats, Floats]:
    """Minimise the mean cross entropy plus the penalty by Nesterov's method.

    Args:
        inputs: float32 (N, D).
        labels: N emotions.
        penalty: Of the weights; the bias goes free.
        config: Steps and the cues' penalty.

    Returns:
        float32 weight (D, C) and bias (C,).
    """
    wanted = one_hot(labels)
    rows = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1).astype(np.float64)
    costs = np.full((rows.shape[1], 1), penalty)
    costs[512:] *= config.cue_penalty
    costs[-1] = 0
    # Half the largest curvature of the soft maximum bounds how steep the gradient gets.
    rate = 1 / (0.5 * np.linalg.norm(rows, 2) ** 2 / len(rows) + costs.max())
    weight = ahead = np.zeros((rows.shape[1], wanted.shape[1]))
    for step in range(config.steps):
        scores = rows @ ahead
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances = raised / raised.sum(axis=1, keepdims=True)
        slope = rows.T @ (chances - wanted) / len(rows) + costs * ahead
        moved = ahead - rate * slope
        ahead = moved + step / (step + 3) * (moved - weight)
        weight = moved
    return weight[:-1].astype(np.float32), weight[-1].astype(np.float32)


def one_hot(labels: Sequence[Emotion]) -> _Doubles:
    """Labels as rows of 0 and 1, float64 (N, C)."""
    return np.eye(len(EMOTIONS))[[EMOTIONS.index(label) for label in labels]]


def fit_temperature(scores: Floats, labels: Sequence[Emotion]) -> float:
    """Find the temperature of the least cross entropy (Guo et al., 2017, section 4.2)."""
    wanted = one_hot(labels)
    tried = np.geomspace(0.2, 5, 161)
    losses = [-np.mean(np.sum(wanted * np.log(softmax(scores / t) + 1e-9), 1)) for t in tried]
    return round(float(tried[int(np.argmin(losses))]), 3)


def choose_threshold(
    held: Floats, labels: Sequence[Emotion], questions: Floats, config: Config
) -> float:
    """Choose the threshold of the best mean recall among those with few enough false alarms.

    Args:
        held: float32 (N, C) probabilities of labelled sentences.
        labels: Their emotions.
        questions: float32 (M, C) probabilities of neutral service questions.
        config: What is tried.
    """

    def judge(threshold: float) -> tuple[bool, float]:
        alarms = np.mean([decide(row, threshold) != "neutral" for row in questions])
        right = np.array([decide(r, threshold) == e for r, e in zip(held, labels, strict=True)])
        recalls = [right[[label == e for label in labels]].mean() for e in set(labels)]
        return bool(alarms <= config.false_alarms), float(np.mean(recalls))

    # Of equals the lowest, as max takes the first.
    return max((t for t in config.thresholds if t >= config.least), key=judge)


def train(file: Path, config: Config | None = None) -> dict[str, object]:
    """Fit, choose, write the weights, and judge them on the test sentences.

    Returns:
        The figures, as they are written into ``figures.json``.
    """
    config = config or Config()
    encoder = SentenceEncoder()
    rows = read_labelled("train") + read_service("train")
    heard = [h for row in rows if (h := as_heard(row)).text != row.text]
    rows = rows + heard
    inputs, labels = measure(encoder, rows), [row.emotion for row in rows]
    held = read_labelled("held")
    held += [h for row in held if (h := as_heard(row)).text != row.text]
    held_inputs, held_labels = measure(encoder, held), [row.emotion for row in held]
    question_inputs = measure(encoder, read_service("held"))

    def loss(penalty: float) -> tuple[float, float, Floats, Floats]:
        weight, bias = fit(inputs, labels, penalty, config)
        scores = held_inputs @ weight + bias
        temperature = fit_temperature(scores, held_labels)
        chances = softmax(scores / temperature)
        value = -np.mean(np.sum(one_hot(held_labels) * np.log(chances + 1e-9), 1))
        log.info("penalty %g: held-out loss %.3f, temperature %.2f", penalty, value, temperature)
        return float(value), temperature, weight, bias

    tried = {penalty: loss(penalty) for penalty in config.penalties}
    penalty = min(tried, key=lambda p: tried[p][0])
    _, temperature, weight, bias = tried[penalty]
    threshold = choose_threshold(
        softmax((held_inputs @ weight + bias) / temperature),
        held_labels,
        softmax((question_inputs @ weight + bias) / temperature),
        config,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        file,
        weight=weight.astype(np.float16),
        bias=bias.astype(np.float16),
        temperature=np.float32(temperature),
        threshold=np.float32(threshold),
    )
    figures: dict[str, object] = {
        "config": asdict(config),
        "encoder": encoder.fingerprint,
        "data": _manifest(),
        "trained on": len(rows),
        "penalty": penalty,
        "temperature": temperature,
        "threshold": threshold,
        **judge(encoder, TextEmotion(file)),
    }
    return figures


def judge(encoder: SentenceEncoder, model: TextEmotion) -> dict[str, object]:
    """Measure a model on the test sentences and on the reporting half of the base's questions."""

    def chances_of(rows: Sequence[Labelled]) -> Floats:
        texts = [row.text for row in rows]
        return model.classify(texts, encoder.encode([read_plainly(text) for text in texts]))

    told: dict[str, object] = {}
    for language in LANGUAGES:
        rows = [row for row in read_labelled("test") if row.language == language]
        labels = [row.emotion for row in rows]
        for name, given in (("test", rows), ("test as heard", [as_heard(row) for row in rows])):
            told[f"{name} {language}"] = describe_outcome(
                chances_of(given), labels, model.threshold
            )
        asked = chances_of([row for row in read_service("test") if row.language == language])
        alarms = [decide(row, model.threshold) != "neutral" for row in asked]
        told[f"service questions {language}"] = {
            "count": len(alarms),
            "false not neutral": round(float(np.mean(alarms)), 4),
            "mean neutral": round(float(asked[:, NEUTRAL].mean()), 3),
        }
    return told


def _manifest() -> dict[str, str]:
    files = sorted(file for file in (MODEL / "data").iterdir() if file.suffix in (".tsv", ".txt"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def main() -> None:
    """Fit and write the weights."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "file", type=Path, nargs="?", default=MODEL / "weights" / "text_emotion.npz"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    figures = train(arguments.file)
    told = json.dumps(figures, indent=1, ensure_ascii=False)
    (arguments.file.parent / "figures.json").write_text(told + "\n", encoding="utf-8")
    log.info("%s", told)


if __name__ == "__main__":
    main()
