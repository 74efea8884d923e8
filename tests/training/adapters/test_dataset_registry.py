"""Which dataset a folder is, and that reading does not begin with reading all of it."""

from __future__ import annotations

import tracemalloc
from itertools import islice
from pathlib import Path

import pytest
from tests.training.adapters.dataset_trees import TREES, lay, read

from visavis.core.errors import ConfigError, FileUnreadable
from visavis.training.data.adapters import label_files
from visavis.training.data.adapters.registry import ADAPTERS, find_adapter

DOCS = Path(__file__).parents[3] / "docs" / "datasets.md"


def test_all_datasets_of_the_survey_are_there() -> None:
    assert set(ADAPTERS) == set(TREES)
    text = DOCS.read_text("utf-8")
    for name, adapter in ADAPTERS.items():
        assert f"`{name}`" in text
        assert adapter.about.page in text
        assert adapter.about.licence in text


@pytest.mark.parametrize("name", TREES)
def test_each_is_recognised_as_itself_and_as_no_other(name: str, tmp_path: Path) -> None:
    root = TREES[name](tmp_path / "Zürich 视频")
    assert [a.name for a in ADAPTERS.values() if a.matches(root)] == [name]
    assert find_adapter(root).name == name
    records, problems = read(name, root)
    assert records
    assert {record.dataset for record in records} == {name}
    assert all(record.licence == ADAPTERS[name].about.licence for record in records)
    expected = {"grid": 2, "mead": 0, "lrw": 3}.get(name, 0)
    assert len(problems) == expected, problems


def test_parts_of_datasets_are_not_taken_for_others(tmp_path: Path) -> None:
    text = "Text:  THANK YOU\nConf:  4\n\nWORD START END ASDSCORE\nTHANK 0.1 0.3 8.1\n"
    only = lay(tmp_path / "a", {"pretrain/5535415699068794046/00001.txt": text})
    assert find_adapter(only).name == "lrs2"
    flat = lay(tmp_path / "b", {"1001_DFA_ANG_XX.mp4": b""})
    assert find_adapter(flat).name == "crema-d"
    headed = "youtube_id,start,end,x,y\nenSzPLXxw8I,1,2,0.5,0.5\n"
    assert find_adapter(lay(tmp_path / "e", {"avspeech_test.csv": headed})).name == "avspeech"
    inside = TREES["hdtf"](tmp_path / "c") / "HDTF_dataset"
    assert find_adapter(inside).name == "hdtf"
    for index, other in enumerate(("s1/holiday.mpg", "train/anna/1.mp4", "ABOUT/train/me.mp4")):
        with pytest.raises(FileUnreadable):
            find_adapter(lay(tmp_path / f"d{index}", {other: b""}))


def test_what_is_none_is_said_with_what_was_looked_for(tmp_path: Path) -> None:
    lay(tmp_path, {"anna/monday.mp4": b"", "manifest.json": "{not json"})
    with pytest.raises(FileUnreadable, match=r"lipread_mp4.*avspeech_train\.csv"):
        find_adapter(tmp_path)
    with pytest.raises(FileUnreadable, match="no folder"):
        find_adapter(tmp_path / "missing")
    with pytest.raises(FileUnreadable, match="not laid out as mead: looked for M003"):
        find_adapter(tmp_path, "mead")
    with pytest.raises(ConfigError, match="no dataset is called 'need'; there are: grid"):
        find_adapter(tmp_path, "need")


def test_two_in_one_folder_are_not_guessed(tmp_path: Path) -> None:
    TREES["grid"](tmp_path)
    TREES["lrw"](tmp_path)
    with pytest.raises(ConfigError, match="looks like grid and lrw; name one"):
        find_adapter(tmp_path)
    assert find_adapter(tmp_path, "lrw").name == "lrw"


@pytest.mark.parametrize("name", sorted(set(TREES) - {"crema-d", "mead", "hdtf", "modality"}))
def test_labels_are_read_as_they_are_asked_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = TREES[name](tmp_path)
    opened: list[Path] = []
    whole, lines = label_files.read_label, label_files.read_lines
    monkeypatch.setattr(
        label_files, "read_label", lambda path, *rest: opened.append(path) or whole(path, *rest)
    )
    monkeypatch.setattr(
        label_files, "read_lines", lambda path, *rest: opened.append(path) or lines(path, *rest)
    )
    records = ADAPTERS[name].records(root, lambda problem: None)
    assert not opened
    next(records)
    at_first = len(opened)
    assert list(records)
    assert len(opened) > at_first


def test_a_long_list_takes_no_memory(tmp_path: Path) -> None:
    rows = "".join(f"u5MPyrRJPmc,{i}.0,{i + 3}.0,0.5,0.5\n" for i in range(4000))
    lay(tmp_path, {"avspeech_train.csv": rows + "broken\n", "avspeech_test.csv": ""})
    problems: list[object] = []
    records = ADAPTERS["avspeech"].records(tmp_path, problems.append)
    assert len(list(islice(records, 10))) == 10
    tracemalloc.start()
    try:
        count = sum(1 for _ in records)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 3990
    assert len(problems) == 1
    assert peak < 200_000
