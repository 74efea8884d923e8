"""Miniature datasets, each laid out as its publishers do; most files are empty."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from visavis.training.data.adapters.record import ClipRecord, Problem
from visavis.training.data.adapters.registry import ADAPTERS

Content = str | bytes


def lay(root: Path, files: Mapping[str, Content]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def read(name: str, root: Path) -> tuple[list[ClipRecord], list[Problem]]:
    problems: list[Problem] = []
    return list(ADAPTERS[name].records(root, problems.append)), problems


def kinds(problems: list[Problem]) -> list[tuple[str, str]]:
    return sorted((problem.place, problem.kind) for problem in problems)


BBAF2N = """0 14250 sil
14250 21500 bin
21500 28250 blue
28250 33250 at
33250 42250 f
42250 52000 two
52000 64500 now
64500 75000 sil
"""
LRS_TRACK = """Text:  WE CAN
Conf:  4
Ref:   00j9bKdiOjk

FRAME \tX \tY \tW \tH
000050 \t0.300 \t0.100 \t0.200 \t0.400
000051 \t0.310 \t0.090 \t0.200 \t0.400
000052 \t0.290 \t0.100 \t0.200 \t0.400

WORD START END ASDSCORE
WE 0.02 0.05 6.1
CAN 0.05 0.12 7.0
"""


def vox_track(identity: str, video: str, rows: list[str]) -> str:
    head = f"Identity  : \t{identity}\nReference : \t{video}\nOffset    : \t1\n"
    head += "FV Conf   : \t16.140\t(1)\nASD Conf  : \t5.142\n\nFRAME \tX \tY \tW \tH \n"
    return head + "".join(f"{row}\n" for row in rows)


def grid(root: Path) -> Path:
    return lay(
        root,
        {
            "s1/video/mpg_6000/bbaf2n.mpg": b"",
            "s1/align/bbaf2n.align": BBAF2N,
            "s2/video/mpg_6000/swwzzs.mpg": b"",
            "s2/align/swwzzs.align": "0 25000 sil\n25000 50000 set\n",
            "s10/sbia1a.mpg": b"",
            "align/s10/sbia1a.align": "0 75000 sil\n",
        },
    )


def crema_d(root: Path) -> Path:
    return lay(
        root,
        {
            "VideoFlash/1001_DFA_ANG_XX.flv": b"",
            "VideoFlash/1001_IEO_HAP_HI.flv": b"",
            "VideoFlash/1002_IEO_SAD_LO.flv": b"",
            "AudioWAV/1001_DFA_ANG_XX.wav": b"",
        },
    )


def modality(root: Path) -> Path:
    folder = "SPEAKER03/SPEAKER03_S5"
    return lay(
        root,
        {
            f"{folder}/SPEAKER03_S5_STRL.mkv": b"",
            f"{folder}/SPEAKER03_S5_STRR.mkv": b"",
            f"{folder}/SPEAKER03_S5_AUD1.wav": b"",
            f"{folder}/SPEAKER03_S5_AUD1.lab": "154060000 182700000 ZERO ONE\r\n"
            "194220000 220440000 EIGHT\r\n",
        },
    )


def mead(root: Path) -> Path:
    return lay(
        root,
        {
            "M003/video/front/angry/level_1/001.mp4": b"",
            "M003/video/left_30/angry/level_3/001.mp4": b"",
            "M003/video/front/neutral/level_1/001.mp4": b"",
            "M003/audio/angry/level_1/001.m4a": b"",
            "M003/audio/angry/level_3/001.m4a": b"",
            "M003/audio/neutral/level_1/001.m4a": b"",
            "W009/video/front/disgusted/level_2/007.mp4": b"",
            "W009/audio/disgusted/level_2/007.m4a": b"",
        },
    )


def obama_set(root: Path) -> Path:
    return lay(
        root,
        {
            "obama_data/processed_fps.txt": "2AFpAATHXtc\tMay 07, 2016\nbl8quI2z0sY\tApril 30, 2016\n",
            "obama_data/2AFpAATHXtc}}00/nframe.txt": "2997\n",
            "obama_data/2AFpAATHXtc}}01/startframe.txt": "3001\n",
            "obama_data/2AFpAATHXtc}}01/nframe.txt": "300\n",
            "videos/2AFpAATHXtc.webm": b"",
        },
    )


def lrw(root: Path) -> Path:
    return lay(
        root,
        {
            "lipread_mp4/ABOUT/train/ABOUT_00001.mp4": b"",
            "lipread_mp4/ABOUT/train/ABOUT_00001.txt": "Channel: 1\nDuration: 0.36 seconds\n",
            "lipread_mp4/ABOUT/val/ABOUT_00001.mp4": b"",
            "lipread_mp4/ABOUT/val/ABOUT_00001.txt": "Duration: 0.20 seconds\n",
            "lipread_mp4/YOUNG/test/YOUNG_00002.mp4": b"",
            "lipread_mp4/YOUNG/test/YOUNG_00002.txt": "Duration: 0.30 seconds\n",
        },
    )


def lrs2(root: Path) -> Path:
    text = "Text:  THANK YOU\nConf:  4\n"
    words = f"{text}\nWORD START END ASDSCORE\nTHANK 0.10 0.32 8.1\nYOU 0.32 0.50 8.1\n"
    return lay(
        root,
        {
            "mvlrs_v1/pretrain/5535415699068794046/00001.mp4": b"",
            "mvlrs_v1/pretrain/5535415699068794046/00001.txt": words,
            "mvlrs_v1/main/6001854301505575951/00005.mp4": b"",
            "mvlrs_v1/main/6001854301505575951/00005.txt": text,
            "mvlrs_v1/main/6330311066473698535/00011.mp4": b"",
            "mvlrs_v1/main/6330311066473698535/00011.txt": text,
            "pretrain.txt": "5535415699068794046/00001\n",
            "train.txt": "6001854301505575951/00005\n",
            "val.txt": "",
            "test.txt": "6330311066473698535/00011 NF\n",
        },
    )


def lrs3(root: Path) -> Path:
    return lay(
        root,
        {
            "pretrain/00j9bKdiOjk/00001.mp4": b"",
            "pretrain/00j9bKdiOjk/00001.txt": LRS_TRACK,
            "trainval/0af00UcTOSc/50001.mp4": b"",
            "trainval/0af00UcTOSc/50001.txt": LRS_TRACK,
            "test/0Fi83BHQsMA/00002.mp4": b"",
            "test/0Fi83BHQsMA/00002.txt": LRS_TRACK,
        },
    )


def voxceleb1(root: Path) -> Path:
    rows = ["000800\t120\t40\t200\t210", "000801\t118\t44\t200\t210"]
    place = "id10001/1zcIwhmdeo4/00001"
    other = "id10270/5r0dWxy17C8/00003"
    return lay(
        root,
        {
            f"txt/{place}.txt": vox_track("id10001", "1zcIwhmdeo4", rows),
            f"wav/{place}.wav": b"",
            f"txt/{other}.txt": vox_track("id10270", "5r0dWxy17C8", rows),
            "vox1_meta.csv": "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n"
            "id10001\tA.J._Buckley\tm\tIreland\tdev\nid10270\tEartha_Kitt\tf\tUSA\ttest\n",
        },
    )


def voxceleb2(root: Path) -> Path:
    rows = ["008809\t0.123\t0.136\t0.422\t0.749", "008810\t0.120\t0.140\t0.422\t0.749"]
    place = "id00012/21Uxsk56VDQ/00001"
    other = "id00017/01dfn2spqyE/00004"
    return lay(
        root,
        {
            f"dev/mp4/{place}.mp4": b"",
            f"dev/aac/{place}.m4a": b"",
            f"dev/txt/{place}.txt": vox_track("id00012", "21Uxsk56VDQ", rows),
            f"test/mp4/{other}.mp4": b"",
            f"test/txt/{other}.txt": vox_track("id00017", "01dfn2spqyE", rows),
        },
    )


def avspeech(root: Path) -> Path:
    return lay(
        root,
        {
            "avspeech_train.csv": "u5MPyrRJPmc,90.0,93.5,0.50,0.25\n-jSpM-9q3J8,1.0,9.0,0.1,0.9\n",
            "avspeech_test.csv": "enSzPLXxw8I,142.078267,145.078267,0.4,0.3\n",
            "train/u5MPyrRJPmc_90.0_93.5.mp4": b"",
            "train/-jSpM-9q3J8.mp4": b"",
        },
    )


def hdtf(root: Path) -> Path:
    watch = "https://www.youtube.com/watch?v="
    return lay(
        root,
        {
            "HDTF_dataset/RD_video_url.txt": f"Radio11 {watch}XtySvTwIOfw\n",
            "HDTF_dataset/RD_annotion_time.txt": "Radio11.mp4 00:30-01:00 01:30-02:30 \n",
            "HDTF_dataset/RD_crop_wh.txt": "Radio11_0.mp4 412 599 0 599\nRadio11_1.mp4 557 478 0 478\n",
            "HDTF_dataset/RD_resolution.txt": "Radio11.mp4 720\n",
            "HDTF_dataset/WDA_video_url.txt": f"AdamSchiff0 {watch}wMypCqkYKS8&t=8s\n",
            "HDTF_dataset/WDA_annotion_time.txt": "AdamSchiff0.mp4 1:00:00-1:00:20\n",
            "HDTF_dataset/WDA_crop_wh.txt": "AdamSchiff0_0.mp4 10 300 20 300\n",
            "HDTF_dataset/WDA_resolution.txt": "AdamSchiff0.mp4 1080\n",
            "HDTF_dataset/WRA_video_url.txt": "",
            "HDTF_dataset/WRA_annotion_time.txt": "",
            "HDTF_dataset/WRA_crop_wh.txt": "",
            "HDTF_dataset/WRA_resolution.txt": "",
            "videos/Radio11_0.mp4": b"",
            "_videos_raw/WDA_AdamSchiff0.mp4": b"",
        },
    )


def lrc_ar(root: Path) -> Path:
    clips = [
        {"file": f"{place}.mp4", "duration": 1.24, "fps": 25.0, "frames": 31}
        for place in ("train/id20/00139", "val/id00/01802")
    ]
    return lay(
        root,
        {
            "manifest.json": json.dumps({"source": "x", "licence": "y", "clips": clips}),
            "train/id20/00139.mp4": b"",
            "train/id20/00139.csv": "word\nال\nإن\n",
            "val/id00/01802.mp4": b"",
            "val/id00/01802.csv": "conf,end,start,word\n1.0,0.33,0.06,جر\n",
        },
    )


TREES: dict[str, Callable[[Path], Path]] = {
    "grid": grid,
    "crema-d": crema_d,
    "modality": modality,
    "mead": mead,
    "obama-set": obama_set,
    "lrw": lrw,
    "lrs2": lrs2,
    "lrs3": lrs3,
    "voxceleb1": voxceleb1,
    "voxceleb2": voxceleb2,
    "avspeech": avspeech,
    "hdtf": hdtf,
    "lrc-ar": lrc_ar,
}
