"""Whether a video is fit to be an avatar, and what to do when it is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from visavis.core.types import FPS
from visavis.stages.avatars.check import Limit, judge_quality, worst
from visavis.stages.avatars.quality import Quality
from visavis.stages.avatars.reading import Readers, shared_readers
from visavis.stages.avatars.report import CheckItem, CheckReport, Verdict
from visavis.stages.avatars.scan import Progress, Scan, Stop, scan_video

SHORTEST_SECONDS, GOOD_SECONDS = 1.0, 4.0
"""Of a stretch with a face in every frame."""
FACELESS = Limit(warn=0.0, fail=0.3)
"""Share of frames without a face."""
CROWDED = Limit(warn=0.0, fail=0.2)
"""Share of frames with a second face of about the same size."""
SLOW_FPS = 15
SPEED = Limit(warn=0.08, fail=0.35)
"""Face widths a frame: the 95th percentile of how far the head moves."""


def check_video(
    path: str | Path,
    readers: Readers | None = None,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> CheckReport:
    """Look at the first half minute of a video.

    Raises:
        FileUnreadable: Missing, broken or no media.
        NoVideoStream: Sound only.
        MissingWeights: The networks are not on this machine.
        Cancelled: ``stop`` said so.
    """
    scan = scan_video(path, readers or shared_readers(), progress=progress, stop=stop)
    return judge_scan(scan, str(path))


def judge_scan(scan: Scan, source: str) -> CheckReport:
    """Judge what was seen in a video."""
    items = [_judge_format(scan), _judge_faces(scan)]
    if items[-1].verdict != "fail":
        items += [_judge_length(scan), _judge_cuts(scan)]
        items += _judge_looks([quality for _, quality in scan.looks])
        items.append(_judge_movement(scan))
    return CheckReport(source, "video", tuple(items))


def _judge_format(scan: Scan) -> CheckItem:
    media = scan.media
    found = (
        f"{media.width} x {media.height} pixels, {media.fps:.3g} frames a second,"
        f" {media.video_duration:.1f} seconds"
    )
    if min(scan.size) < 64:
        return CheckItem("picture", "fail", found, "give a video of at least 64 pixels a side")
    if media.fps < SLOW_FPS:
        advice = f"record at {FPS} frames a second or more; pictures are repeated now"
        return CheckItem("picture", "warn", found, advice)
    return CheckItem("picture", "ok", found)


def _judge_faces(scan: Scan) -> CheckItem:
    faceless = float((scan.scores == 0).mean())
    crowded = float((scan.rivals > 0).mean()) if len(scan.rivals) else 0.0
    if faceless == 1:
        return CheckItem(
            "faces",
            "fail",
            "no face was found in any frame",
            "give a video of one face that looks at the camera",
        )
    if CROWDED.judge(crowded) == "fail":
        return CheckItem(
            "faces",
            "fail",
            f"{1 + int(scan.rivals.max())} faces were found in {crowded:.0%} of the frames",
            "cut the video so that one face is left",
            several=True,
        )
    found, advice = [], []
    if faceless > 0:
        found.append(f"{faceless:.0%} of the frames have no face")
        advice.append("cut out where the face is away or covered")
    if crowded > 0:
        found.append(f"{crowded:.0%} have a second one")
        advice.append("keep others out of the picture")
    verdict = worst(FACELESS.judge(faceless), CROWDED.judge(crowded))
    text = ", ".join(found) if found else "one face in every frame"
    return CheckItem("faces", verdict, text, "; ".join(advice))


def _judge_length(scan: Scan) -> CheckItem:
    longest = max((end - start for start, end in scan.stretches()), default=0) / FPS
    verdict: Verdict = "ok"
    if longest < GOOD_SECONDS:
        verdict = "warn" if longest >= SHORTEST_SECONDS else "fail"
    looked = "" if scan.is_whole else f" of the first {len(scan) / FPS:.0f}, which are looked at"
    return CheckItem(
        "length",
        verdict,
        f"the longest stretch with a face is {longest:.1f} seconds{looked}",
        ""
        if verdict == "ok"
        else f"record {GOOD_SECONDS:.0f} to 20 seconds in one go; a shorter loop looks mechanical",
    )


def _judge_cuts(scan: Scan) -> CheckItem:
    count = int(scan.cuts.sum())
    if not count:
        return CheckItem("cuts", "ok", "one shot")
    first = int(np.argmax(scan.cuts)) / FPS
    return CheckItem(
        "cuts",
        "warn",
        f"{count} cut{'s' if count > 1 else ''}, the first at {first:.1f} seconds",
        "only the best shot is used; give one shot",
    )


def _judge_looks(looks: Sequence[Quality]) -> list[CheckItem]:
    """Judge each look as a picture; an item is as bad as what a third of the looks have at least."""
    judged = [judge_quality(quality) for quality in looks]
    items = []
    for column in zip(*judged, strict=True):
        shares = {v: sum(i.verdict == v for i in column) / len(column) for v in ("warn", "fail")}
        verdict: Verdict = "ok"
        if shares["fail"] >= 1 / 3:
            verdict = "fail"
        elif shares["fail"] + shares["warn"] >= 1 / 3:
            verdict = "warn"
        if column[0].name in ("mouth shut", "eyes open") and verdict == "fail":
            verdict = "warn"  # people speak and blink; the quietest stretch is looked for
        same = [i for i in column if i.verdict == verdict] or list(column)
        item = same[len(same) // 2]
        if verdict == "ok":
            items.append(CheckItem(item.name, "ok", item.found))
            continue
        share = shares["fail"] + shares["warn"]
        advice = item.advice
        if item.name == "mouth shut":
            advice = "sit quietly with the lips closed: speech is drawn over the mouth"
        items.append(
            CheckItem(item.name, verdict, f"{item.found} in {share:.0%} of the looks", advice)
        )
    return items


def _judge_movement(scan: Scan) -> CheckItem:
    points = scan.landmarks[..., :2]
    centres, widths = points.mean(1), np.ptp(points[..., 0], axis=1)
    both = (scan.scores[1:] > 0) & (scan.scores[:-1] > 0) & ~scan.cuts[1:]
    if not both.any():
        return CheckItem("movement", "ok", "there is no movement")
    speed = np.linalg.norm(np.diff(centres, axis=0), axis=1)[both] / np.maximum(widths[1:][both], 1)
    fast = float(np.percentile(speed, 95))
    verdict = SPEED.judge(fast)
    words = {"ok": "quietly", "warn": "fast", "fail": "too fast to follow"}[verdict]
    return CheckItem(
        "movement",
        verdict,
        f"the head moves {words} (up to {fast:.2f} of its width a frame)",
        "" if verdict == "ok" else "put the camera on a stand and sit still",
    )
