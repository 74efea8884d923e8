"""Every animator of ours on people whom none of them has seen, measured by `visavis evaluate`.

    python benchmarks/leaderboard.py VIDEOS -o FOLDER [--count 24] [--system puppet --system wav2lip:192]

VIDEOS is a folder of short videos of people, as lrc_ar's ``val``. Of each, an animator is given the first
frame as a portrait and the sound, and makes a video; the real one is its reference. The head then moves as
the animator lets it, not as the person did, so that pictures are not compared pixel by pixel: LPIPS, PSNR and
SSIM are left out. What is made and measured is kept in FOLDER, and a run that was stopped goes on; the
tables are written to FOLDER/report.md and report.html, and with --docs to a page of documentation.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

from visavis.core import registry
from visavis.core.types import FPS, Segment, Sentence, Speech, VideoFrame, Waveform
from visavis.evaluation.clip_task import Options, Task
from visavis.evaluation.evaluating import evaluate
from visavis.evaluation.judges import Judges
from visavis.evaluation.metrics import choose
from visavis.evaluation.report import Report, check_reports, to_markdown
from visavis.evaluation.report_page import write_page
from visavis.media.audio import read_audio
from visavis.media.video import VideoWriter, read_video
from visavis.stages.avatars.create import create_from_picture
from visavis.stages.avatars.reading import shared_readers

SYSTEMS = ("puppet", "puppet:real", "wav2lip:96", "wav2lip:192", "wav2lip:384")
METRICS = ("default", "fid", "-pixels", "-lpips", "-words", "-emotion", "-lse")
RATE = 16_000


def make(system: str, real: Path, path: Path) -> None:
    """A portrait of the first frame says what is heard."""
    if path.exists():
        return
    name, _, weights = system.partition(":")
    sound = read_audio(real, RATE).samples
    frames = [frame.image for frame in read_video(real)]
    samples = np.zeros(len(frames) * RATE // FPS, np.float32)
    samples[: len(sound)] = sound[: len(samples)]
    avatar, _ = create_from_picture(
        frames[0], "leaderboard", source=real.name, force=True, readers=shared_readers()
    )
    size = min(frames[0].shape[:2])
    performance = registry.load("animators", name)(size=size, weights=weights).open(avatar)
    speech = Speech(0, Sentence(0, 0, "", "en"), Waveform(samples, RATE), ())
    drawn = [
        frame.image
        for segment in (*performance.feed(speech), *performance.flush())
        for frame in segment.frames
    ]
    performance.close()
    part = path.with_suffix(".part.mp4")
    step = RATE // FPS
    with VideoWriter(part, crf=16) as writer:
        for k in range(len(frames)):
            heard = Waveform(samples[k * step : (k + 1) * step], RATE, k * step)
            writer.write(Segment(0, heard, (VideoFrame(drawn[min(k, len(drawn) - 1)], k),)))
    part.rename(path)


def measure(name: str, pairs: list[tuple[Path, Path]], folder: Path, judges: Judges) -> Report:
    tasks = [Task(made, made.stem, real) for made, real in pairs]
    return evaluate(tasks, name, Options(choose(METRICS)), judges, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--system", action="append")
    parser.add_argument("--docs", type=Path, help="page of documentation to write")
    given = parser.parse_args()
    videos = sorted(given.videos.rglob("*.mp4"))
    if not videos:
        raise SystemExit(f"there is no video in {given.videos}")
    count = min(given.count, len(videos))
    chosen = [videos[k * len(videos) // count] for k in range(count)]
    names = [f"{video.parent.name}-{video.stem}" for video in chosen]
    judges = Judges()
    reports, folders = [], []
    for system in ("real", *(given.system or SYSTEMS)):
        folder = given.output / system.replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        pairs = []
        for name, real in zip(names, chosen, strict=True):
            made = folder / f"{name}.mp4"
            if system == "real":
                made.unlink(missing_ok=True)
                made.symlink_to(real.resolve())
            else:
                make(system, real, made)
            pairs.append((made, real))
        reports.append(measure(system, pairs, folder, judges))
        folders.append(folder)
        print(f"{system}: {len(pairs)} clips", file=sys.stderr, flush=True)
    check_reports(reports)
    text = to_markdown(reports)
    (given.output / "report.md").write_text(text, encoding="utf-8")
    print(write_page(given.output, reports, folders), file=sys.stderr)
    if given.docs:
        given.docs.write_text(_document(text, given.videos, count), encoding="utf-8")
    print(text)


def _document(text: str, videos: Path, count: int) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return (
        "# Leaderboard\n\n"
        f"Every animator of this project on {count} clips of `{videos.parent.name}/{videos.name}`, people whom none"
        " of them has seen, evenly taken. Each is given the first frame as a portrait and the sound. One"
        " command writes this page:\n\n"
        "```\npython benchmarks/leaderboard.py VIDEOS -o FOLDER --docs docs/leaderboard.md\n```\n\n"
        f"Written at {commit}. **Sync is judged by the expert that taught `wav2lip`, which flatters it**;"
        " M-LMD and the opening are read off by landmarks, which taught no generator. The head moves as the"
        " animator lets it. Clips are of 1.2 seconds: blinks, silence and repeated head motion cannot be told"
        " from them.\n\n"
        f"{text}"
    )


if __name__ == "__main__":
    main()
