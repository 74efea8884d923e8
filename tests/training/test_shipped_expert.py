"""The lip-sync expert that comes with visavis, on recordings of people whom it has never seen."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from visavis.evaluation.sync import EmbeddedClip, measure_sync
from visavis.models.assets import get, locate
from visavis.models.common.mel import log_mel
from visavis.models.syncnet.predictor import SyncExpert
from visavis.training.data.clip_making import Making
from visavis.training.data.clip_offsets import compare, find_offset, measure_offsets
from visavis.training.data.clip_store import ClipStore
from visavis.training.data.prepare import PrepareSettings, prepare

MOVED = (-9, -4, 3, 8)
"""Frames by which sound is made late."""


@pytest.fixture(scope="module")
def store(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every twelfth clip of three people."""
    videos = sorted((data_folder / "lrc_ar" / "val").glob("*/*.mp4"))[::12]
    folder = tmp_path_factory.mktemp("unseen")
    prepare(videos, folder, PrepareSettings(Making(size=96)), jobs=2)
    return folder


@pytest.fixture(scope="module")
def expert() -> SyncExpert:
    return SyncExpert(locate("syncnet"))


@pytest.mark.slow
@pytest.mark.assets
def test_sound_that_was_moved_is_found(store: Path, expert: SyncExpert) -> None:
    opened = ClipStore(store)
    assert len(opened.clips) >= 14
    right = tried = near = 0
    for clip in opened.clips:
        sound, lead = opened.recorded(clip)
        frames = opened.frames(clip)
        as_recorded = find_offset([compare(frames, sound, lead, expert)])
        near += abs(as_recorded.offset) <= 2.5
        for moved in MOVED:
            late = np.roll(sound, moved * 640)
            # What was rolled round is no sound of this clip.
            gone = slice(0, moved * 640) if moved > 0 else slice(moved * 640, None)
            late[gone] = 0
            found = find_offset([compare(frames, late, lead, expert)])
            right += abs(found.offset - as_recorded.offset - moved) <= 1
            tried += 1
    # Recordings of television: in sync within about two frames.
    assert near >= 0.9 * len(opened.clips)
    assert right >= 0.85 * tried, f"{right} of {tried}"


@pytest.mark.slow
@pytest.mark.assets
def test_lips_in_time_are_told_from_lips_that_are_not(store: Path, expert: SyncExpert) -> None:
    measure_offsets(store, expert, together="clip")
    opened = ClipStore(store, correct=True)
    clips = []
    for clip in opened.clips:
        faces = expert.embed_faces(opened.frames(clip))
        speech = expert.embed_speech(log_mel(opened.audio(clip)))
        rows = min(len(faces), len(speech))
        clips.append(EmbeddedClip(faces[:rows], speech[:rows], clip.name))
    figures = measure_sync(clips)
    # The whole split's figures are in the README beside the weights.
    assert figures.auc > 0.87
    assert figures.auc_second > 0.94
    assert figures.found > 0.9


def test_it_is_for_research_only_and_says_what_it_learnt_from() -> None:
    asset, folder = get("syncnet"), locate("syncnet")
    assert not asset.commercial
    assert "research only" in asset.licence
    data = json.loads((folder / "data.json").read_text())
    assert not set(data["people"]["train"]) & set(data["people"]["val"])
    assert len(data["files"]) > 1800
    recipe = json.loads((folder / "recipe.json").read_text())
    assert "seed" in recipe["loop"]
    with (folder / "loss.csv").open() as file:
        lips = [float(row["lips_accuracy"]) for row in csv.DictReader(file)]
    assert lips[-1] > 2 * lips[0]
