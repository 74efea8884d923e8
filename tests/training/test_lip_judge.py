"""The generator's judge, on generators that are known to be right or wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.made_clips import MadeClip, MadeClips

from visavis.models.common.mel import mel_windows
from visavis.models.wav2lip.network import Wav2Lip
from visavis.training.lip_judge import LipFigures, LipJudge
from visavis.training.losses.lip_sync import FrozenExpert, load_expert
from visavis.training.recipes.wav2lip import tiny_wav2lip
from visavis.training.task import Evaluation


class Oracle(Wav2Lip):
    """Knows every sound, and draws the mouth that made it, at twenty frames' delay if wished."""

    def __init__(self, store: MadeClips, delay: int = 0, shade: int = 0) -> None:
        super().__init__(tiny_wav2lip().network)
        self._shade = shade
        self._answers: dict[bytes, torch.Tensor] = {}
        size, lead = self.config.size, self.config.lead
        import cv2

        for clip in store.clips:
            frames = [
                cv2.resize(f, (size, size), interpolation=cv2.INTER_AREA)
                for f in store.frames(clip)
            ]
            mel = mel_windows(store.mel(clip), np.arange(clip.frames) - lead)
            for k in range(clip.frames):
                picture = torch.from_numpy(frames[max(0, k - delay)]).permute(2, 0, 1) / 255
                self._answers[mel[k].tobytes()] = picture

    def encode_face(self, face: torch.Tensor) -> list[torch.Tensor]:
        return [torch.zeros(len(face), *shape) for shape in self.config.feature_shapes]

    def encode_audio(self, mel: torch.Tensor) -> torch.Tensor:
        return torch.stack([self._answers[m[0].numpy().tobytes()] for m in mel])

    def decode(self, audio, features, top: int = 0) -> torch.Tensor:
        return (audio[:, :, top:] + self._shade / 255).clamp(0, 1)


@pytest.fixture(scope="module")
def expert(tiny_expert: Path) -> FrozenExpert:
    return load_expert(tiny_expert)


def judge(
    store: MadeClips, expert: FrozenExpert | None, folder: Path, network: Wav2Lip
) -> Evaluation:
    clips = [clip for clip in store.clips if clip.split == "val"]
    judging = LipJudge(store, clips, expert, tiny_wav2lip().loop, 18, folder)
    return judging.judge(network, 7)


@pytest.fixture(scope="module")
def store() -> MadeClips:
    return MadeClips(train=0, val=4)


@pytest.mark.slow
@pytest.mark.assets
def test_who_draws_what_was_there_is_as_good_as_real(
    store: MadeClips, expert: FrozenExpert, tmp_path: Path
) -> None:
    found = judge(store, expert, tmp_path, Oracle(store)).figures
    # But for being drawn at 48 pixels.
    assert found["mouth_psnr"] > 22
    assert found["l1"] < 0.01
    assert found["lpips"] < 0.2
    assert found["sync_own"] == pytest.approx(1, abs=0.06)
    assert found["sync_crossed"] == pytest.approx(1, abs=0.06)
    assert found["crossed_in_time"] == 1
    assert found["cosine_own"] == pytest.approx(found["cosine_real"], abs=0.03)
    assert found["sync_loss"] < 0.2
    assert found["clips"] == 4
    assert (tmp_path / "samples" / "step_000007.mp4").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.assets
def test_late_lips_and_wrong_colours_are_told(
    store: MadeClips, expert: FrozenExpert, tmp_path: Path
) -> None:
    right = judge(store, expert, tmp_path, Oracle(store))
    late = judge(store, expert, tmp_path, Oracle(store, delay=4))
    assert late.figures["crossed_in_time"] == 0
    assert late.figures["cosine_own"] < right.figures["cosine_own"] - 0.3
    assert late.figures["sync_loss"] > right.figures["sync_loss"] + 0.5
    dark = judge(store, expert, tmp_path, Oracle(store, shade=-40))
    assert dark.figures["l1"] == pytest.approx(right.figures["l1"] + 40 / 255, abs=0.03)
    assert dark.figures["mouth_psnr"] < right.figures["mouth_psnr"] - 5
    assert dark.score < right.score


def test_without_an_expert_the_likeness_is_measured(store: MadeClips, tmp_path: Path) -> None:
    found = judge(store, None, tmp_path, Oracle(store))
    assert found.figures["l1"] < 0.01
    assert np.isnan(found.figures["sync_own"])
    assert set(found.figures) == set(LipFigures.__dataclass_fields__)


def test_mouths_box_is_around_the_lips(store: MadeClips) -> None:
    from visavis.training.lip_judge import COMPARED, _read

    clip: MadeClip = store.clips[0]
    x0, y0, x1, y1 = np.array(_read(store, clip).box) / COMPARED
    assert (x0, x1) == pytest.approx((0.2, 0.8), abs=0.01)
    assert (y0, y1) == pytest.approx((0.5, 1.0), abs=0.01)
