"""An avatar's lips learn from a video of the person: the whole way, with a tiny generator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from talkers import RATE, silent_face, speech, talk, write_talk

from conformance.lip_generator import TINY, write_tiny_generator
from visavis.apps import tuning as app
from visavis.core.errors import (
    Cancelled,
    FaceUnusable,
    FileUnreadable,
    InputError,
    LicenceNotAccepted,
    MissingWeights,
    UnknownAvatar,
)
from visavis.core.types import Avatar
from visavis.models.common.network_card import read_network_card
from visavis.models.syncnet import export as syncnet_export
from visavis.models.syncnet.network import SYNCNET_96_SMALL, SyncNet
from visavis.stages.animators.wav2lip import Wav2LipAnimator
from visavis.stages.animators.wav2lip_weights import find_weights
from visavis.stages.avatars import store, tuned
from visavis.training import tuning
from visavis.training.data.clip_store import ClipInfo
from visavis.training.tuning import HeldOut, TuneSettings

pytestmark = [pytest.mark.assets, pytest.mark.slow]
NAME = "mei"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISAVIS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "cache", lambda: tmp_path / "cache" / "avatars")
    monkeypatch.setattr(tuning, "CLIP_SECONDS", 1.6)
    monkeypatch.setattr(tuning, "LEARNING_RATE", 4e-3)
    return tmp_path / "home" / "avatars"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of the avatar's face, whose mouth opens as loud as the sound is."""
    sound = np.concatenate([speech("en"), speech("zh")])[: 5 * RATE]
    path = tmp_path_factory.mktemp("talk") / "me.mp4"
    return write_talk(path, talk(NAME, sound, 5.0), sound)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_generator(tmp_path_factory.mktemp("lips"))


@pytest.fixture(scope="module")
def expert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("expert")
    syncnet_export.export(SyncNet(SYNCNET_96_SMALL).eval(), folder, "fp16")
    return folder


@pytest.fixture
def settings() -> TuneSettings:
    return TuneSettings(minutes=1.0, steps=30, least_seconds=4.0, configs=[TINY])


def tune(video: Path, weights: Path | str, settings: TuneSettings) -> dict:
    said: list[str] = []
    made = app.tune_avatar(
        NAME, [video], minutes=1.0, weights=str(weights), settings=settings, tell=said.append
    )
    assert any(line.startswith("before: L1") for line in said)
    assert any(line.startswith("after: L1") for line in said)
    return made


def test_what_was_learnt_is_kept_and_taken_by_itself(
    video: Path, weights: Path, expert: Path, settings: TuneSettings, home: Path
) -> None:
    made = tune(video, weights, replace(settings, expert=expert))
    assert made["after"]["l1"] < 0.9 * made["before"]["l1"], "random weights get better at once"
    assert made["after"]["mouth_psnr"] > made["before"]["mouth_psnr"]
    assert {"lpips", "sync_own", "sync_crossed"} <= set(made["before"]) & set(made["after"])
    assert made["steps"] == 30
    assert made["clips"] + made["held_out"] == 3
    folder = home / f"{NAME}.lips"
    assert made["kept"] == str(folder)
    card = json.loads((folder / tuned.CARD).read_text("utf-8"))
    assert card["videos"] == ["me.mp4"]
    assert card["after"] == made["after"]
    assert read_network_card(folder, "wav2lip")["size"] == 24
    assert not list((home.parent.parent / "cache").glob("tuning/*")), "clips of a face are gone"
    lines = "\n".join(app.describe(made))
    assert "mouth PSNR" in lines
    assert str(folder) in lines

    # The animator takes it without being told, and only for this face.
    avatar = store.load(NAME)
    assert find_weights("", avatar) == folder
    performance = Wav2LipAnimator(size=128).open(avatar)
    assert performance.idle().image.shape == (128, 128, 3)
    performance.close()
    other = Avatar(NAME, 255 - avatar.frames, avatar.track)
    with pytest.raises((LicenceNotAccepted, MissingWeights)):
        find_weights("", other)

    # Tuning goes on from it where nothing else is chosen.
    again = tune(video, "", replace(settings, steps=2))
    assert again["began_with"] == folder.name
    assert again["before"]["l1"] == pytest.approx(made["after"]["l1"], rel=0.1)
    assert tuned.forget_tuned(NAME)
    assert not tuned.forget_tuned(NAME)


