"""`visavis evaluate` and `visavis compare` on real files: a face that speaks, and the same with faults."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from visavis.apps.commands import compare, evaluate
from visavis.core.errors import Cancelled, FileUnreadable, InputError, NoFaceFound
from visavis.core.types import FPS, Picture, Segment, VideoFrame, Waveform
from visavis.evaluation import clip_reading
from visavis.evaluation.clip_reading import FaceFollower, Reel, align_faces
from visavis.evaluation.clip_task import Options, Task
from visavis.evaluation.evaluating import evaluate as evaluate_all
from visavis.evaluation.judges import Judges
from visavis.evaluation.metrics import choose
from visavis.media.audio import read_audio
from visavis.media.video import VideoWriter, read_video

FIXTURES = Path(__file__).parent.parent / "fixtures"
RATE = 16000
Change = Callable[[list[Picture], np.ndarray], tuple[list[Picture], np.ndarray]]

pytestmark = pytest.mark.assets


def run(command: object, *args: object) -> Result:
    # As below `visavis`: click keeps the first form of a command's help option that it makes.
    names = ["-h", "--help"]
    return CliRunner().invoke(command, [*map(str, args)], help_option_names=names)  # type: ignore[arg-type]


def write(path: Path, pictures: list[Picture], samples: np.ndarray, quality: int = 18) -> Path:
    count = min(len(pictures), len(samples) * FPS // RATE)
    step = RATE // FPS
    with VideoWriter(path, crf=quality) as writer:
        for k in range(count):
            sound = Waveform(samples[k * step : (k + 1) * step], RATE, k * step)
            writer.write(Segment(0, sound, (VideoFrame(pictures[k], k),)))
    return path


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packaged face speaks a packaged recording, as a user would make it."""
    path = tmp_path_factory.mktemp("spoken") / "face.mp4"
    command = ["render", "--animator", "wav2lip", "--weights", "96", "--avatar", "mei", "--size"]
    command += ["320", "--audio", str(FIXTURES / "speech_en.wav"), "--no-label", "-o", str(path)]
    subprocess.run(
        [Path(sys.executable).with_name("visavis"), *command], check=True, capture_output=True
    )
    return path


@pytest.fixture(scope="module")
def parts(spoken: Path) -> tuple[list[Picture], np.ndarray]:
    return [f.image for f in read_video(spoken)], read_audio(spoken, RATE).samples


@pytest.fixture(scope="module")
def judges() -> Judges:
    return Judges()


def figures(path: Path, judges: Judges, folder: Path, real: Path | None = None) -> dict[str, float]:
    options = Options(choose(["default"]), every=10)
    report = evaluate_all([Task(path, path.stem, real)], "x", options, judges, folder)
    return dict(report.clips[0].figures)


@pytest.fixture(scope="module")
def clean(
    spoken: Path, judges: Judges, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, float]:
    return figures(spoken, judges, tmp_path_factory.mktemp("clean"), spoken)


@pytest.fixture(scope="module")
def good(
    parts: tuple[list[Picture], np.ndarray],
    spoken: Path,
    judges: Judges,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, float]:
    """The clip as the faulty ones are written."""
    folder = tmp_path_factory.mktemp("good")
    return figures(write(folder / "good.mp4", *parts), judges, folder, spoken)


def test_a_clip_against_itself(clean: dict[str, float]) -> None:
    assert abs(clean["sync_offset"]) <= 1
    assert clean["sync_confidence"] > 0.15
    assert (clean["psnr"], clean["ssim"], clean["lpips"]) == (100, 1, 0)
    assert clean["csim"] == pytest.approx(1, abs=1e-3)
    assert clean["m_lmd"] < 1e-3
    assert clean["mouth_shut_in_speech"] < 0.3
    assert clean["frozen_share"] < 0.1
    assert clean["faces_lost"] == 0


