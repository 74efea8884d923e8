"""Tests of training.

The default install, and so continuous integration, has no torch, and a skipped test fails there.
What needs torch is therefore not collected where torch is missing: with the ``train`` extra
installed, ``pytest tests/training`` runs it.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from visavis.core.types import Mark
from visavis.training.data.speech_corpus import RATE, Utterance

collect_ignore = (
    []
    if find_spec("torch")
    else [
        "test_audio2mouth_recipe.py",
        "test_sync_augmentation.py",
        "test_sync_losses.py",
        "test_syncnet_recipe.py",
        "test_training_loop.py",
    ]
)


@pytest.fixture(scope="session")
def bursts() -> Utterance:
    """A tone where a vowel is marked, silence elsewhere."""
    samples = np.zeros(2 * RATE, np.float32)
    marks = []
    for start in (4000, 14000, 24000):
        time = np.arange(4000) / RATE
        samples[start : start + 4000] = 0.3 * np.sin(2 * np.pi * 300 * time)
        marks.append(Mark("phoneme", "ɑ", start, start + 4000))
    return Utterance(samples, tuple(marks), "a a a", "en", "v", 1.0, "kokoro")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small networks wait for one another's threads longer than they compute, on a busy machine."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
