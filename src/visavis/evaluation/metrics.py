"""All metrics of `visavis evaluate`: what they are called, mean, cost, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from visavis.core.errors import InputError

Better: TypeAlias = Literal["more", "less", "zero", "one", "neither"]
Need: TypeAlias = Literal["reference", "sound", "silence", "emotion", "text", "syncnet", "set"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure.

    Attributes:
        name: In reports and on the command line.
        title: For people.
        unit: Empty for a share or a ratio.
        better: Which way is better: more, less, nearest to ``zero`` or ``one``, or ``neither``, where the
            reference alone tells.
        definition: One sentence.
        source: Paper, or ``here`` for what this project defined.
        needs: What must be there beside a face.
        group: What is computed together; naming it on the command line takes all of them.
        network: Asset whose hash belongs to the protocol, or empty.
    """

    name: str
    title: str
    unit: str
    better: Better
    definition: str
    source: str
    group: str
    needs: tuple[Need, ...] = ()
    network: str = ""


_REAL: tuple[Need, ...] = ("reference",)
_EXPERT = "Chung and Zisserman 2016; Prajwal et al. 2020; by this project's expert"

METRICS: tuple[Metric, ...] = (
    Metric("psnr", "PSNR", "dB", "more", "10 log10(255^2 / MSE) of a frame's face and the reference's; mean over frames", "spec", "pixels", _REAL),
    Metric("ssim", "SSIM", "", "more", "structural similarity, Gaussian windows of 11 pixels; mean over frames", "Wang et al. 2004", "pixels", _REAL),
    Metric("lpips", "LPIPS", "", "less", "distance of what AlexNet sees, version 0.1, at 256 pixels", "Zhang et al. 2018", "lpips", _REAL, "lpips"),
    Metric("fid", "FID", "", "less", "squared Frechet distance of Inception features of all faces made and real; of a whole set, not of a clip", "Heusel et al. 2017", "fid", ("reference", "set"), "inception"),
    Metric("fvd", "FVD", "", "less", "squared Frechet distance of I3D logits of all windows of 16 frames made and real; of a whole set, not of a clip", "Unterthiner et al. 2019", "fvd", ("reference", "set"), "i3d"),
    Metric("m_lmd", "M-LMD", "% of eyes' span", "less", "mean distance of the lips' landmarks from the reference's, after alignment by what speech does not move", "Chen et al. 2018", "lmd", _REAL),
    Metric("f_lmd", "F-LMD", "% of eyes' span", "less", "the same of all 478 landmarks", "Chen et al. 2018", "lmd", _REAL),
    Metric("csim", "CSIM", "", "more", "mean cosine of SFace vectors with the reference's, or with the first frame's where there is none", "Zakharov et al. 2019", "csim", (), "sface"),
    Metric("sync_offset", "Sync offset", "frames", "zero", "frames by which sound comes late, where expert vectors are nearest", _EXPERT, "sync", ("sound",), "syncnet"),
    Metric("sync_in_time", "In time", "", "more", "share of clips whose sync offset is at most one frame", _EXPERT, "sync", ("sound",), "syncnet"),
    Metric("sync_distance", "Sync distance", "", "less", "mean distance of the expert's vectors at that offset", _EXPERT, "sync", ("sound",), "syncnet"),
    Metric("sync_confidence", "Sync confidence", "", "more", "median distance over offsets less that least; overshoots for exaggerated mouths", _EXPERT, "sync", ("sound",), "syncnet"),
    Metric("lse_offset", "SyncNet offset", "frames", "zero", "sync_offset by the published SyncNet v2", "Chung and Zisserman 2016", "lse", ("sound", "syncnet")),
    Metric("lse_d", "LSE-D", "", "less", "sync_distance by the published SyncNet v2", "Prajwal et al. 2020", "lse", ("sound", "syncnet")),
    Metric("lse_c", "LSE-C", "", "more", "sync_confidence by the published SyncNet v2", "Prajwal et al. 2020", "lse", ("sound", "syncnet")),
    Metric("opening_range", "Mouth opening range", "% of eyes' span", "neither", "5th to 95th percentile of the lips' distance in speech", "here", "opening", ("sound",)),
    Metric("opening_against", "Opening against real", "", "one", "opening_range as a share of the reference's", "here", "opening", ("sound", "reference")),
    Metric("mouth_shut_in_speech", "Mouth shut in speech", "", "less", "share of loud frames around which the mouth does not open", "here", "opening", ("sound",)),
    Metric("silence_motion", "Motion in silence", "% of eyes' span a frame", "less", "root mean square speed of the lips where nobody is heard", "here", "silence", ("sound", "silence")),
    Metric("silence_opening", "Open in silence", "% of eyes' span", "less", "how far the lips stand open there", "here", "silence", ("sound", "silence")),
    Metric("flicker_mouth", "Flicker in the mouth", "", "less", "second difference in time of its pixels over that of still skin", "here", "flicker"),
    Metric("flicker_rim", "Flicker at the seam", "", "less", "the same of cheeks and chin around the mouth", "here", "flicker"),
    Metric("mouth_sharpness", "Mouth sharpness", "", "one", "variance of the Laplacian of the mouth over that of the eyes; as a share of the reference's where there is one", "here", "sharpness"),
    Metric("blink_rate", "Blinks", "a minute", "neither", "by the eye aspect ratio; people blink 10 to 20 times", "Soukupova and Cech 2016", "blinks"),
    Metric("blink_interval", "Blink interval", "s", "neither", "mean time between blinks", "Soukupova and Cech 2016", "blinks"),
    Metric("blink_regularity", "Blink regularity", "", "more", "coefficient of variation of the intervals: 0 is a clock", "here", "blinks"),
    Metric("head_range", "Head range", "degrees", "neither", "5th to 95th percentile of yaw, pitch and roll, the largest", "here", "head"),
    Metric("head_periodicity", "Head periodicity", "", "less", "highest autocorrelation of the pose beyond 1 s: 1 is a loop", "here", "head"),
    Metric("frozen_share", "Frozen", "", "less", "share of frames that are as the one before", "here", "freezing"),
    Metric("longest_freeze", "Longest freeze", "s", "less", "of frames that are as the one before", "here", "freezing"),
    Metric("repeated_share", "Shown again", "", "less", "share of frames in stretches of a second that were shown before", "here", "freezing"),
    Metric("emotion_share", "Emotion shown", "", "more", "share of frames in which the classifier sees the emotion asked for", "here", "emotion", ("emotion",), "face-emotion"),
    Metric("emotion_probability", "Emotion probability", "", "more", "mean probability of the emotion asked for", "here", "emotion", ("emotion",), "face-emotion"),
    Metric("stream_offset", "Streams apart", "ms", "zero", "start of the file's sound after the start of its pictures", "here", "file", ("sound",)),
    Metric("word_errors", "Word errors", "", "less", "words (Chinese: characters) of the text that a recogniser does not hear", "sclite", "words", ("sound", "text"), "whisper-base"),
    Metric("faces_lost", "Faces lost", "", "less", "share of frames in which no face was found", "here", "file"),
)  # fmt: skip