@pytest.mark.parametrize("late", [-7, 5])
def test_sound_that_was_moved_is_found(
    late: int,
    parts: tuple[list[Picture], np.ndarray],
    clean: dict[str, float],
    judges: Judges,
    tmp_path: Path,
) -> None:
    pictures, samples = parts
    moved = np.roll(samples, late * RATE // FPS)
    found = figures(write(tmp_path / "moved.mp4", pictures, moved), judges, tmp_path)
    assert found["sync_offset"] - clean["sync_offset"] == pytest.approx(late, abs=1)
    assert found["opening_range"] == pytest.approx(clean["opening_range"], rel=0.3)
    assert found["flicker_rim"] == pytest.approx(clean["flicker_rim"], rel=0.3)


def test_another_encoding_is_the_same_clip(
    parts: tuple[list[Picture], np.ndarray],
    spoken: Path,
    clean: dict[str, float],
    judges: Judges,
    tmp_path: Path,
) -> None:
    found = figures(write(tmp_path / "again.mp4", *parts, quality=23), judges, tmp_path, spoken)
    assert found["psnr"] > 34
    assert found["lpips"] < 0.05
    assert found["csim"] > 0.95
    assert found["sync_offset"] == clean["sync_offset"]
    assert found["sync_confidence"] == pytest.approx(clean["sync_confidence"], rel=0.15)
    assert found["m_lmd"] < 1.5
    assert found["frozen_share"] == pytest.approx(clean["frozen_share"], abs=0.1)


def blur(pictures: list[Picture], samples: np.ndarray) -> tuple[list[Picture], np.ndarray]:
    return [np.asarray(cv2.GaussianBlur(p, (0, 0), 2)) for p in pictures], samples


def freeze(pictures: list[Picture], samples: np.ndarray) -> tuple[list[Picture], np.ndarray]:
    return [*pictures[:20], *[pictures[20]] * 40, *pictures[60:]], samples


def silence(pictures: list[Picture], samples: np.ndarray) -> tuple[list[Picture], np.ndarray]:
    return pictures, np.concatenate([samples[: RATE // 2], np.zeros(len(samples), np.float32)])


@pytest.mark.parametrize(
    ("change", "seen", "unseen"),
    [
        (blur, {"lpips": (0.1, 1), "psnr": (0, 36)}, ["frozen_share", "sync_offset", "csim"]),
        (freeze, {"longest_freeze": (1.4, 2), "m_lmd": (0.5, 50)}, ["csim", "faces_lost"]),
        (silence, {"silence_motion": (0.5, 50)}, ["psnr", "lpips", "csim"]),
    ],
)
def test_a_planted_fault_is_seen(
    change: Change,
    seen: dict[str, tuple[float, float]],
    unseen: list[str],
    parts: tuple[list[Picture], np.ndarray],
    spoken: Path,
    judges: Judges,
    good: dict[str, float],
    tmp_path: Path,
) -> None:
    bad = figures(write(tmp_path / "bad.mp4", *change(*parts)), judges, tmp_path, spoken)
    for name, (low, high) in seen.items():
        assert low <= bad[name] <= high, name
        assert not low <= good.get(name, float("nan")) <= high, name
    tolerance = 0.05
    for name in unseen:
        assert bad[name] == pytest.approx(good[name], rel=0.4, abs=tolerance), name


def test_the_face_of_somebody_else_is_seen(
    spoken: Path, judges: Judges, tmp_path: Path, parts: tuple[list[Picture], np.ndarray]
) -> None:
    from visavis.stages.avatars import store

    other = store.load("adam").frames[0]
    other = np.asarray(cv2.resize(other, parts[0][0].shape[1::-1], interpolation=cv2.INTER_AREA))
    path = write(tmp_path / "other.mp4", [other] * 50, parts[1][: 50 * RATE // FPS])
    real = write(tmp_path / "real.mp4", parts[0][:50], parts[1][: 50 * RATE // FPS])
    found = figures(path, judges, tmp_path, real)
    assert found["csim"] < 0.4
    assert found["frozen_share"] > 0.9


def test_of_sets(
    spoken: Path, parts: tuple[list[Picture], np.ndarray], judges: Judges, tmp_path: Path
) -> None:
    still = write(tmp_path / "still.mp4", [parts[0][40]] * len(parts[0]), parts[1])
    options = Options(choose(["fid", "fvd"]), every=10)
    same, frozen = (
        evaluate_all([Task(made, "clip", spoken)], "x", options, judges, tmp_path)
        for made in (spoken, still)
    )
    assert same.sets["fid"].value == pytest.approx(0, abs=1e-3)
    assert same.sets["fvd"].value == pytest.approx(0, abs=1e-3)
    assert frozen.sets["fvd"].value > 20
    again = evaluate_all([Task(spoken, "clip", spoken)], "x", options, judges, tmp_path)
    assert all(again.sets[name].value == same.sets[name].value for name in ("fid", "fvd"))
    assert "FVD is of 5 windows of 16 frames against 5" in same.notes[1]
    assert same.protocol.networks["fvd"].startswith("i3d ")


def test_one_command_writes_the_report(spoken: Path, tmp_path: Path) -> None:
    done = run(
        evaluate.command,
        spoken,
        "--metrics",
        "sync,opening,file",
        "-o",
        tmp_path / "报告",
        "--json",
    )
    assert done.exit_code == 0, done.output
    values = json.loads(done.output)
    assert abs(values["summary"]["sync_offset"]["value"]) <= 1
    assert values["protocol"]["networks"]["sync_offset"].startswith("syncnet ")
    page = (tmp_path / "报告" / "report.html").read_text()
    assert "data:video/mp4;base64," in page
    assert "data:image/jpeg;base64," in page


def test_reports_side_by_side(spoken: Path, tmp_path: Path) -> None:
    for name, every in (("a", 5), ("b", 5), ("c", 7)):
        done = run(
            evaluate.command, spoken, "--metrics", "file,head", "-o", tmp_path / name,
            "--name", name, "--every", every,
        )  # fmt: skip
        assert done.exit_code == 0, done.output
    done = run(compare.command, tmp_path / "a", f"other={tmp_path / 'b'}")
    assert "| a | other |" in done.output
    refused = run(compare.command, tmp_path / "a", tmp_path / "c").exception
    assert isinstance(refused, InputError)
    assert "every 5 against 7" in str(refused)


def test_an_unfinished_one_is_gone_on_with(spoken: Path, tmp_path: Path, judges: Judges) -> None:
    tasks = [Task(spoken, "one"), Task(spoken, "two")]
    options = Options(choose(["head"]))
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 150

    with pytest.raises(Cancelled):
        evaluate_all(tasks, "x", options, judges, tmp_path, stop=stop)
    kept = list((tmp_path / "clips").glob("*.json"))
    assert len(kept) <= 1
    report = evaluate_all(tasks, "x", options, judges, tmp_path)
    assert [row.name for row in report.clips] == ["one", "two"]
    assert report.clips[0].figures == report.clips[1].figures
    read = []
    evaluate_all(tasks, "x", options, judges, tmp_path, stop=lambda: bool(read.append(1)))
    assert not read  # nothing was measured again


def test_a_broken_clip_among_good_ones_is_told(
    spoken: Path, tmp_path: Path, judges: Judges
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(spoken.read_bytes()[:5000])
    options = Options(choose(["head"]))
    report = evaluate_all(
        [Task(spoken, "good"), Task(broken, "broken")], "x", options, judges, tmp_path
    )
    assert report.clips[0].figures
    assert "broken.mp4" in report.clips[1].error
    with pytest.raises(FileUnreadable, match=r"broken\.mp4"):
        evaluate_all([Task(broken, "broken")], "x", options, judges, tmp_path)


def test_no_face_and_another_length_are_told(
    spoken: Path, parts: tuple[list[Picture], np.ndarray], tmp_path: Path, judges: Judges
) -> None:
    grey = write(tmp_path / "grey.mp4", [np.full((96, 96, 3), 128, np.uint8)] * 10, parts[1])
    with pytest.raises(NoFaceFound, match=r"grey\.mp4"):
        figures(grey, judges, tmp_path)
    short = write(tmp_path / "short.mp4", parts[0][:30], parts[1])
    with pytest.raises(InputError, match=r"same length"):
        figures(short, judges, tmp_path, spoken)


def test_eyes_have_one_place_in_aligned_faces(spoken: Path, judges: Judges) -> None:
    reel = Reel(spoken, 30)
    series = FaceFollower(judges.detector, judges.landmarker).read(reel.take("faces", 0, 100))
    marks = np.stack([face.marks for face in align_faces(reel.take("pictures", 0, 100), series)])
    reel.close()
    assert len(marks) == 30
    assert np.abs(marks[:, [33, 263]].mean(0) - [(78, 104), (178, 104)]).max() < 3
    assert marks[:, [33, 263]].std(0).max() < 1.5


def test_minute_by_minute_is_as_at_once(
    spoken: Path,
    clean: dict[str, float],
    judges: Judges,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clip_reading, "STRETCH", 40)
    found = figures(spoken, judges, tmp_path, spoken)
    assert (found["psnr"], found["ssim"], found["lpips"]) == (100, 1, 0)
    assert found["m_lmd"] == 0
    assert found["faces_lost"] == 0
    assert found["sync_offset"] == clean["sync_offset"]
    assert found["csim"] == pytest.approx(clean["csim"], abs=1e-3)
    assert found["opening_range"] == pytest.approx(clean["opening_range"], rel=0.35)
    assert found["stream_offset"] == clean["stream_offset"]


def test_a_reel_goes_on_where_each_reader_was(spoken: Path) -> None:
    whole = [frame.image for frame in read_video(spoken)]
    reel = Reel(spoken)
    first = [frame.index for frame in reel.take("one", 0, 40)]
    next(iter(reel.take("other", 0, 40)))  # does not read to its end
    second = list(reel.take("one", 40, 40))
    other = list(reel.take("other", 40, 40))
    reel.close()
    assert first == list(range(40))
    assert [frame.index for frame in second] == list(range(40))
    for frames in (second, other):
        assert all(np.array_equal(f.image, whole[40 + k]) for k, f in enumerate(frames))
