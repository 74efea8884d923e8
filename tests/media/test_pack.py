import dataclasses
import io
import json
import zipfile

import cv2
import numpy as np
import pytest

from visavis.core.errors import FileUnreadable, OutputUnwritable
from visavis.core.types import Avatar, FaceTrack
from visavis.media.pack import load_avatar, read_avatar_info, read_avatar_preview, save_avatar


def face_track(count, full=True):
    rng = np.random.default_rng(0)

    def some(*shape):
        return rng.normal(0, 100, (count, *shape)).astype(np.float32)

    return FaceTrack(
        some(4), some(478, 3), some(), some(2, 3), *((some(52), some(3)) if full else ())
    )


def make_avatar(count, height=90, width=121, mattes=True):
    small = np.random.default_rng(1).integers(30, 220, (12, 16, 3), np.uint8)
    base = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    frames = np.stack([np.roll(base, 2 * i, axis=1) for i in range(count)])
    alpha = np.zeros((count, height, width), np.uint8)
    for i in range(count):
        cv2.circle(alpha[i], (40 + i, 45), 30, 255, -1, cv2.LINE_AA)
    return Avatar(
        "小雅", frames, face_track(count), alpha if mattes else None,
        voice={"zh": "zf_xiaobei", "en": "af_heart"},
        info={"licence": "CC0", "来源": ["a", 1, None]},
    )  # fmt: skip


def assert_same_track(a, b):
    for field in dataclasses.fields(FaceTrack):
        one, two = getattr(a, field.name), getattr(b, field.name)
        if one is None:
            assert two is None
        else:
            assert two.dtype == np.float32
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("mattes", [True, False])
def test_a_portrait_comes_back_bit_for_bit(tmp_path, mattes):
    avatar = make_avatar(1, mattes=mattes)
    save_avatar(tmp_path / "小雅.avatar", avatar)
    loaded = load_avatar(tmp_path / "小雅.avatar")
    assert loaded.is_portrait
    np.testing.assert_array_equal(loaded.frames, avatar.frames)
    if mattes:
        np.testing.assert_array_equal(loaded.mattes, avatar.mattes)
    else:
        assert loaded.mattes is None
    assert (loaded.name, loaded.voice, loaded.info) == (avatar.name, avatar.voice, avatar.info)
    assert_same_track(avatar.track, loaded.track)
    assert [p.name for p in tmp_path.iterdir()] == ["小雅.avatar"]


@pytest.mark.parametrize("mattes", [True, False])
def test_a_video_comes_back_nearly_and_its_mattes_exactly(tmp_path, mattes):
    avatar = make_avatar(60, mattes=mattes)
    save_avatar(tmp_path / "a.avatar", avatar)
    loaded = load_avatar(tmp_path / "a.avatar")
    assert loaded.frames.shape == avatar.frames.shape
    error = loaded.frames.astype(float) - avatar.frames
    assert (
        10 * np.log10(255**2 / (error**2).mean(axis=(1, 2, 3))).min() > 38
    )  # saturated noise; faces reach 45
    assert abs(error.mean()) < 1  # no shift of the colours
    if mattes:
        np.testing.assert_array_equal(loaded.mattes, avatar.mattes)
    assert_same_track(avatar.track, loaded.track)
    assert (tmp_path / "a.avatar").stat().st_size < avatar.frames.nbytes / 4


def test_optional_parts_of_the_track_stay_absent(tmp_path):
    avatar = dataclasses.replace(make_avatar(1), track=face_track(1, full=False))
    save_avatar(tmp_path / "a.avatar", avatar)
    assert load_avatar(tmp_path / "a.avatar").track.blendshapes is None


def test_the_same_avatar_gives_the_same_bytes(tmp_path):
    for count in (1, 5):
        save_avatar(tmp_path / "a", make_avatar(count))
        save_avatar(tmp_path / "b", make_avatar(count))
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_info_and_preview_need_no_decoding_of_the_rest(tmp_path):
    avatar = make_avatar(30)
    save_avatar(tmp_path / "a.avatar", avatar)
    info = read_avatar_info(tmp_path / "a.avatar")
    assert (info["name"], info["count"], info["height"], info["width"]) == ("小雅", 30, 90, 121)
    preview = read_avatar_preview(tmp_path / "a.avatar")
    assert np.abs(preview.astype(float) - avatar.frames[0]).mean() < 3


