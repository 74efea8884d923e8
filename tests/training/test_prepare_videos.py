"""Videos into clips, with the networks that find faces: good ones, bad ones, and accidents."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from talkers import RATE, beside, landscape, silent_face, speech, talk, write_talk

from visavis.core.errors import ConfigError
from visavis.core.types import Floats, Picture
from visavis.models.silero.predictor import find_speech
from visavis.training.data.clip_cutting import Cutting
from visavis.training.data.clip_making import Making, make_clips
from visavis.training.data.clip_scan import FaceReaders, load_readers, scan_faces
from visavis.training.data.clip_store import ClipStore
from visavis.training.data.clip_writer import PackedClip
from visavis.training.data.prepare import PrepareSettings, prepare, read_manifest
from visavis.training.data.prepare_report import write_report
from visavis.training.data.who_speaks import lip_opening, loudness

pytestmark = [pytest.mark.assets, pytest.mark.slow]

SECONDS = 2.0
SETTINGS = PrepareSettings(Making(size=96))


@pytest.fixture(scope="module")
def said() -> Floats:
    """Two seconds of speech from its first word on."""
    return speech("en")[: round(SECONDS * RATE)]


@pytest.fixture(scope="module")
def readers() -> FaceReaders:
    return load_readers()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, said: Floats) -> Path:
    """Two people who talk, and what goes wrong in folders of videos."""
    root = tmp_path_factory.mktemp("videos")
    mei, adam = talk("mei", said, SECONDS), talk("adam", said, SECONDS)
    write_talk(root / "mei" / "talk.mp4", mei, said)
    write_talk(root / "adam" / "talk.mkv", talk("adam", said, SECONDS, 30), said, fps=30)
    write_talk(root / "mei" / "cut.mp4", mei[:25] + adam[25:], said)
    write_talk(root / "odd" / "pair.mp4", beside(silent_face("adam", SECONDS), mei), said)
    write_talk(root / "odd" / "still.mp4", silent_face("mei", SECONDS), said)
    write_talk(root / "odd" / "nobody.mp4", landscape(SECONDS), said)
    write_talk(root / "odd" / "no sound.mp4", mei, None)
    write_talk(root / "odd" / "silent.mp4", mei, np.zeros(32_000, np.float32))
    write_talk(root / "odd" / "only sound.mp4", [], said)
    write_talk(root / "odd" / "short.mp4", mei[:12], said[: 12 * 640])
    (root / "odd" / "broken.mp4").write_bytes(b"\0" * 5000)
    (root / "odd" / "empty <b>.mp4").touch()
    return root


@pytest.fixture(scope="module")
def prepared(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "store"
    told: list[float] = []
    prepare([videos], out, SETTINGS, jobs=2, told=lambda p: told.append(p.share))
    assert told == sorted(told)
    assert told[-1] == 1
    return out


def step(opening: Floats, sound: Floats, reach: int = 6) -> float:
    """Frames by which the sound follows the lips, to a fraction."""
    level = loudness(sound, len(opening))
    inner = slice(reach, len(opening) - reach)
    fits = np.array(
        [
            np.corrcoef(opening[inner], np.roll(level, -shift)[inner])[0, 1]
            for shift in range(-reach, reach + 1)
        ]
    )
    best = int(np.argmax(fits))
    assert fits[best] > 0.6
    before, here, after = fits[best - 1 : best + 2]
    return best - reach + 0.5 * (before - after) / (before - 2 * here + after)


def test_people_who_talk_become_clips(prepared: Path, said: Floats) -> None:
    store = ClipStore(prepared)
    clip = store["mei/talk.mp4@000000"]
    assert (clip.person, clip.source, clip.start, clip.size) == ("mei", "mei/talk.mp4", 0, 96)
    assert clip.frames == 50
    assert clip.faces == 1
    assert 60 < clip.face_size < 200
    assert clip.sharpness > 0.005
    assert clip.turned < 20
    assert clip.mouth_motion > 0.01
    assert -40 < clip.loudness < -5
    frames, marks = store.frames(clip), store.landmarks(clip)
    assert frames.shape == (50, 96, 96, 3)
    # The landmarks are pixels of the crop: the mouth is in its lower half, and in the middle.
    mouth = marks[:, [13, 14, 61, 291]]
    assert mouth[..., 1].min() > 48
    assert np.abs(mouth[..., 0].mean() - 48) < 6
    assert marks[:, 152, 1].max() < 96
    assert store.blendshapes(clip)[:, 24].max() > 0.1  # jawOpen
    assert np.abs(store.pose(clip)).max() < 30
    heard = store.audio(clip)
    assert np.corrcoef(heard[:30_000], said[:30_000])[0, 1] > 0.99


def test_lips_and_sound_are_in_step_at_any_frame_rate(prepared: Path) -> None:
    store = ClipStore(prepared)
    for name in ("mei/talk.mp4@000000", "adam/talk.mkv@000000"):
        clip = store[name]
        assert abs(step(lip_opening(store.landmarks(clip)), store.audio(clip))) < 0.4


@pytest.mark.parametrize(
    ("kind", "picture_at", "sound_at"),
    [("mp4", 0.1, 0.0), ("mp4", 0.0, 0.1), ("mp4", 0.018, 0.0), ("mkv", 0.018, 0.0)],
)
def test_what_begins_late_stays_in_step(
    tmp_path: Path,
    said: Floats,
    readers: FaceReaders,
    kind: str,
    picture_at: float,
    sound_at: float,
) -> None:
    frames = talk("mei", said, SECONDS, start=picture_at - sound_at)
    path = write_talk(
        tmp_path / f"late.{kind}", frames, said, picture_at=picture_at, sound_at=sound_at
    )
    making = Making(size=64)
    (packed,) = make_clips(path, "late", "mei", making, readers, Counter())
    first = np.frombuffer(packed.parts["landmarks"], np.float32).reshape(-1, 478, 2)
    sound = np.frombuffer(packed.parts["sound"], np.int16).astype(np.float32) / 32768
    assert packed.info.lead == 0
    assert abs(step(lip_opening(first), sound)) < 0.4
    # To the sample: frame k is heard with what was played when it was shown.
    slot = np.floor(picture_at * 25 + 0.5)
    shift = round((picture_at - slot / 25 - sound_at) * RATE)
    wanted = said[shift:] if shift >= 0 else np.pad(said, (-shift, 0))
    n = 20_000
    apart = [np.corrcoef(sound[500 + k : n + k], wanted[500:n])[0, 1] for k in range(-40, 41, 8)]
    assert int(np.argmax(apart)) == 5


def test_clips_do_not_cross_cuts(prepared: Path) -> None:
    store = ClipStore(prepared)
    parts = [(c.start, c.frames) for c in store.clips if c.source == "mei/cut.mp4"]
    assert parts == [(0, 25), (25, 25)]


def test_of_two_people_the_one_who_speaks_is_taken(prepared: Path) -> None:
    store = ClipStore(prepared)
    (clip,) = [c for c in store.clips if c.source == "odd/pair.mp4"]
    assert clip.faces == 2
    assert store.boxes(clip)[:, 0].min() > 256, "mei is on the right"
    refused = {s["file"]: s["refused"] for s in read_manifest(prepared)["sources"]}
    assert refused["odd/pair.mp4"] == {"the lips do not move": 1}


def test_when_nobody_can_tell_who_speaks_nobody_is_taken(
    tmp_path: Path, said: Floats, readers: FaceReaders
) -> None:
    both = beside(talk("adam", said, SECONDS), talk("mei", said, SECONDS))
    path = write_talk(tmp_path / "chorus.mp4", both, said)
    refused: Counter[str] = Counter()
    assert not list(make_clips(path, "x", "x", Making(), readers, refused))
    assert refused == {"several people, and it is not clear that this one speaks": 2}


class Knowing:
    """An expert for whom the lips of a picture of one brightness are in time with any sound."""

    size = 48

    def __init__(self, brightness: float) -> None:
        self._brightness = brightness

    def embed_faces(self, frames: Picture) -> Floats:
        count = len(frames) - 4
        is_hers = abs(float(frames.mean()) - self._brightness) < 8
        return np.eye(64, dtype=np.float32)[np.arange(count) if is_hers else np.zeros(count, int)]

    def embed_speech(self, mel: Floats) -> Floats:
        return np.eye(64, dtype=np.float32)[: (len(mel) - 16) * 25 // 80 + 1]


def test_the_expert_is_asked_who_speaks(
    tmp_path: Path, said: Floats, readers: FaceReaders, prepared: Path
) -> None:
    store = ClipStore(prepared)
    hers = float(store.frames(store["mei/talk.mp4@000000"]).mean())
    both = beside(talk("adam", said, SECONDS), talk("mei", said, SECONDS))
    path = write_talk(tmp_path / "chorus.mp4", both, said)
    refused: Counter[str] = Counter()
    knowing = replace(readers, expert=Knowing(hers))
    (clip,) = make_clips(path, "x", "x", Making(size=96), knowing, refused)
    boxes = np.frombuffer(clip.parts["boxes"], np.float32).reshape(-1, 4)
    assert boxes[:, 0].min() > 256, "mei is on the right"
    assert refused == {"several people, and it is not clear that this one speaks": 1}


def test_bad_videos_are_named_with_their_reasons(prepared: Path) -> None:
    manifest = read_manifest(prepared)
    sources = {source["file"]: source for source in manifest["sources"]}
    assert len(sources) == 12
    why = {name: s["error"] or " ".join(s["refused"]) for name, s in sources.items()}
    assert "no face is seen" in why["odd/nobody.mp4"]
    assert "no sound" in why["odd/no sound.mp4"]
    assert "nothing is heard" in why["odd/silent.mp4"]
    assert "no moving picture" in why["odd/only sound.mp4"]
    assert "too short" in why["odd/short.mp4"]
    assert "broken" in why["odd/broken.mp4"]
    assert "empty (0 bytes)" in why["odd/empty <b>.mp4"]
    assert why["odd/still.mp4"] == "the lips do not move"
    assert all(source["finished"] for source in sources.values())
    assert sources["mei/talk.mp4"]["clips"] == 1


def test_the_manifest_says_what_it_was_made_of(prepared: Path, videos: Path) -> None:
    manifest = read_manifest(prepared)
    source = next(s for s in manifest["sources"] if s["file"] == "mei/talk.mp4")
    content = (videos / "mei" / "talk.mp4").read_bytes()
    assert source["sha256"] == hashlib.sha256(content).hexdigest()
    assert source["bytes"] == len(content)
    assert manifest["settings"]["making"]["size"] == 96
    assert manifest["clips"] == len(ClipStore(prepared)) == 5
    assert manifest["frames"] == sum(c.frames for c in ClipStore(prepared).clips)
    assert set(manifest["people"]) == {"mei", "adam", "odd"}
    splits = {c.person: c.split for c in ClipStore(prepared).clips}
    assert {p: v["split"] for p, v in manifest["people"].items()} == splits
    assert set(splits.values()) == {"train", "val"}


def test_the_page_stands_alone_and_names_everything(prepared: Path) -> None:
    page = write_report(prepared, read_manifest(prepared)).read_text("utf-8")
    for text in ("odd/broken.mp4", "empty &lt;b&gt;.mp4", "mei", "the lips do not move", "<td>5, "):
        assert text in page, text
    assert "<b>.mp4" not in page
    assert page.count("data:image/jpeg;base64,") >= 5
    for outside in ("http:", "https:", "src='/", 'src="/', "<script", "<link"):
        assert outside not in page, outside


def test_what_is_done_is_not_done_again(videos: Path, prepared: Path) -> None:
    database = prepared / "clips.lmdb" / "data.mdb"
    before, started = database.read_bytes(), time.monotonic()
    told: list[int] = []
    manifest = prepare([videos], prepared, SETTINGS, jobs=2, told=lambda p: told.append(p.earlier))
    assert told == [12]
    assert time.monotonic() - started < 5, "no network was loaded"
    assert database.read_bytes() == before
    assert manifest == read_manifest(prepared)


def test_other_settings_need_another_folder(videos: Path, prepared: Path) -> None:
    other = PrepareSettings(Making(size=128))
    with pytest.raises(ConfigError, match="size 96 and not 128"):
        prepare([videos], prepared, other)


def test_a_video_that_was_replaced_is_made_anew(tmp_path: Path, said: Floats, videos: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    (root / "p").mkdir(parents=True)
    path = root / "p" / "v.mp4"
    path.write_bytes((videos / "mei" / "cut.mp4").read_bytes())
    assert prepare([root], out, SETTINGS)["clips"] == 2
    path.write_bytes((videos / "mei" / "talk.mp4").read_bytes())
    manifest = prepare([root], out, SETTINGS)
    assert manifest["clips"] == 1
    assert [(c.start, c.frames) for c in ClipStore(out).clips] == [(0, 50)]


_RUN = """
import sys
from pathlib import Path
from visavis.training.data.clip_making import Making
from visavis.training.data.prepare import PrepareSettings, prepare
if __name__ == "__main__":
    prepare([Path(sys.argv[1])], Path(sys.argv[2]), PrepareSettings(Making(size=96)), jobs=2)
