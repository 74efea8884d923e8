"""Datasets recorded in a studio, and this project's own: what their labels say, and odd rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.training.adapters.dataset_trees import (
    BBAF2N,
    crema_d,
    grid,
    kinds,
    lay,
    lrc_ar,
    mead,
    modality,
    read,
)

from visavis.training.data.adapters.grid import sentence
from visavis.training.data.adapters.record import Word


def test_grid_names_are_sentences() -> None:
    assert sentence("bbaf2n") == "bin blue at f two now"
    assert sentence("swwzzs") == "set white with z zero soon"
    assert sentence("lgbk9p") == "lay green by k nine please"
    assert sentence("prii1a") == "place red in i one again"
    for wrong in ("bbaf2", "bbaf2nn", "xbaf2n", "bbaf0n", "BBAF2N", ""):
        assert sentence(wrong) is None


def test_grid_times_are_of_25_khz(tmp_path: Path) -> None:
    records, problems = read("grid", grid(tmp_path))
    # Talkers in the order of their numbers, not of their names.
    assert [r.speaker for r in records] == ["s1", "s2", "s10"]
    first = records[0]
    assert first.video == "s1/video/mpg_6000/bbaf2n.mpg"
    assert first.text == "bin blue at f two now"
    assert first.words[0] == Word("bin", 0.57, 0.86)
    assert first.words[-1] == Word("now", 2.08, 2.58)
    assert len(first.words) == 6
    assert first.seconds == 3.0
    assert (first.split, first.language, first.emotion) == ("", "en", None)
    assert kinds(problems) == [
        ("align/s10/sbia1a.align", "words differ from the name"),
        ("s2/align/swwzzs.align", "words differ from the name"),
    ]


def test_grid_odd_rows(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "s3/bbaf2n.mpg": b"",
            "s3/align/bbaf2n.align": b"\xef\xbb\xbf" + BBAF2N.replace("\n", "\r\n").encode(),
            "s3/bbaf3s.mpg": b"",
            "s3/bbaf4p.mpg": b"",
            "s3/align/bbaf4p.align": "0 14250 sil\n21500 bin\n30 20 blue\nx y z\n",
            "s3/holiday.mpg": b"",
            "s21/align/bbaf2n.align": BBAF2N,
            "scripts/me.py": b"",
        },
    )
    records, problems = read("grid", tmp_path)
    assert [len(r.words) for r in records] == [6, 0, 0]
    assert records[1].text == "bin blue at f three soon"
    assert records[1].seconds is None
    assert kinds(problems) == [
        ("s21", "talker without video"),
        ("s3/align/bbaf4p.align", "words differ from the name"),
        ("s3/align/bbaf4p.align:2", "malformed alignment"),
        ("s3/align/bbaf4p.align:3", "malformed alignment"),
        ("s3/align/bbaf4p.align:4", "malformed alignment"),
        ("s3/bbaf3s.mpg", "no alignment"),
        ("s3/holiday.mpg", "no GRID file name"),
    ]


def test_crema_d_names_are_labels(tmp_path: Path) -> None:
    records, problems = read("crema-d", crema_d(tmp_path))
    assert not problems
    angry, happy, sad = records
    assert (angry.speaker, angry.text) == ("1001", "Don't forget a jacket")
    assert (angry.emotion, angry.emotion_label) == ("angry", "ANG")
    assert (angry.intensity, angry.intensity_label) == (None, "XX")
    assert angry.audio == "AudioWAV/1001_DFA_ANG_XX.wav"
    assert (happy.emotion, happy.intensity, happy.audio) == ("happy", 0.8, "")
    assert (sad.emotion, sad.intensity, sad.speaker) == ("sad", 0.2, "1002")


def test_crema_d_odd_files(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "VideoFlash/1003_IEO_JOY_HI.flv": b"",
            "VideoFlash/1003_XXX_FEA_UP.flv": b"",
            "VideoFlash/1076_MTI_SAD_XX.flv": b"",
            "VideoFlash/1004_IEO_DIS_MD.flv": b"version https://git-lfs.github.com/spec/v1\n",
            "VideoFlash/draft.flv": b"",
        },
    )
    records, problems = read("crema-d", tmp_path)
    joy, fear, broken = records
    assert (joy.emotion, joy.emotion_label, joy.intensity) == (None, "JOY", 0.8)
    assert (fear.emotion, fear.text, fear.intensity, fear.intensity_label) == (
        "fear",
        "",
        None,
        "UP",
    )
    assert broken.speaker == "1076"
    assert kinds(problems) == [
        ("VideoFlash/1003_IEO_JOY_HI.flv", "unknown emotion"),
        ("VideoFlash/1003_XXX_FEA_UP.flv", "unknown level"),
        ("VideoFlash/1003_XXX_FEA_UP.flv", "unknown sentence"),
        ("VideoFlash/1004_IEO_DIS_MD.flv", "Git LFS pointer"),
        ("VideoFlash/1076_MTI_SAD_XX.flv", "known to be broken"),
        ("VideoFlash/draft.flv", "no CREMA-D file name"),
    ]


def test_mead_folders_are_labels(tmp_path: Path) -> None:
    records, problems = read("mead", mead(tmp_path))
    assert not problems
    found = {r.video: r for r in records}
    mild = found["M003/video/front/angry/level_1/001.mp4"]
    assert (mild.speaker, mild.view, mild.emotion) == ("M003", "front", "angry")
    assert mild.intensity == pytest.approx(1 / 3)
    assert mild.audio == "M003/audio/angry/level_1/001.m4a"
    strong = found["M003/video/left_30/angry/level_3/001.mp4"]
    assert (strong.view, strong.intensity, strong.intensity_label) == ("left_30", 1.0, "level_3")
    calm = found["M003/video/front/neutral/level_1/001.mp4"]
    assert (calm.emotion, calm.intensity, calm.intensity_label) == ("neutral", None, "level_1")
    woman = found["W009/video/front/disgusted/level_2/007.mp4"]
    assert (woman.speaker, woman.emotion) == ("W009", "disgusted")


def test_mead_odd_folders(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "M003/video/front/bored/level_2/001.mp4": b"",
            "M003/video/front/sad/level_4/001.mp4": b"",
            "M003/video/back/sad/level_2/001.mp4": b"",
            "M003/audio/sad/level_2/001.m4a": b"",
            "M005/video.tar": b"",
            "README.txt": b"",
        },
    )
    records, problems = read("mead", tmp_path)
    by_label = {(r.emotion_label, r.intensity_label): (r.emotion, r.intensity) for r in records}
    assert by_label[("bored", "level_2")] == (None, None)
    assert by_label[("sad", "level_4")] == ("sad", None)
    assert by_label[("sad", "level_2")] == ("sad", pytest.approx(2 / 3))
    assert kinds(problems) == [
        ("M003/video/back", "unknown camera"),
        ("M003/video/front/bored/level_2", "unknown emotion"),
        ("M003/video/front/bored/level_2/001.mp4", "no sound file"),
        ("M003/video/front/sad/level_4", "unknown level"),
        ("M003/video/front/sad/level_4/001.mp4", "no sound file"),
        ("M005", "actor without video"),
    ]


def test_modality_rows_are_utterances_of_each_camera(tmp_path: Path) -> None:
    records, problems = read("modality", modality(tmp_path))
    assert not problems
    assert [(r.view, r.text) for r in records] == [
        ("left", "ZERO ONE"),
        ("left", "EIGHT"),
        ("right", "ZERO ONE"),
        ("right", "EIGHT"),
    ]
    several, single = records[:2]
    assert several.start == pytest.approx(15.406)
    assert several.end == pytest.approx(18.27)
    assert several.seconds == pytest.approx(2.864)
    assert several.words == ()
    assert single.words[0].end == pytest.approx(2.622)
    assert single.speaker == "SPEAKER03"
    assert single.audio == "SPEAKER03/SPEAKER03_S5/SPEAKER03_S5_AUD1.wav"


def test_modality_odd_rows(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "SPEAKER09_C1/SPEAKER09_C1_STRL_h265.mkv": b"",
            "SPEAKER09_C1/SPEAKER09_C1_AUD1_crop.lab": b"\xef\xbb\xbf0 100 sil\r\n"
            b"200 100 ONE\r\n300 400\r\n10000000 20000000 TWO\r\n",
            "SPEAKER09_C1/notes.mkv": b"",
            "SPEAKER10_S1/SPEAKER10_S1_STRR.mkv": b"",
        },
    )
    records, problems = read("modality", tmp_path)
    assert [(r.text, r.start, r.end, r.audio) for r in records] == [("TWO", 1.0, 2.0, "")]
    assert kinds(problems) == [
        ("SPEAKER09_C1/SPEAKER09_C1_AUD1_crop.lab:2", "malformed label row"),
        ("SPEAKER09_C1/SPEAKER09_C1_AUD1_crop.lab:3", "malformed label row"),
        ("SPEAKER09_C1/SPEAKER09_C1_STRL_h265.mkv", "no sound file"),
        ("SPEAKER09_C1/notes.mkv", "no MODALITY file name"),
        ("SPEAKER10_S1/SPEAKER10_S1_STRR.mkv", "label file missing"),
    ]


def test_lrc_ar_has_words_with_and_without_times(tmp_path: Path) -> None:
    records, problems = read("lrc-ar", lrc_ar(tmp_path))
    assert not problems
    plain, timed = records
    assert (plain.split, plain.speaker, plain.text) == ("train", "id20", "ال إن")
    assert (plain.words, plain.seconds, plain.language) == ((), 1.24, "ar")
    assert (timed.split, timed.words) == ("val", (Word("جر", 0.06, 0.33),))


def test_lrc_ar_odd_rows(tmp_path: Path) -> None:
    rows = (
        '{"file": "train/id1/1.mp4", "duration": 1}, {"file": "train/id1/1.mp4", "duration": 1},'
        ' {"file": "../../etc/passwd"}, {"file": "train/id1/2.mp4"}, 7'
    )
    lay(
        tmp_path,
        {
            "manifest.json": "\ufeff" + f'{{"clips": [{rows}]}}',
            "train/id1/1.csv": b"\xef\xbb\xbfconf,end,start,word\r\n1.0,0.1,0.3,a\r\n1.0,0.9,0.5,b\r\n1,2,3,\r\n",
        },
    )
    records, problems = read("lrc-ar", tmp_path)
    assert [(r.video, r.seconds, r.text) for r in records] == [
        ("train/id1/1.mp4", 1, "a b"),
        ("train/id1/2.mp4", None, ""),
    ]
    assert records[0].words == (Word("b", 0.5, 0.9),)
    assert kinds(problems) == [
        ("manifest.json: clip 1", "listed twice"),
        ("manifest.json: clip 2", "malformed row"),
        ("manifest.json: clip 3", "no duration"),
        ("manifest.json: clip 4", "malformed row"),
        ("train/id1/1.csv", "malformed row"),
        ("train/id1/1.csv", "malformed time"),
        ("train/id1/2.csv", "label file missing"),
    ]
    assert read("lrc-ar", lay(tmp_path / "b", {"manifest.json": "{"}))[0] == []