def test_what_is_no_better_is_not_kept(
    video: Path, weights: Path, settings: TuneSettings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "GAIN", 9.0)
    made = tune(video, weights, replace(settings, steps=2))
    assert made["kept"] is None
    assert not (home / f"{NAME}.lips").exists()
    assert "no better" in app.describe(made)[-1]


def test_a_stopped_tuning_goes_on(
    video: Path, weights: Path, settings: TuneSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = tuning.train

    def stop_soon(task, config, out, **rest):  # type: ignore[no-untyped-def]
        return replace(train(task, replace(config, steps=3), out, **rest), ended="asked")

    monkeypatch.setattr(tuning, "train", stop_soon)
    with pytest.raises(Cancelled, match="goes on"):
        tune(video, weights, settings)
    monkeypatch.setattr(tuning, "train", train)
    judged = []
    judge = tuning.LipTask.evaluate
    monkeypatch.setattr(tuning.LipTask, "evaluate", lambda *a: (judged.append(a[2]), judge(*a))[1])
    prepare = tuning.prepare
    read = []

    def watch(*args, told, **rest):  # type: ignore[no-untyped-def]
        def tell(progress) -> None:  # type: ignore[no-untyped-def]
            read.append(progress.earlier)
            told(progress)

        return prepare(*args, told=tell, **rest)

    monkeypatch.setattr(tuning, "prepare", watch)
    made = tune(video, weights, replace(settings, steps=5))
    assert made["steps"] == 5
    assert read[0] == 1, "the video is not read again"
    assert 0 not in judged, "nor is the beginning judged again"


def test_videos_that_hold_too_little(
    weights: Path, settings: TuneSettings, tmp_path: Path, video: Path
) -> None:
    silent = write_talk(tmp_path / "silent.mp4", silent_face(NAME, 3.0), None)
    with pytest.raises(FaceUnusable, match=r"only 0 s of the video.*: .*; record"):
        tune(silent, weights, settings)
    with pytest.raises(FaceUnusable, match="only 5 s"):
        tune(video, weights, replace(settings, least_seconds=20.0))


def test_what_is_not_there_is_said_at_once(
    video: Path, weights: Path, settings: TuneSettings, tmp_path: Path
) -> None:
    with pytest.raises(FileUnreadable):
        tune(tmp_path / "none.mp4", weights, settings)
    with pytest.raises(MissingWeights):
        tune(video, tmp_path, settings)
    with pytest.raises((LicenceNotAccepted, MissingWeights)):
        tune(video, "", settings)
    with pytest.raises(UnknownAvatar):
        app.tune_avatar("nobody", [video], minutes=1, weights=str(weights), tell=print)
    with pytest.raises(InputError, match="no video"):
        app.tune_avatar(NAME, [], minutes=1, weights=str(weights), tell=print)


class _Clips:
    def __init__(self, count: int) -> None:
        self.clips = tuple(
            ClipInfo(f"v@{i}", "p", "train", 100, 192, "v", start=100 * i) for i in range(count)
        )


@pytest.mark.parametrize(("clips", "held"), [(2, 1), (3, 1), (4, 2), (10, 2), (50, 6), (1000, 16)])
def test_the_last_clips_are_held_out(clips: int, held: int) -> None:
    store_ = HeldOut(_Clips(clips))  # type: ignore[arg-type]
    assert len(store_.split("val")) == held
    assert len(store_.split("train")) == clips - held
    assert min(c.start for c in store_.split("val")) > max(c.start for c in store_.split("train"))


def test_one_clip_cannot_be_judged_on() -> None:
    with pytest.raises(InputError, match="fewer than two"):
        HeldOut(_Clips(1))  # type: ignore[arg-type]