def entries(path):
    with zipfile.ZipFile(path) as pack:
        return {name: pack.read(name) for name in pack.namelist()}


def rewrite(path, **changes):
    found = entries(path)
    for name, data in changes.items():
        name = {"json": "avatar.json", "track": "track.npz", "frames": "frames.mp4"}.get(name, name)
        if data is None:
            del found[name]
        else:
            found[name] = data
    with zipfile.ZipFile(path, "w") as pack:
        for name, data in found.items():
            pack.writestr(name, data)


def about(path, **changes):
    rewrite(path, json=json.dumps(json.loads(entries(path)["avatar.json"]) | changes).encode())


@pytest.fixture
def pack(tmp_path):
    save_avatar(tmp_path / "a.avatar", make_avatar(10))
    return tmp_path / "a.avatar"


def test_newer_versions_and_other_zips_are_refused(pack):
    about(pack, version=2)
    with pytest.raises(FileUnreadable, match="update visavis"):
        load_avatar(pack)
    about(pack, version=1, format="something")
    with pytest.raises(FileUnreadable, match="no avatar pack"):
        load_avatar(pack)


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 11}, {"count": 0}, {"count": -1}, {"count": "x"}, {"height": 91}, {"name": 3},
        {"count": 10.0}, {"voice": None}, {"width": 10**9},
    ],
)  # fmt: skip
def test_numbers_that_do_not_fit_are_refused(pack, changes):
    about(pack, **changes)
    with pytest.raises(FileUnreadable, match="damaged"):
        load_avatar(pack)


@pytest.mark.parametrize("name", ["avatar.json", "frames.mp4", "mattes.mp4", "track.npz"])
@pytest.mark.parametrize("content", [None, b"", b"rubbish" * 100])
def test_missing_and_broken_parts_are_refused(pack, name, content):
    rewrite(pack, **{name: content})
    with pytest.raises(FileUnreadable, match="damaged"):
        load_avatar(pack)


def test_arrays_that_run_code_or_do_not_fit_are_refused(pack):
    class Evil:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was run",))

    arrays = dict(np.load(io.BytesIO(entries(pack)["track.npz"])))
    for change in (
        {"boxes": np.array([Evil()], dtype=object)},
        {"boxes": arrays["boxes"][:5]},
        {"landmarks": arrays["scores"]},
        {"pose": arrays["boxes"]},
    ):
        stream = io.BytesIO()
        np.savez(stream, **(arrays | change))
        rewrite(pack, track=stream.getvalue())
        with pytest.raises(FileUnreadable, match="damaged"):
            load_avatar(pack)


def test_names_that_leave_the_folder_are_ignored(pack, tmp_path):
    rewrite(pack, **{"../../evil.txt": b"x", "/evil.txt": b"x"})
    before = sorted(tmp_path.rglob("*"))
    assert len(load_avatar(pack).frames) == 10
    assert sorted(tmp_path.rglob("*")) == before


def test_what_would_fill_the_memory_is_refused_before_decoding(pack):
    with pytest.raises(FileUnreadable, match="GiB"):
        load_avatar(pack, most_bytes=10_000)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_cut_off_packs_are_refused(pack, part):
    data = pack.read_bytes()
    pack.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(FileUnreadable):
        load_avatar(pack)


def test_flipped_bytes_are_noticed(pack):
    data = bytearray(pack.read_bytes())
    sound = load_avatar(pack)
    noticed = 0
    for place in np.random.default_rng(0).integers(0, len(data), 30):
        flipped = bytearray(data)
        flipped[place] ^= 0xFF
        pack.write_bytes(flipped)
        try:
            loaded = load_avatar(pack)
        except FileUnreadable:
            noticed += 1
        else:  # a date or a flag of the zip, nothing that is used
            np.testing.assert_array_equal(loaded.frames, sound.frames)
            assert_same_track(loaded.track, sound.track)
    assert noticed > 20


def test_missing_files_and_bad_places(tmp_path):
    with pytest.raises(FileUnreadable, match="no file"):
        load_avatar(tmp_path / "none.avatar")
    with pytest.raises(FileUnreadable, match="folder"):
        load_avatar(tmp_path)
    with pytest.raises(OutputUnwritable):
        save_avatar(tmp_path / "none" / "a.avatar", make_avatar(1))
