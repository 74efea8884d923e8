"""The mouth network learns on from people who really speak."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.made_clips import SAMPLES, MadeClip, MadeClips, write_store

from visavis.core.errors import ChecksumMismatch, InputError
from visavis.core.types import Floats
from visavis.evaluation.lip_shape import lip_opening
from visavis.models.assets import locate
from visavis.models.audio2mouth.predictor import MouthFromSound
from visavis.models.audio2mouth.restore import restore
from visavis.models.common import mesh
from visavis.models.common.units import ARKIT_UNITS, MOUTH_UNITS
from visavis.models.puppet import face_units
from visavis.models.puppet.coarticulation import lip_gap
from visavis.models.runtime import load
from visavis.stages.avatars import store as avatars
from visavis.training.data.clip_store import ClipStore
from visavis.training.data.real_mouths import (
    OPENING,
    RealMouth,
    hear,
    read_real_mouths,
)
from visavis.training.recipes.audio2mouth_real import (
    RealMouthTask,
    base,
    compare,
    export_recipe,
    run_recipe,
)
from visavis.training.recipes.catalogue import find_recipe

JAW = MOUTH_UNITS.index("jawOpen")
CLOSE = MOUTH_UNITS.index("mouthClose")


class TalkingClips(MadeClips):
    """As made clips, of people whose jaw is never quite shut, with lips that meet all the same."""

    REST = 0.1

    def blendshapes(self, clip: MadeClip) -> Floats:
        units = super().blendshapes(clip)
        units[units > 0] = np.maximum(units[units > 0], 0.05)
        return np.asarray(units + self.REST * (units.sum(0) > 0), np.float32)

    def landmarks(self, clip: MadeClip) -> Floats:
        points = super().landmarks(clip)
        opening = self.opening(clip)[: clip.frames * SAMPLES].reshape(clip.frames, -1).mean(1)
        points[:, mesh.EYE_RIGHT_UPPER[0]] = (0.25 * self.size, 0.4 * self.size)
        points[:, mesh.EYE_LEFT_UPPER[-1]] = (0.75 * self.size, 0.4 * self.size)
        points[:, mesh.LIPS_INNER_UPPER, 1] = 0.75 * self.size
        points[:, mesh.LIPS_INNER_LOWER, 1] = (
            0.75 * self.size + 20 * np.where(opening < 0.2, 0, opening)[:, None]
        )
        return points


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(TalkingClips(train=12, val=4), tmp_path_factory.mktemp("talking"))


def test_rest_is_taken_away_and_lips_meet_where_they_met(folder: Path) -> None:
    made, mouths = TalkingClips(train=12, val=4), read_real_mouths(ClipStore(folder), "train")
    assert len(mouths) == 12
    every = np.concatenate([m.mouth for m in mouths])
    assert every.min() >= 0
    assert every.max() <= 1
    assert np.percentile(every[:, JAW], 3) == pytest.approx(0, abs=0.02)
    shut = wide = 0
    by_name = {clip.name: clip for clip in made.clips}
    for mouth in mouths:
        clip = by_name[mouth.name]
        assert mouth.mouth.shape == (clip.frames, 12)
        assert mouth.sound.shape == (clip.frames * SAMPLES,)
        opening = made.opening(clip)[: clip.frames * SAMPLES].reshape(clip.frames, -1).mean(1)
        gap = lip_gap(mouth.mouth)
        # The jaw is a little open where the lips meet: only mouthClose can say that they do.
        met = (opening > 0.08) & (opening < 0.19)
        assert (gap[met] < 0.02).all()
        assert (mouth.mouth[met, JAW] > 0.03).all()
        assert (mouth.mouth[met, CLOSE] > 0.03).all()
        far = opening > 0.5
        assert (gap[far] > 0.3).all()
        # As far apart as the landmarks', in spans of the eyes, which are half a picture apart.
        seen = 20 * np.where(opening < 0.2, 0, opening) / (0.5 * made.size)
        small = seen < 0.25
        np.testing.assert_allclose(gap[small], OPENING * seen[small], atol=0.05)
        shut, wide = shut + int(met.sum()), wide + int(far.sum())
    assert shut > 10
    assert wide > 10


@pytest.mark.assets
@pytest.mark.parametrize("name", ["mei", "adam"])
def test_lips_of_the_puppet_are_as_far_apart_as_those_seen(name: str) -> None:
    landmarks = avatars.load(name).track.landmarks[0]
    fields = face_units.load()

    def distance(jaw: float) -> float:
        weights = np.zeros(len(ARKIT_UNITS), np.float32)
        weights[ARKIT_UNITS.index("jawOpen")] = jaw
        moved = landmarks + fields.displace(weights, landmarks)
        return float(lip_opening(moved[None, :, :2])[0])

    assert (distance(0.3) - distance(0.0)) * OPENING == pytest.approx(0.3, rel=0.1)


def test_features_are_those_of_a_stream() -> None:
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.standard_normal(30 * 640)).astype(np.float32)
    network = restore(locate("audio2mouth"))
    features = hear(sound, 30, network.config.left, network.config.right)
    with torch.no_grad():
        shown = torch.sigmoid(network(torch.from_numpy(features)[None]))[0].numpy()
    stream = MouthFromSound()
    streamed = np.concatenate([stream.follow(sound), stream.follow_to_end()])
    # The stream shuts the mouth where nobody speaks, by its own rule; the shape is the same.
    sure = streamed[:, -1] > 0.99
    np.testing.assert_allclose(streamed[sure, :-1], shown[sure, :-1], atol=0.02)


def test_restored_network_is_the_shipped_one() -> None:
    network, path = restore(locate("audio2mouth")), locate("audio2mouth")
    features = np.random.default_rng(1).standard_normal((1, 4 * 60, 80)).astype(np.float32)
    with torch.no_grad():
        told = torch.sigmoid(network(torch.from_numpy(features))).numpy()
    found = load(path, runtime="onnxruntime", threads=1, device="cpu").run({"features": features})
    np.testing.assert_allclose(found["mouth"], told, atol=1e-5)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(ChecksumMismatch, match="holds no such mouth network"):
        restore(tmp_path / "x.onnx")


def test_comparison_knows_right_and_wrong() -> None:
    rng = np.random.default_rng(0)
    clips = []
    for i in range(4):
        mouth = np.zeros((30, 12), np.float32)
        mouth[:, JAW] = np.abs(np.cumsum(rng.standard_normal(30))) / 10
        clips.append(RealMouth(f"c{i}", "p", np.zeros(30 * 640, np.float32), mouth.clip(0, 1)))
    right = compare(clips, lambda clip: clip.mouth)
    assert right["jaw"] == pytest.approx(1)
    assert right["gap"] == pytest.approx(1)
    assert right["spread"] == pytest.approx(1)
    assert right["gap_error"] == 0
    half = compare(clips, lambda clip: clip.mouth / 2)
    assert half["jaw"] == pytest.approx(1, abs=1e-5)
    assert half["spread"] == pytest.approx(0.5)
    assert half["jaw_error"] > 0.01
    late = compare(clips, lambda clip: np.roll(clip.mouth, 4, axis=0))
    assert late["jaw"] < 0.9
    assert compare(clips, lambda clip: 0 * clip.mouth)["jaw"] == 0


def test_learns_from_real_mouths_and_the_tongue_stays(folder: Path, tmp_path: Path) -> None:
    config = base()
    loop = replace(
        config.loop,
        steps=40,
        warmup=5,
        mean_decay=0.9,
        evaluate_every=40,
        board=False,
        device="cpu",
    )
    told: list[str] = []
    outcome = run_recipe(replace(config, loop=loop, batch=6), folder, tmp_path, tell=told.append)
    (before,) = [line for line in told if line.startswith("before:")]
    assert outcome.figures["gap"] > float(before.split("lips' distance ")[1][:5]) + 0.1
    assert outcome.figures["gap"] > 0.5
    assert '"people"' in (tmp_path / "manifest.json").read_text()
    target = tmp_path / "real.onnx"
    export_recipe(outcome.best, target)
    # The exported network is what the puppet can hear by; what no picture shows is as it was.
    (clip, *_) = read_real_mouths(ClipStore(folder), "val")
    shown, was = (
        np.concatenate([stream.feed(clip.sound), stream.flush()])
        for stream in (MouthFromSound(model=target), MouthFromSound())
    )
    assert np.abs(shown - was)[:, JAW].max() > 0.02
    assert np.abs(shown - was)[:, MOUTH_UNITS.index("tongueUp")].mean() < 0.05


def test_nothing_to_train_on() -> None:
    with pytest.raises(InputError, match="no clip"):
        RealMouthTask(base(), [], [], lambda: restore(locate("audio2mouth")))


def test_recipe_is_listed() -> None:
    assert find_recipe("audio2mouth-real").config() == base()
