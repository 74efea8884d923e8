"""Datasets cut from television and the web: what their labels say, and odd rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.training.adapters.dataset_trees import (
    LRS_TRACK,
    avspeech,
    hdtf,
    kinds,
    lay,
    lrs2,
    lrs3,
    lrw,
    obama_set,
    read,
    vox_track,
    voxceleb1,
    voxceleb2,
)

from visavis.training.data.adapters.record import Box, Word


def test_lrw_words_lie_in_the_middle(tmp_path: Path) -> None:
    records, _ = read("lrw", lrw(tmp_path))
    assert [(r.text, r.split) for r in records] == [
        ("ABOUT", "train"),
        ("ABOUT", "val"),
        ("YOUNG", "test"),
    ]
    first = records[0]
    assert first.video == "lipread_mp4/ABOUT/train/ABOUT_00001.mp4"
    assert first.seconds == pytest.approx(1.16)
    assert first.words[0].start == pytest.approx(0.40)
    assert first.words[0].end == pytest.approx(0.76)
    assert first.speaker == ""


def test_lrw_odd_files(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "ÜBER/train/ÜBER_00001.mp4": b"",
            "ABOUT/train/ABOUT_00001.mp4": b"",
            "ABOUT/train/ABOUT_00002.mp4": b"",
            "ABOUT/train/ABOUT_00002.txt": "Duration: 7 seconds\r\n",
            "ABOUT/train/ABOUT_00003.mp4": b"",
            "ABOUT/train/ABOUT_00003.txt": b"\xef\xbb\xbfDuration: 0.16 seconds\r\n",
            "ABOUT/train/me.mp4": b"",
            "ABOUT/val/ABOUT_00001.txt": b"Channel: \xff\nDuration: 0.5\n",
            "ABOUT/test/ABOUT_00001.txt": "Channel: BBC\n",
        },
    )
    records, problems = read("lrw", tmp_path)
    about = [r for r in records if r.text == "ABOUT"]
    assert [len(r.words) for r in about] == [0, 0, 1, 1, 0]
    assert about[2].words[0].start == pytest.approx(0.5)
    assert [p for p in kinds(problems) if p[0].startswith("ABOUT")] == [
        ("ABOUT/test/ABOUT_00001.txt", "no duration"),
        ("ABOUT/train/ABOUT_00001.txt", "label file missing"),
        ("ABOUT/train/ABOUT_00002.txt", "no duration"),
        ("ABOUT/train/me", "no LRW file name"),
        ("ABOUT/val/ABOUT_00001.txt", "not UTF-8"),
    ]


def test_lrs2_lists_tell_the_splits(tmp_path: Path) -> None:
    records, problems = read("lrs2", lrs2(tmp_path))
    assert not problems
    assert [(r.split, r.video) for r in records] == [
        ("train", "mvlrs_v1/pretrain/5535415699068794046/00001.mp4"),
        ("train", "mvlrs_v1/main/6001854301505575951/00005.mp4"),
        ("test", "mvlrs_v1/main/6330311066473698535/00011.mp4"),
    ]
    assert records[0].text == "THANK YOU"
    assert records[0].words == (Word("THANK", 0.10, 0.32), Word("YOU", 0.32, 0.50))
    assert records[1].words == ()
    assert records[1].origin is not None
    assert (records[1].speaker, records[1].origin.id) == ("", "6001854301505575951")


def test_lrs2_without_lists_and_with_odd_ones(tmp_path: Path) -> None:
    root = lrs2(tmp_path)
    for name in ("pretrain", "train", "val"):
        (root / f"{name}.txt").unlink()
    lay(
        root,
        {
            "mvlrs_v1/test.txt": b"\xef\xbb\xbf6330311066473698535/00011 MV\r\n../../x\r\n\r\n"
            b"6330311066473698535/00099 NF\r\n",
        },
    )
    records, problems = read("lrs2", root)
    assert [(r.split, r.video.rpartition("/")[2]) for r in records] == [
        ("train", "00001.mp4"),
        ("test", "00011.mp4"),
        ("test", "00099.mp4"),
    ]
    assert kinds(problems) == [
        ("mvlrs_v1/main/6330311066473698535/00099.txt", "label file missing"),
        ("mvlrs_v1/test.txt:2", "malformed list row"),
        ("train.txt", "list missing"),
        ("val.txt", "list missing"),
    ]
    (root / "mvlrs_v1" / "test.txt").unlink()
    (root / "test.txt").unlink()
    assert [r.split for r in read("lrs2", root)[0]] == ["train", "", ""]


def test_lrs3_tracks_words_and_talks(tmp_path: Path) -> None:
    records, problems = read("lrs3", lrs3(tmp_path))
    assert not problems
    assert [(r.split, r.speaker) for r in records] == [
        ("train", "00j9bKdiOjk"),
        ("train", "0af00UcTOSc"),
        ("test", "0Fi83BHQsMA"),
    ]
    first = records[0]
    assert first.text == "WE CAN"
    assert first.words == (Word("WE", 0.02, 0.05), Word("CAN", 0.05, 0.12))
    # The clip is a file of its own; frames and boxes are those of the talk.
    assert (first.start, first.box) == (None, None)
    assert first.seconds == pytest.approx(3 / 25)
    assert first.origin is not None
    assert first.origin.url == "https://www.youtube.com/watch?v=00j9bKdiOjk"
    assert (first.origin.start, first.origin.end) == (2.0, 2.12)
    box = first.origin.box
    assert box is not None
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx((0.29, 0.09, 0.51, 0.5))
    assert box.unit == "share"


def test_lrs3_odd_files(tmp_path: Path) -> None:
    broken = LRS_TRACK.replace("000051 \t0.310", "000060 \tNaN").replace("0.05 0.12", "0.12 0.05")
    lay(
        tmp_path,
        {
            "test/a/00001.txt": b"\xef\xbb\xbf" + broken.replace("\n", "\r\n").encode(),
            "test/a/00002.mp4": b"",
            "test/b/00001.txt": "Text:  \nRef: b\n",
        },
    )
    records, problems = read("lrs3", tmp_path)
    assert len(records) == 3
    assert [w.text for w in records[0].words] == ["WE"]
    assert records[1].origin is not None
    assert (records[1].text, records[1].origin.id) == ("", "a")
    assert kinds(problems) == [
        ("test/a/00001.txt", "frames not one after the other"),
        ("test/a/00001.txt:12", "malformed label row"),
        ("test/a/00001.txt:7", "malformed label row"),
        ("test/a/00002.txt", "label file missing"),
        ("test/b/00001.txt", "no face track"),
        ("test/b/00001.txt", "no text"),
    ]


def test_voxceleb1_is_tracks_in_pixels(tmp_path: Path) -> None:
    records, problems = read("voxceleb1", voxceleb1(tmp_path))
    assert not problems
    dev, test = records
    assert (dev.speaker, dev.split, test.split) == ("id10001", "train", "test")
    assert dev.video == "mp4/id10001/1zcIwhmdeo4/00001.mp4"
    assert (dev.audio, test.audio) == ("wav/id10001/1zcIwhmdeo4/00001.wav", "")
    assert dev.origin is not None
    assert dev.origin.box == Box(118, 40, 320, 254, "pixels")
    assert (dev.origin.start, dev.seconds) == (32.0, pytest.approx(0.08))


def test_voxceleb2_is_videos_with_tracks(tmp_path: Path) -> None:
    records, problems = read("voxceleb2", voxceleb2(tmp_path))
    assert not problems
    dev, test = records
    assert (dev.split, dev.speaker) == ("train", "id00012")
    assert dev.video == "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4"
    assert dev.audio == "dev/aac/id00012/21Uxsk56VDQ/00001.m4a"
    assert (test.split, test.audio, test.language) == ("test", "", "")
    assert dev.origin is not None
    assert dev.origin.box is not None
    assert dev.origin.box.unit == "share"
    assert dev.origin.start == pytest.approx(8809 / 25)


def test_voxceleb_odd_files(tmp_path: Path) -> None:
    rows = ["1\t0.1\t0.1", "2\t0.1\t0.1\t0.5\t0.5"]
    lay(
        tmp_path,
        {
            "vox2_dev_txt/txt/id00012/aaaaaaaaaaa/00001.txt": vox_track("id00012", "a", rows),
            "dev/mp4/id00012/aaaaaaaaaaa/00002.mp4": b"",
            "dev/mp4/id10500/bbbbbbbbbbb/00001.mp4": b"",
            "test/aac/id00017/ccccccccccc/00001.m4a": b"",
        },
    )
    records, problems = read("voxceleb2", tmp_path)
    assert [r.video for r in records] == [
        "dev/mp4/id00012/aaaaaaaaaaa/00001.mp4",
        "dev/mp4/id00012/aaaaaaaaaaa/00002.mp4",
    ]
    assert kinds(problems) == [
        ("id10500", "no identity of voxceleb2"),
        ("test", "no face tracks and no videos"),
        ("vox2_dev_txt/txt/id00012/aaaaaaaaaaa/00001.txt:8", "malformed label row"),
        ("vox2_dev_txt/txt/id00012/aaaaaaaaaaa/00002.txt", "label file missing"),
    ]


def test_avspeech_rows_are_cuts_or_files(tmp_path: Path) -> None:
    records, problems = read("avspeech", avspeech(tmp_path))
    assert not problems
    cut, whole, absent = records
    assert (cut.video, cut.start) == ("train/u5MPyrRJPmc_90.0_93.5.mp4", None)
    assert cut.origin is not None
    assert (cut.origin.start, cut.origin.end, cut.seconds) == (90.0, 93.5, 3.5)
    assert cut.box == Box(0.5, 0.25, 0.5, 0.25, "share")
    assert (whole.video, whole.start, whole.end) == ("train/-jSpM-9q3J8.mp4", 1.0, 9.0)
    assert absent.video == "test/enSzPLXxw8I_142.078267_145.078267.mp4"
    assert (absent.split, absent.speaker) == ("test", "")


def test_avspeech_odd_rows(tmp_path: Path) -> None:
    rows = "enSzPLXxw8I,1,2,0.5,0.5\r\nshort,1,2,3,4\r\nenSzPLXxw8I,2,1,0,0\r\n"
    rows += "enSzPLXxw8I,1,2,1.5,0\r\nenSzPLXxw8I,1,nan,0,0\r\n\r\n"
    lay(tmp_path, {"avspeech_train.csv": b"\xef\xbb\xbf" + rows.encode()})
    records, problems = read("avspeech", tmp_path)
    assert [r.box is None for r in records] == [False, True]
    assert kinds(problems) == [
        ("avspeech_test.csv", "label file missing"),
        ("avspeech_train.csv:2", "malformed row"),
        ("avspeech_train.csv:3", "ends before it starts"),
        ("avspeech_train.csv:4", "face outside the picture"),
        ("avspeech_train.csv:5", "malformed row"),
    ]


def test_hdtf_stretches_crops_and_copies(tmp_path: Path) -> None:
    records, problems = read("hdtf", hdtf(tmp_path))
    assert not problems
    cut, absent, whole = records
    assert (cut.video, cut.start, cut.box) == ("videos/Radio11_0.mp4", None, None)
    assert cut.origin is not None
    assert cut.origin.id == "XtySvTwIOfw"
    assert (cut.origin.start, cut.origin.end) == (30.0, 60.0)
    assert cut.origin.box == Box(412, 0, 1011, 599, "pixels", 720)
    assert (absent.video, absent.seconds, absent.speaker) == ("Radio11_1.mp4", 60.0, "Radio11")
    assert whole.video == "_videos_raw/WDA_AdamSchiff0.mp4"
    assert (whole.start, whole.end) == (3600.0, 3620.0)
    assert whole.box == Box(10, 20, 310, 320, "pixels", 1080)
    assert whole.origin is not None
    assert (whole.speaker, whole.origin.id) == ("AdamSchiff", "wMypCqkYKS8")


def test_hdtf_odd_rows(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "WRA_annotion_time.txt": b"\xef\xbb\xbfMittRomney.mp4 08:10-08:30 00:33-08:53\r\n"
            b"JimRisch.mp4 01:00-00:05 x-y\r\nJoePitts.mp4\r\n",
            "WRA_video_url.txt": "MittRomney https://www.youtube.com/watch?v=AAAAAAAAAAA\n",
            "WRA_crop_wh.txt": "MittRomney_0.mp4 1 2 3 2\nMittRomney_1.mp4 1 2 3\n",
        },
    )
    records, problems = read("hdtf", tmp_path)
    assert [(r.speaker, r.seconds) for r in records] == [("MittRomney", 20), ("MittRomney", 500)]
    assert [r.origin.box for r in records if r.origin] == [Box(1, 3, 3, 5, "pixels", 0), None]
    assert kinds(problems) == [
        ("RD_annotion_time.txt", "label file missing"),
        ("WDA_annotion_time.txt", "label file missing"),
        ("WRA_annotion_time.txt:1", "no crop"),
        ("WRA_annotion_time.txt:1", "stretches overlap"),
        ("WRA_annotion_time.txt:2", "malformed time"),
        ("WRA_annotion_time.txt:2", "malformed time"),
        ("WRA_annotion_time.txt:2", "no address"),
        ("WRA_annotion_time.txt:3", "no address"),
        ("WRA_annotion_time.txt:3", "no time"),
        ("WRA_resolution.txt", "label file missing"),
    ]


def test_obama_set_parts_are_frames(tmp_path: Path) -> None:
    records, problems = read("obama-set", obama_set(tmp_path))
    assert not problems
    first, second, whole = records
    assert (first.video, first.start, first.end) == ("videos/2AFpAATHXtc.webm", 0.0, 100.0)
    assert second.start == pytest.approx(3000 / 29.97)
    assert second.seconds == pytest.approx(300 / 29.97)
    assert (whole.video, whole.start, whole.seconds) == ("videos/bl8quI2z0sY.mp4", None, None)
    assert {r.speaker for r in records} == {"Barack Obama"}


def test_obama_set_odd_rows(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "processed_fps.txt": b"\xef\xbb\xbfJ6NopOWj5dg\tJanuary 30, 2012\r\n"
            b"J6NopOWj5dg\tJanuary 28, 2012\r\nno id here\r\n",
            "J6NopOWj5dg}}00/startframe.txt": "1\n",
            "J6NopOWj5dg}}01/nframe.txt": "many\n",
            "J6NopOWj5dg}}02/nframe.txt": "30\r\n",
        },
    )
    records, problems = read("obama-set", tmp_path)
    assert [r.seconds for r in records] == [pytest.approx(30 / 29.97)]
    assert kinds(problems) == [
        ("J6NopOWj5dg}}00/nframe.txt", "label file missing"),
        ("J6NopOWj5dg}}01/nframe.txt", "no frame number"),
        ("processed_fps.txt:2", "listed twice"),
        ("processed_fps.txt:3", "malformed list row"),
    ]
