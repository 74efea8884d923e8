"""Clips in and out of a store, from several processes, threads and after accidents."""

from __future__ import annotations

import multiprocessing
import pickle
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import FileUnreadable, OutputUnwritable
from visavis.core.types import Floats
from visavis.training.data.clip_store import SAMPLES_PER_FRAME, ClipInfo, ClipStore
from visavis.training.data.clip_writer import ClipWriter, PackedClip, pack_clip

SIZE = 48


def make_clip(
    name: str, frames: int = 12, lead: int = 2, tail: int = 3, **more: object
) -> ClipInfo:
    info = ClipInfo(
        name=name, person=name[0], split="train", frames=frames, size=SIZE, source="a/b.mp4",
        lead=lead * SAMPLES_PER_FRAME,
    )  # fmt: skip
    return replace(info, **more)


def sound_of(info: ClipInfo, tail: int = 3) -> Floats:
    """Each frame's part of the sound has a value of its own: its number, in thousandths."""
    lead = info.lead // SAMPLES_PER_FRAME
    numbers = np.arange(-lead, info.frames + tail, dtype=np.float32) / 1000
    return np.repeat(numbers, SAMPLES_PER_FRAME)


def pack(info: ClipInfo, **more: object) -> PackedClip:
    t = info.frames
    rows = np.arange(t, dtype=np.float32)
    gradient = np.linspace(0, 40, SIZE)[None, :, None, None].astype(np.float32)
    frames = np.broadcast_to(rows[:, None, None, None] * 10 + gradient, (t, SIZE, SIZE, 3))
    return pack_clip(
        info,
        frames.astype(np.uint8),
        sound_of(info),
        np.broadcast_to(rows[:, None, None], (t, 478, 2)),
        np.broadcast_to(rows[:, None] / 100, (t, 52)),
        np.broadcast_to(rows[:, None], (t, 3)),
        np.broadcast_to(rows[:, None], (t, 4)),
        np.broadcast_to(rows[:, None, None], (t, 2, 3)),
        **more,
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A store of three clips."""
    with ClipWriter(tmp_path / "store") as writer:
        for name in ("c@0", "a@0", "b 中@0"):
            writer.add(pack(make_clip(name)))
    return tmp_path / "store"


def test_what_was_put_in_comes_out(place: Path) -> None:
    store = ClipStore(place)
    assert [clip.name for clip in store.clips] == ["a@0", "b 中@0", "c@0"]
    clip = store["b 中@0"]
    assert clip == make_clip("b 中@0")
    assert clip.seconds == 12 / 25
    frames = store.frames(clip)
    assert frames.shape == (12, SIZE, SIZE, 3)
    assert frames.dtype == np.uint8
    # JPEG of quality 95 keeps levels to about one.
    assert np.abs(frames.mean((1, 2, 3)) - (np.arange(12) * 10 + 19.5)).max() < 1
    assert np.array_equal(store.frames(clip, [7, 0, 7]), frames[[7, 0, 7]])
    assert np.array_equal(store.frames(clip, np.array([11])), frames[11:])
    assert store.frames(clip, []).shape == (0, SIZE, SIZE, 3)
    assert store.landmarks(clip).shape == (12, 478, 2)
    assert store.landmarks(clip)[5, 3, 1] == 5
    assert store.blendshapes(clip)[5] == pytest.approx(0.05, abs=1e-4)
    assert store.pose(clip)[5].tolist() == [5, 5, 5]
    assert store.boxes(clip)[5].tolist() == [5, 5, 5, 5]
    assert store.to_upright(clip)[5].shape == (2, 3)
    assert {
        a.dtype for a in (store.landmarks(clip), store.blendshapes(clip), store.pose(clip))
    } == {np.dtype(np.float32)}


def test_rows_and_columns_and_colours_keep_their_places(tmp_path: Path) -> None:
    info = make_clip("x", frames=1)
    image = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    image[0, :10, :20, 0] = 255
    image[0, 30:, :, 2] = 255
    parts = [np.zeros(shape, np.float32) for shape in ((1, 478, 2), (1, 52), (1, 3), (1, 4))]
    with ClipWriter(tmp_path) as writer:
        writer.add(pack_clip(info, image, sound_of(info), *parts, np.zeros((1, 2, 3), np.float32)))
    frame = ClipStore(tmp_path).frames(info)[0].astype(int)
    assert np.abs(frame - image[0]).mean() < 2
    # Colours are not smeared over their neighbours, as halved chroma would.
    assert frame[5, 18, 0] > 230
    assert frame[5, 22, 0] < 25


def test_sound_belongs_to_the_frames(place: Path) -> None:
    store = ClipStore(place)
    clip = store.clips[0]
    sound = store.audio(clip)
    assert sound.dtype == np.float32
    assert sound.shape == (12 * SAMPLES_PER_FRAME,)
    assert sound[::SAMPLES_PER_FRAME] == pytest.approx(np.arange(12) / 1000, abs=1e-4)
    assert store.mel(clip).shape == (1 + 12 * SAMPLES_PER_FRAME // 200, 80)
    everything, first = store.recorded(clip)
    assert len(everything) == 17 * SAMPLES_PER_FRAME
    assert first == 2 * SAMPLES_PER_FRAME
    assert np.array_equal(everything[first : first + len(sound)], sound)


@pytest.mark.parametrize(
    ("offset", "first", "last"), [(2.0, 2, 13), (0.0, 0, 11), (-2.0, -2, 9), (5.0, 5, 0)]
)
def test_a_measured_offset_is_taken_out_on_request(
    place: Path, offset: float, first: int, last: int
) -> None:
    with ClipWriter(place) as writer:
        writer.update_all({"a@0": {"offset": offset, "confidence": 0.4}})
    clip = ClipStore(place)["a@0"]
    assert (clip.offset, clip.confidence) == (offset, 0.4)
    sound = ClipStore(place, correct=True).audio(clip)
    # Sound that comes two frames late is taken from two frames later; beyond the recording is nothing.
    assert sound[100] == pytest.approx(first / 1000, abs=1e-4)
    assert sound[-100] == pytest.approx(last / 1000, abs=1e-4)
    assert ClipStore(place).audio(clip)[100] == pytest.approx(0, abs=1e-4)


def test_half_a_frame_of_offset_is_half_a_frame_of_sound(place: Path) -> None:
    with ClipWriter(place) as writer:
        writer.update_all({"a@0": {"offset": 1.5}})
    store = ClipStore(place, correct=True)
    sound = store.audio(store["a@0"])
    half = SAMPLES_PER_FRAME // 2
    assert sound[half - 1] == pytest.approx(0.001, abs=1e-4)
    assert sound[half + 1] == pytest.approx(0.002, abs=1e-4)


def test_clips_are_chosen_by_split_and_person(place: Path) -> None:
    with ClipWriter(place) as writer:
        writer.update_all({"c@0": {"split": "val"}})
    store = ClipStore(place)
    assert [clip.name for clip in store.select("val")] == ["c@0"]
    assert [clip.name for clip in store.select("train", ["a"])] == ["a@0"]
    assert len(store.select()) == len(store) == 3


def test_frames_that_are_not_there_are_refused(place: Path) -> None:
    store = ClipStore(place)
    for index in (-1, 12):
        with pytest.raises(IndexError, match="frames 0 to 11"):
            store.frames(store.clips[0], [index])


def read_mean(store: ClipStore) -> float:
    return float(store.frames(store.clips[1], [3]).mean())


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_read_it_too(place: Path, method: str) -> None:
    store = ClipStore(place)
    wanted = read_mean(store)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(read_mean, [store] * 4) == [wanted] * 4
    assert read_mean(store) == wanted
    copy = pickle.loads(pickle.dumps(store))
    assert copy.clips == store.clips
    assert read_mean(copy) == wanted
    assert len(pickle.dumps(store)) < 10_000


def test_threads_share_it(place: Path) -> None:
    store = ClipStore(place)
    store.close()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: read_mean(store), range(64)))) == 1


def test_upright_crops_where_they_were_asked_for(place: Path) -> None:
    store = ClipStore(place)
    with pytest.raises(FileUnreadable, match="--upright"):
        store.upright(store.clips[0])
    heads = np.full((12, 64, 64, 3), 90, np.uint8)
    with ClipWriter(place) as writer:
        writer.add(pack(make_clip("d", upright=64), upright=heads, identity=np.ones(128)))
    store = ClipStore(place)
    assert store.upright(store["d"], [4, 5]).shape == (2, 64, 64, 3)
    assert store.identity(store["d"]) == pytest.approx(128**-0.5)
    with pytest.raises(FileUnreadable, match="no identity"):
        store.identity(store["a@0"])


def test_clips_are_replaced_and_removed(place: Path) -> None:
    with ClipWriter(place) as writer:
        writer.add(pack(make_clip("a@0", frames=5)))
        writer.remove(["c@0", "never there"])
        with pytest.raises(KeyError, match="c@0"):
            writer.update_all({"c@0": {"split": "val"}})
        assert [(clip.name, clip.frames) for clip in writer.clips()] == [("a@0", 5), ("b 中@0", 12)]
        writer.record("v.mp4", {"error": "哦", "bytes": 3})
        assert writer.records() == {"v.mp4": {"error": "哦", "bytes": 3}}
        assert writer.settings({"size": 1}) == {"size": 1}
        assert writer.settings({"size": 2}) == {"size": 1}
    store = ClipStore(place)
    assert len(store) == 2
    assert len(store.frames(store["a@0"])) == 5


def test_it_grows_beyond_its_first_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visavis.training.data.clip_writer._FIRST_SIZE", 1 << 16)
    with ClipWriter(tmp_path) as writer:
        for i in range(40):
            writer.add(pack(make_clip(f"{i:02}")))
    store = ClipStore(tmp_path)
    assert len(store) == 40
    assert len(store.frames(store["39"])) == 12


def test_nothing_prepared_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="visavis prepare"):
        ClipStore(tmp_path)
    (tmp_path / "clips.lmdb").mkdir()
    with pytest.raises(FileUnreadable, match="visavis prepare"):
        ClipStore(tmp_path)
    (tmp_path / "clips.lmdb" / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(FileUnreadable, match="prepare the videos again"):
        ClipStore(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputUnwritable, match="file"):
        ClipWriter(tmp_path / "file")


_FILL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_clip_store import make_clip, pack
from visavis.core.errors import OutputUnwritable
from visavis.training.data.clip_writer import ClipWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
writer = ClipWriter(Path(sys.argv[1]))
try:
    for i in range(100):
        writer.add(pack(make_clip(f"{i:02}")))
except OutputUnwritable as error:
    print(error)
"""


def test_a_full_disk_keeps_what_is_there(tmp_path: Path) -> None:
    assert resource.RLIMIT_FSIZE  # a file that may not grow stands for a disk that is full
    done = subprocess.run(
        [sys.executable, "-c", _FILL, str(tmp_path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "free some space" in done.stdout, done.stderr
    store = ClipStore(tmp_path)
    assert 0 < len(store) < 20
    for clip in store.clips:
        assert len(store.frames(clip)) == 12
