"""Figures of a classifier of emotions. Shapes: N sentences, C = 8 classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from visavis.core.types import EMOTIONS, Emotion, Floats
from visavis.models.text_emotion.predictor import decide

BINS = 10


def describe_outcome(
    chances: Floats, labels: Sequence[Emotion], threshold: float
) -> dict[str, Any]:
    """Compare what was told with what is so.

    Args:
        chances: float32 (N, C) probabilities.
        labels: N emotions.
        threshold: Below it a sentence is called neutral.

    Returns:
        ``accuracy``, ``macro F1``, ``by class`` (precision, recall, F1), ``confusion`` (rows are what
        is so, columns what was told, in the order of `EMOTIONS`), all with the threshold; ``likeliest``,
        the accuracy without it; ``calibration error`` of the likeliest class's probability.
    """
    told = [decide(row, threshold) for row in chances]
    confusion = confuse(told, labels)
    by_class = {e: _class_figures(confusion, i) for i, e in enumerate(EMOTIONS)}
    best = chances.argmax(axis=1)
    right = np.array([EMOTIONS[i] == label for i, label in zip(best, labels, strict=True)])
    return {
        "count": len(labels),
        "accuracy": round(float(np.trace(confusion) / len(labels)), 3),
        "macro F1": round(float(np.mean([figures[2] for figures in by_class.values()])), 3),
        "by class": by_class,
        "confusion": confusion.tolist(),
        "likeliest": round(float(right.mean()), 3),
        "calibration error": round(calibration_error(chances.max(axis=1), right), 3),
    }


def confuse(told: Sequence[Emotion], labels: Sequence[Emotion]) -> npt.NDArray[np.int64]:
    """Count (C, C): rows are what is so, columns what was told."""
    counts = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    for said, label in zip(told, labels, strict=True):
        counts[EMOTIONS.index(label), EMOTIONS.index(said)] += 1
    return counts


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
    """Tell by how much confidence and share of right ones differ, over ten bins of equal width.

    Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 3.

    Args:
        confidence: float32 (N,) in [0, 1].
        right: bool (N,).
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error = 0.0
    for number in range(BINS):
        inside = bins == number
        if inside.any():
            gap = abs(float(confidence[inside].mean()) - float(right[inside].mean()))
            error += gap * float(inside.mean())
    return error


def _class_figures(confusion: npt.NDArray[np.int64], index: int) -> tuple[float, float, float]:
    hits = float(confusion[index, index])
    precision = hits / max(float(confusion[:, index].sum()), 1.0)
    recall = hits / max(float(confusion[index].sum()), 1.0)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return round(precision, 3), round(recall, 3), round(f1, 3)
