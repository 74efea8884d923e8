"""Datasets described, by function and as typed, and handed to ``visavis prepare``."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.training.adapters.dataset_trees import TREES, lay

from visavis.apps.commands.data import command
from visavis.core.errors import ConfigError, FileUnreadable, OutputUnwritable
from visavis.core.types import Segment, VideoFrame, Waveform
from visavis.media.video import VideoWriter
from visavis.training.data.adapters.describe import describe
from visavis.training.data.adapters.record import Problem
from visavis.training.data.adapters.registry import ADAPTERS
from visavis.training.data.adapters.sources import link_sources, to_sources
from visavis.training.data.clip_sources import find_sources

HELP = ["-h", "--help"]
"""As below `visavis`: click keeps the first form of a command's help option that it makes."""

GREY = np.full((64, 64, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of video with sound."""
    path = tmp_path_factory.mktemp("heard") / "heard.mp4"
    frames = tuple(VideoFrame(GREY, index) for index in range(50))
    with VideoWriter(path) as writer:
        writer.write(Segment(0, Waveform(np.zeros(32_000, np.float32), 16_000), frames))
    return path


@pytest.fixture(scope="module")
def mute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of video without sound."""
    path = tmp_path_factory.mktemp("mute") / "mute.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(25):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(GREY, "rgb24")))
        out.mux(stream.encode(None))
    return path


def typed(*args: object) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args], help_option_names=HELP)


