"""Which videos are found, who is in them, and which split they belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import FileUnreadable
from visavis.core.types import Floats
from visavis.training.data.clip_cutting import Cutting, cut_clips
from visavis.training.data.clip_sources import assign_splits, find_sources
from visavis.training.data.people_by_face import group_faces
from visavis.training.data.who_speaks import loudness


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_videos_are_found_in_folders_of_folders(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.MP4", "b/1.mkv", "a/deep/3.webm", "top.mov", "notes.txt", "b/4.jpg")
    (tmp_path / "folder.mp4").mkdir()
    found = find_sources([tmp_path])
    assert [(s.name, s.person) for s in found] == [
        ("a/deep/3.webm", "deep"),
        ("b/1.mkv", "b"),
        ("b/2.MP4", "b"),
        ("top.mov", "top"),
    ]
    assert all(s.path.is_file() for s in found)
    assert {s.person for s in find_sources([tmp_path], "file")} == {
        "a/deep/3", "b/1", "b/2", "top",
    }  # fmt: skip
    assert {s.person for s in find_sources([tmp_path], "face")} == {""}


def test_folders_of_splits_are_no_people(tmp_path: Path) -> None:
    touch(tmp_path, "train/id1/a.mp4", "Val/id2/b.mp4", "test/c.mp4", "id3/dev/d.mp4", "id4/e.mp4")
    found = {s.name: (s.person, s.split) for s in find_sources([tmp_path])}
    assert found == {
        "train/id1/a.mp4": ("id1", "train"),
        "Val/id2/b.mp4": ("id2", "val"),
        "test/c.mp4": ("test/c", "test"),
        "id3/dev/d.mp4": ("id3", "val"),
        "id4/e.mp4": ("id4", None),
    }


def test_several_folders_do_not_mix(tmp_path: Path) -> None:
    one, two = touch(tmp_path / "one", "p/a.mp4"), touch(tmp_path / "two", "p/a.mp4")
    assert [s.name for s in find_sources([two, one])] == ["one/p/a.mp4", "two/p/a.mp4"]
    # The folder of a split may be what was given.
    given = [touch(tmp_path / "train", "p/a.mp4"), touch(tmp_path / "val", "q/b.mp4")]
    assert [(s.person, s.split) for s in find_sources(given)] == [("p", "train"), ("q", "val")]
    # A file that is given twice, or in its folder as well, is one.
    assert len(find_sources([one, one / "p" / "a.mp4", one])) == 1
    same_name = find_sources([one / "p" / "a.mp4", two / "p" / "a.mp4"])
    assert len({s.name for s in same_name}) == 2


def test_nothing_to_prepare_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="no video"):
        find_sources([touch(tmp_path, "a.txt")])
    with pytest.raises(FileUnreadable, match="no file or folder"):
        find_sources([tmp_path / "missing"])


def people(count: int) -> dict[str, set[str]]:
    return {f"p{i}": set() for i in range(count)}


def test_people_are_split_by_share() -> None:
    splits = assign_splits(people(400), 0.1, {})
    assert set(splits.values()) == {"train", "val"}
    assert 20 < sum(split == "val" for split in splits.values()) < 60
    assert assign_splits(people(400), 0.1, {}) == splits
    # More people change nobody's split.
    more = assign_splits(people(500), 0.1, {})
    assert {p: more[p] for p in splits} == splits
    assert set(assign_splits(people(30), 0, {}).values()) == {"train"}
    assert set(assign_splits(people(30), 1, {}).values()) == {"val"}


@pytest.mark.parametrize("count", [2, 3, 5])
def test_few_people_still_make_two_splits(count: int) -> None:
    for share in (0.05, 0.5, 0.9):
        assert set(assign_splits(people(count), share, {}).values()) == {"train", "val"}
    assert set(assign_splits(people(1), 0.3, {}).values()) == {"train"}


def test_folders_and_earlier_runs_come_first() -> None:
    given = {"a": {"val"}, "b": {"train"}, "c": {"train", "test"}, "d": set(), "e": set()}
    splits = assign_splits(given, 0.5, {"d": "val", "e": "train", "b": "val"})
    assert splits == {"a": "val", "b": "train", "c": "test", "d": "val", "e": "train"}


def test_a_stretch_is_cut_into_sentences() -> None:
    turns = [(16_000, 48_000), (60_000, 66_400), (80_000, 200_000)]
    cut = cut_clips(50, 300, 1000, turns, Cutting())
    # The first begins before the stretch, the second is too short, the third ends after it.
    assert cut == [(50, 75), (125, 300)]
    assert cut_clips(0, 60, 1000, turns, Cutting()) == [(0, 60)]  # short ones stay whole
    assert cut_clips(0, 60, 40, None, Cutting()) == [(0, 40)]  # no further than there is sound
    assert cut_clips(0, 15, 1000, None, Cutting()) == []


def test_a_stretch_is_cut_into_equal_parts() -> None:
    five = Cutting(seconds=5)
    assert cut_clips(10, 400, 1000, None, five) == [
        (10, 135), (135, 260), (260, 385),
    ]  # fmt: skip
    assert cut_clips(10, 350, 1000, None, five)[-1] == (260, 350)
    assert cut_clips(0, 100, 1000, None, five) == [(0, 100)]
    assert cut_clips(0, 40, 1000, None, five) == []


def test_loudness_is_of_each_frame() -> None:
    sound = np.zeros(640 * 4, np.float32)
    sound[640:1280] = 0.5
    sound[1280:1920] = 0.05
    assert loudness(sound, 5) == pytest.approx([0, 1, 0.5, 0, 0], abs=0.01)


def faces_of(rng: np.random.Generator, count: int, spread: float) -> tuple[Floats, list[Floats]]:
    centre = rng.normal(size=128)
    centre /= np.linalg.norm(centre)
    around = [centre + spread * rng.normal(size=128) / 128**0.5 for _ in range(count)]
    return centre, [(v / np.linalg.norm(v)).astype(np.float32) for v in around]


def test_faces_tell_who_is_who() -> None:
    rng = np.random.default_rng(0)
    clips, truth = {}, {}
    for person in range(6):
        for i, face in enumerate(faces_of(rng, 8 - person, 0.6)[1]):
            clips[f"{i}{person}"] = face
            truth[f"{i}{person}"] = person
    named = group_faces(clips, {})
    assert len(set(named.values())) == 6
    assert len({(named[clip], truth[clip]) for clip in clips}) == 6
    assert named["00"] == "person001"  # the largest comes first

    # Later ones join those who have a name.
    known = {clip: f"Ms {named[clip]}" for clip in clips if clip[0] == "0"}
    again = group_faces(clips, known)
    assert again == {clip: f"Ms {name}" for clip, name in named.items()}
