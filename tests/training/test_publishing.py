"""Beside weights lies where they are from."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from visavis.core.errors import FileUnreadable
from visavis.models.assets.store import sha256_of
from visavis.models.syncnet.predictor import SyncExpert
from visavis.training.checkpoint import load_checkpoint
from visavis.training.loop import BEST
from visavis.training.publishing import publish

MANIFEST = {
    "visavis": "0",
    "splits": {"train": {"clips": 2}, "val": {"clips": 1}},
    "people": {"b": {"split": "train"}, "a": {"split": "train"}, "c": {"split": "val"}},
    "settings": {"size": 96},
    "sources": [{"file": "train/a/1.mp4", "sha256": "00ff", "bytes": 3}],
}


def test_weights_come_with_where_they_are_from(tiny_expert: Path, tmp_path: Path) -> None:
    clips, folder = tmp_path / "clips", tmp_path / "weights"
    clips.mkdir()
    (clips / "manifest.json").write_text(json.dumps(MANIFEST))
    run = Path(shutil.copytree(tiny_expert, tmp_path / "run"))
    recipe = {"batch": 8, "expert": ""}
    start = str(tmp_path / "96" / "best.pt")
    (run / "recipe.json").write_text(json.dumps({**recipe, "start": start}))
    publish("tiny-syncnet", run, clips, folder, name="syncnet", use="judges", corpus="made up")
    card = tomllib.loads((folder / "asset.toml").read_text())
    assert card["name"] == "syncnet"
    assert card["commercial"] is False
    assert "made up" in card["licence_basis"]
    assert {f["path"] for f in card["files"]} == {
        "face_encoder.onnx", "audio_encoder.onnx", "network.json",
    }  # fmt: skip
    for file in card["files"]:
        assert sha256_of(folder / file["path"]) == file["sha256"]
    # What was published runs.
    assert SyncExpert(folder).size == 96
    data = json.loads((folder / "data.json").read_text())
    assert data["people"] == {"train": ["a", "b"], "val": ["c"]}
    assert data["files"] == {"train/a/1.mp4": "00ff"}
    figures = json.loads((folder / "figures.json").read_text())
    stored = load_checkpoint(tiny_expert / BEST)
    assert figures["auc"] == stored["figures"]["auc"]
    assert figures["step"] == stored["step"]
    # Of where the files were on this machine nothing is told.
    assert json.loads((folder / "recipe.json").read_text()) == {**recipe, "start": "96/best.pt"}
    assert (folder / "loss.csv").read_bytes() == (tiny_expert / "loss.csv").read_bytes()


def test_the_run_that_it_began_with_is_told_of_too(tiny_expert: Path, tmp_path: Path) -> None:
    clips, folder, before = (tmp_path / name for name in ("clips", "weights", "before"))
    clips.mkdir()
    before.mkdir()
    (clips / "manifest.json").write_text(json.dumps(MANIFEST))
    (before / "loss.csv").write_text("step,loss\n1,0.7\n")
    (before / "recipe.json").write_text(json.dumps({"start": str(tmp_path / "96" / "best.pt")}))
    texts = {"name": "syncnet", "use": "judges", "corpus": "made up"}
    publish("tiny-syncnet", tiny_expert, clips, folder, **texts, before=before)
    assert (folder / "loss_before.csv").read_text() == "step,loss\n1,0.7\n"
    assert json.loads((folder / "recipe_before.json").read_text()) == {"start": "96/best.pt"}
    assert (folder / "loss.csv").read_bytes() == (tiny_expert / "loss.csv").read_bytes()
    assert not (folder / "evaluation_before.csv").exists()


def test_folders_that_are_none(tiny_expert: Path, tmp_path: Path) -> None:
    texts = {"name": "n", "use": "u", "corpus": "c"}
    with pytest.raises(FileUnreadable, match="no prepared clips"):
        publish("tiny-syncnet", tiny_expert, tmp_path, tmp_path / "out", **texts)
    with pytest.raises(FileUnreadable, match="no checkpoint"):
        publish("tiny-syncnet", tmp_path, tmp_path, tmp_path / "out", **texts)
    assert not (tmp_path / "out").exists()
