"""Tests of training.

What needs torch is not collected where torch is missing. `make test` installs the extra ``dev``, which
has it, so that continuous integration runs all.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tests.training.made_clips import MadeClips

from visavis.core.types import Mark
from visavis.training.data.speech_corpus import RATE, Utterance

collect_ignore = (
    []
    if find_spec("torch")
    else [
        "test_audio2mouth_recipe.py",
        "test_lip_data.py",
        "test_lip_judge.py",
        "test_lip_losses.py",
        "test_lpips_network.py",
        "test_publishing.py",
        "test_real_mouths.py",
        "test_shipped_expert.py",
        "test_shipped_lips.py",
        "test_sync_augmentation.py",
        "test_sync_losses.py",
        "test_syncnet_recipe.py",
        "test_training_loop.py",
        "test_tuning.py",
        "test_wav2lip_recipe.py",
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


@pytest.fixture(scope="session")
def made_clips() -> MadeClips:
    """What the tiny recipes are trained on."""
    return MadeClips(train=24, val=6)


@pytest.fixture(scope="session")
def tiny_expert(
    made_clips: MadeClips, one_thread: None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny expert's recipe, trained to its end; what it told is in ``told.txt``."""
    from visavis.training.recipes.syncnet import run, tiny_syncnet

    folder = tmp_path_factory.mktemp("tiny_expert")
    told: list[str] = []
    run(tiny_syncnet(), made_clips, folder, tell=told.append)
    (folder / "told.txt").write_text("\n".join(told))
    return folder