"""


def stored(out: Path) -> dict[str, str]:
    """Clips by name, with what is in them."""
    store = ClipStore(out)
    found = {
        c.name: hashlib.sha256(store.frames(c).tobytes() + store.audio(c).tobytes()).hexdigest()
        for c in store.clips
    }
    store.close()
    return found


def test_killed_it_goes_on_where_it_was(tmp_path: Path, videos: Path, prepared: Path) -> None:
    out = tmp_path / "out"
    script = tmp_path / "run.py"
    script.write_text(_RUN)
    child = subprocess.Popen(
        [sys.executable, str(script), str(videos), str(out)], start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        while _count(out) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
            assert child.poll() is None
        os.killpg(child.pid, signal.SIGKILL)
    finally:
        child.wait()
    half = stored(out)
    assert 2 <= len(half) < 5
    manifest = prepare([videos], out, SETTINGS, jobs=2)
    assert stored(out) == stored(prepared)
    assert manifest == read_manifest(prepared)


def _count(out: Path) -> int:
    """Clips that a running process has stored."""
    import lmdb

    folder = out / "clips.lmdb"
    if not (folder / "data.mdb").is_file():
        return 0
    try:
        with (
            lmdb.open(str(folder), readonly=True, lock=True) as database,
            database.begin() as transaction,
        ):
            return sum(bytes(key).endswith(b"info") for key, _ in transaction.cursor())
    except lmdb.Error:
        return 0


def test_stopped_by_hand_it_says_what_is_there(tmp_path: Path, videos: Path) -> None:
    out = tmp_path / "out"
    code = "from visavis.apps.cli import main; main()"
    command = [sys.executable, "-c", code, "prepare", str(videos), "-o", str(out), "--size", "96"]
    child = subprocess.Popen(
        command, start_new_session=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while _count(out) < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
        assert child.poll() is None
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: everybody in the group gets it
    _, said_of_it = child.communicate(timeout=30)
    assert child.returncode == 130
    assert said_of_it.strip().startswith("stopped")
    assert "Traceback" not in said_of_it
    manifest = json.loads((out / "manifest.json").read_text())
    assert 1 <= manifest["clips"] == len(ClipStore(out)) < 5
    assert not all(source["finished"] for source in manifest["sources"])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(child.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("processes were left")


def test_long_videos_are_cut_into_sentences(tmp_path: Path, readers: FaceReaders) -> None:
    sentence = speech("zh")
    gap = np.zeros(round(1.2 * RATE), np.float32)
    sound = np.concatenate([gap, sentence, gap, sentence, gap])
    path = write_talk(tmp_path / "long.mp4", talk("adam", sound, len(sound) / RATE), sound)
    packed = list(make_clips(path, "long", "adam", Making(size=64), readers, Counter()))
    turns = find_speech(sound, RATE, pause=0.3)
    assert len(packed) == len(turns) >= 2
    for clip, (start, end) in zip(packed, turns, strict=True):
        assert abs(clip.info.start - start / 640) <= 1
        assert abs(clip.info.start + clip.info.frames - end / 640) <= 1
        assert clip.info.lead == min(25, clip.info.start) * 640
    fixed = Making(size=64, cutting=Cutting(seconds=1.5))
    parts = list(make_clips(path, "long", "adam", fixed, readers, Counter()))
    assert {clip.info.frames for clip in parts[:-1]} == {38}
    assert_same_where_they_overlap(packed[0], parts)


def assert_same_where_they_overlap(one: PackedClip, others: list[PackedClip]) -> None:
    """The sound of a clip does not depend on where it was cut."""
    other = next(c for c in others if one.info.start <= c.info.start < one.info.start + 40)
    at = (other.info.start - one.info.start) * 640
    a = np.frombuffer(one.parts["sound"], np.int16)[one.info.lead + at :]
    b = np.frombuffer(other.parts["sound"], np.int16)[other.info.lead :]
    assert np.array_equal(a[:3200], b[:3200])


def test_frames_that_do_not_fit_into_memory_are_read_twice(
    videos: Path, readers: FaceReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = videos / "mei" / "cut.mp4"
    kept = list(make_clips(path, "x", "x", Making(size=64), readers, Counter()))
    monkeypatch.setattr("visavis.training.data.clip_making._KEEP_BYTES", 0)
    again = list(make_clips(path, "x", "x", Making(size=64), readers, Counter()))
    assert [c.info for c in kept] == [c.info for c in again]
    assert [c.parts for c in kept] == [c.parts for c in again]


def test_upright_crops_are_where_the_map_says(
    tmp_path: Path, videos: Path, readers: FaceReaders
) -> None:
    making = Making(size=96, upright=128, identify=True)
    path = videos / "mei" / "talk.mp4"
    known = load_readers(identify=True)
    (packed,) = make_clips(path, "x", "x", making, known, Counter())
    from visavis.training.data.clip_writer import ClipWriter

    with ClipWriter(tmp_path) as writer:
        writer.add(packed)
    store = ClipStore(tmp_path)
    (clip,) = store.clips
    heads = store.upright(clip, [0, 20])
    assert heads.shape == (2, 128, 128, 3)
    face = known.landmarker.detect(heads[1])
    assert face is not None
    wanted = scan_faces(path, readers).faces[0].landmarks[20]
    to_upright = store.to_upright(clip)[20]
    moved = (wanted @ to_upright[:, :2].T + to_upright[:, 2]) / 2
    assert np.abs(face.landmarks[:, :2] - moved).mean() < 1.5
    eyes = moved[263] - moved[33]
    assert abs(eyes[1]) < 0.05 * eyes[0], "the eyes are level"
    assert np.linalg.norm(store.identity(clip)) == pytest.approx(1, abs=1e-5)


def test_people_are_told_apart_by_their_faces(tmp_path: Path, videos: Path) -> None:
    by_face = PrepareSettings(Making(size=64), "face", 0.5)
    paths = [videos / "mei" / "talk.mp4", videos / "adam" / "talk.mkv", videos / "mei" / "cut.mp4"]
    prepare(paths, tmp_path, by_face, jobs=2)
    people = {c.name: c.person for c in ClipStore(tmp_path).clips}
    mei, adam = people["talk.mp4@000000"], people["talk.mkv@000000"]
    assert {mei, adam} == {"person001", "person002"}
    assert people["cut.mp4@000000"] == mei
    assert people["cut.mp4@000025"] == adam
    assert {c.person: c.split for c in ClipStore(tmp_path).clips}[mei] != {
        c.person: c.split for c in ClipStore(tmp_path).clips
    }[adam]