def as_json(*args: object) -> dict[str, Any]:
    done = typed(*args, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_clips_people_hours_and_labels_are_counted(tmp_path: Path) -> None:
    found = describe(ADAPTERS["mead"], TREES["mead"](tmp_path))
    assert (found.clips, found.missing, found.without_length) == (4, 0, 4)
    assert found.speakers == {"M003", "W009"}
    assert found.emotions == {"angry": 2, "neutral": 1, "disgusted": 1}
    assert found.intensities == {"level_1": 2, "level_2": 1, "level_3": 1}
    assert found.views == {"front": 3, "left_30": 1}
    assert found.languages == {"en": 4}

    hdtf = describe(ADAPTERS["hdtf"], TREES["hdtf"](tmp_path / "hdtf"))
    assert (hdtf.clips, hdtf.missing, hdtf.seconds) == (3, 1, 110.0)
    assert hdtf.missing_files == ["Radio11_1.mp4"]
    assert (hdtf.languages, hdtf.transcribed) == ({"unknown": 3}, 0)

    lrs3 = describe(ADAPTERS["lrs3"], TREES["lrs3"](tmp_path / "lrs3"))
    assert {name: share.clips for name, share in lrs3.splits.items()} == {"train": 2, "test": 1}
    assert lrs3.splits["test"].speakers == {"0Fi83BHQsMA"}
    assert lrs3.seconds == pytest.approx(3 * 3 / 25)
    assert (lrs3.transcribed, lrs3.timed) == (3, 3)


def test_problems_are_all_counted_and_some_shown(tmp_path: Path) -> None:
    rows = "x\n" * 30
    root = lay(tmp_path, {"avspeech_train.csv": rows, "avspeech_test.csv": "a,b\n"})
    found = describe(ADAPTERS["avspeech"], root, shown=3)
    assert found.kinds == {"malformed row": 31}
    assert [p.place for p in found.problems] == [f"avspeech_train.csv:{n}" for n in (1, 2, 3)]


def test_emotions_of_no_known_name_keep_their_own(tmp_path: Path) -> None:
    root = lay(tmp_path, {"VideoFlash/1001_DFA_JOY_XX.flv": b""})
    assert describe(ADAPTERS["crema-d"], root).emotions == {"(JOY)": 1}


def test_files_tell_their_lengths_when_asked(tmp_path: Path, heard: Path) -> None:
    root = TREES["mead"](tmp_path)
    for name in ("front", "left_30"):
        level = "level_1" if name == "front" else "level_3"
        shutil.copy(heard, root / f"M003/video/{name}/angry/{level}/001.mp4")
    found = describe(ADAPTERS["mead"], root, probe_files=True)
    assert found.seconds == pytest.approx(4.0, abs=0.1)
    assert found.without_length == 2
    assert found.kinds == {"video cannot be read": 2}
    # Parts of a video are as long as their labels say.
    modality = TREES["modality"](tmp_path / "m")
    assert describe(ADAPTERS["modality"], modality, probe_files=True).seconds == pytest.approx(
        2 * (2.864 + 2.622)
    )


def test_describe_as_typed(tmp_path: Path) -> None:
    root = TREES["voxceleb1"](tmp_path)
    done = typed("describe", root)
    assert done.exit_code == 0
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == "voxceleb1: VoxCeleb1"
    assert {"clips      2, 0.2 s by their labels", "missing    2 videos", "speakers   2"} < set(
        lines
    )
    assert "test       1 clips, 0.1 s, 1 speakers" in lines
    assert any("CC BY 4.0 (u)" in line for line in lines)
    assert "personal data" in lines[-1]
    found = as_json("describe", root, "--problems", 1)
    assert found["dataset"] == "voxceleb1"
    assert (found["clips"], found["missing"], found["speakers"]) == (2, 2, 2)
    assert found["splits"]["test"] == {"clips": 1, "seconds": 0.08, "speakers": 1}
    assert len(found["missing_files"]) == 1
    assert found["about"]["page"].startswith("https://www.robots.ox.ac.uk/")
    assert "personal data" in found["personal_data"]


def test_wrong_input_is_said(tmp_path: Path) -> None:
    missing = typed("describe", tmp_path / "missing")
    assert isinstance(missing.exception, FileUnreadable)
    unknown = typed("describe", tmp_path, "--dataset", "lrs4")
    assert isinstance(unknown.exception, ConfigError)
    other = typed("describe", TREES["grid"](tmp_path), "--dataset", "mead")
    assert isinstance(other.exception, FileUnreadable)


def test_all_datasets_are_listed() -> None:
    done = typed("list")
    assert [name for name in ADAPTERS if f"\n{name} " not in f"\n{done.stdout}"] == []
    listed = json.loads(typed("list", "--json").stdout)
    assert [entry["name"] for entry in listed] == list(ADAPTERS)


@pytest.mark.parametrize("name", ["grid", "lrw", "lrs2", "lrs3", "lrc-ar"])
def test_prepare_sees_the_people_and_splits_of_the_labels(name: str, tmp_path: Path) -> None:
    root = TREES[name](tmp_path / "data")
    problems: list[Problem] = []
    adapter = ADAPTERS[name]
    wanted = list(to_sources(adapter.records(root, lambda p: None), root, problems.append))
    assert not problems
    tree = tmp_path / "tree"
    assert link_sources(wanted, tree) == len(wanted) > 0
    found = {s.path.resolve(): s for s in find_sources([tree])}
    assert {path: s.split for path, s in found.items()} == {
        s.path.resolve(): s.split for s in wanted
    }
    people = {(found[s.path.resolve()].person, s.person) for s in wanted}
    # Names may differ (a clip that is a person of its own is named after its place), people may not.
    assert len(people) == len({a for a, _ in people}) == len({b for _, b in people})
    if name != "lrw":
        assert all(a == b for a, b in people)
    # Once more changes nothing.
    assert link_sources(wanted, tree) == len(wanted)
    assert len(find_sources([tree])) == len(wanted)


def test_what_prepare_cannot_take_is_told(tmp_path: Path, heard: Path, mute: Path) -> None:
    root = TREES["mead"](tmp_path / "mead")
    shutil.copy(heard, root / "M003/video/front/angry/level_1/001.mp4")
    shutil.copy(mute, root / "W009/video/front/disgusted/level_2/007.mp4")
    problems: list[Problem] = []
    records = ADAPTERS["mead"].records(root, lambda p: None)
    found = list(to_sources(records, root, problems.append, view="front"))
    assert [(s.person, s.split) for s in found] == [("M003", None)]
    assert sorted((p.place, p.kind) for p in problems) == [
        ("M003/video/front/neutral/level_1/001.mp4", "video cannot be read"),
        ("W009/video/front/disgusted/level_2/007.mp4", "sound apart from the video"),
    ]
    for name, kind in (("modality", "part of a longer video"), ("voxceleb1", "video not there")):
        root = TREES[name](tmp_path / name)
        told: list[Problem] = []
        assert not list(to_sources(ADAPTERS[name].records(root, told.append), root, told.append))
        assert {p.kind for p in told} == {kind}


def test_people_whose_names_are_no_folders(tmp_path: Path) -> None:
    files = {"s1/bbaf2n.mpg": b"", "s1/bbaf3s.mpg": b""}
    root = lay(tmp_path / "data", files)
    sources = list(to_sources(ADAPTERS["grid"].records(root, print), root, print))
    odd = [replace(s, person=p) for s, p in zip(sources, ("test", "a/../b"), strict=True)]
    tree = tmp_path / "tree"
    link_sources(odd, tree)
    found = find_sources([tree])
    # A person called as a split is a person still, and nothing leaves the tree.
    assert [s.split for s in found] == [None, None]
    assert len({s.person for s in found}) == 2
    assert all(s.person.startswith(("test-", "a_.._b-")) for s in found)
    folder = next(p for p in tree.iterdir() if p.name.startswith("test-"))
    link = next(folder.iterdir())
    link.unlink()
    link.write_bytes(b"mine")
    with pytest.raises(OutputUnwritable, match="in the way"):
        link_sources(odd, tree)
    assert link.read_bytes() == b"mine"


def test_link_as_typed(tmp_path: Path) -> None:
    root = TREES["lrw"](tmp_path / "data")
    (root / "lipread_mp4/ABOUT/val/ABOUT_00001.mp4").unlink()
    done = typed("link", root, "-o", tmp_path / "tree")
    assert done.exit_code == 0
    assert "2 videos of lrw linked" in done.stdout
    assert "left out: 1, video not there" in done.stderr
    assert "academic research only" in done.stdout
    nothing = typed("link", TREES["modality"](tmp_path / "m"), "-o", tmp_path / "none")
    assert isinstance(nothing.exception, FileUnreadable)