BY_NAME = {metric.name: metric for metric in METRICS}
GROUPS = tuple(dict.fromkeys(metric.group for metric in METRICS))
SLOW = frozenset({"fid", "fvd", "words"})
"""Left out unless named, or ``all`` is."""


def choose(names: Sequence[str]) -> frozenset[str]:
    """Groups that are to be computed.

    Args:
        names: Of metrics or groups, ``all``, ``default``; a leading ``-`` leaves one out. None is ``default``.

    Raises:
        InputError: One is unknown; says which there are.
    """
    chosen: set[str] = set()
    names = names or ("default",)
    if all(name.startswith("-") for name in names):
        names = ("default", *names)
    for name in names:
        out, plain = name.startswith("-"), name.lstrip("-")
        groups = _groups_of(plain)
        chosen = chosen - groups if out else chosen | groups
    return frozenset(chosen)


def _groups_of(name: str) -> set[str]:
    if name == "all":
        return set(GROUPS)
    if name == "default":
        return set(GROUPS) - SLOW
    if name in GROUPS:
        return {name}
    if name in BY_NAME:
        return {BY_NAME[name].group}
    raise InputError(
        f"there is no metric {name!r}; there are: all, default, {', '.join(_listed())}"
    )


def _listed() -> Iterable[str]:
    return dict.fromkeys([*GROUPS, *BY_NAME])
