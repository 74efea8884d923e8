"""Judges a lip generator on people it has not seen: how near the mouths are, and whether they speak.

Every clip is drawn twice: with its own sound, where the real pictures say what is right, and with
the sound of another clip (crossed), where only the expert can tell. The reference is the clip's
first frame; frames near it do not count for the figures of likeness. Pictures are compared at
``COMPARED`` pixels whatever the generator's size, so that generators of several sizes can be
compared.

Shapes: T frames, S the generator's width.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from visavis.core.errors import MissingWeights
from visavis.core.types import Floats, Picture
from visavis.evaluation.psnr import psnr
from visavis.evaluation.sync import confidence, find_offset, offset_curve
from visavis.models.common.mel import WINDOW_ROWS, mel_windows
from visavis.models.lpips.network import Lpips, load_lpips
from visavis.models.wav2lip.network import Wav2Lip
from visavis.training.data.lip_augmentation import to_pictures
from visavis.training.data.lip_batches import read_crops
from visavis.training.data.sync_clips import (
    WINDOW_FRAMES,
    Clips,
    StoredClip,
    mel_rows,
    resize_crop,
    window_frames,
)
from visavis.training.devices import autocast
from visavis.training.lip_samples import Sample, make_sheet, write_video
from visavis.training.losses.lip_sync import FrozenExpert, fit_windows
from visavis.training.task import Evaluation, LoopConfig

_log = logging.getLogger(__name__)

Further: TypeAlias = Callable[[Sequence[Sample]], Mapping[str, float]]
"""Figures by name of all clips that were drawn."""

COMPARED = 192
"""Pixels of a side at which pictures are compared."""
_NEAR_REFERENCE = 5
_AT_ONCE = 16
_SHOWN = 3
_CORNERS = (61, 291, 0, 17)
"""Vertices of MediaPipe's face mesh: corners of the mouth, top and bottom of the lips."""
_AROUND = 0.25
"""Of the mouth's width, what is added around it."""


@dataclass(frozen=True, slots=True)
class LipFigures:
    """What a generator reaches.

    Attributes:
        l1: Mean absolute error of the lower half, of 1.
        mouth_psnr: Of the mouths' boxes, dB.
        lpips: Of the lower halves, AlexNet; NaN where its weights are not on this machine.
        sync_loss: Mean of -log cosine of drawn lips and their own sound.
        cosine_real: Mean cosine of real lips and their sound.
        cosine_own: Of drawn lips and their own sound.
        cosine_crossed: Of drawn lips and another clip's sound, which they were drawn for.
        confidence_real: Mean sync confidence (cosine at the best offset less the median) of real clips.
        confidence_own: Of drawn ones.
        confidence_crossed: Of those with another's sound.
        sync_own: Confidence as a share of real video's.
        sync_crossed: Likewise.
        crossed_in_time: Share of the crossed clips that the expert finds within one frame of in time.
        clips: How many.
    """

    l1: float
    mouth_psnr: float
    lpips: float
    sync_loss: float
    cosine_real: float
    cosine_own: float
    cosine_crossed: float
    confidence_real: float
    confidence_own: float
    confidence_crossed: float
    sync_own: float
    sync_crossed: float
    crossed_in_time: float
    clips: int


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """A clip and what is always the same of it.

    Attributes:
        info: Its entry in the store.
        real: uint8 (T, COMPARED, COMPARED, 3).
        mel: Of its own sound, with its offset.
        box: x0, y0, x1, y1 of the mouth at ``COMPARED``.
    """

    info: StoredClip
    real: Picture
    mel: Floats
    box: tuple[int, int, int, int]


class LipJudge:
    """Judges generators of one size on the same clips.

    Args:
        store: Prepared clips.
        clips: Those to judge on.
        expert: Judges the lips; None leaves its figures NaN.
        loop: Its precision is used.
        top: First row that the generator draws.
        out: Samples go to ``samples`` in it: a sheet and a video of each evaluation.
        further: Measures something else.
    """

    def __init__(
        self,
        store: Clips,
        clips: Sequence[StoredClip],
        expert: FrozenExpert | None,
        loop: LoopConfig,
        top: int,
        out: Path,
        further: Further | None = None,
    ) -> None:
        self._further = further
        self._store, self._expert, self._loop, self._top = store, expert, loop, top
        self._clips = [_read(store, clip) for clip in clips]
        self._folder = out / "samples"
        self._lpips = _load_lpips()
        self._real_curves: list[Floats] | None = None

    def judge(self, network: Wav2Lip, step: int) -> Evaluation:
        """Draw all clips and measure them."""
        network.eval()
        device = next(network.parameters()).device
        for helper in (self._expert, self._lpips):
            if helper is not None:
                helper.to(device)
        own: list[Picture] = []
        crossed: list[Picture] = []
        for index, clip in enumerate(self._clips):
            other = self._other(index)
            own_part, crossed_part = self._draw(network, clip, (clip, other))
            own.append(own_part)
            crossed.append(crossed_part)
        figures = self._measure(own, crossed, device)
        samples = [
            Sample(
                clip.real,
                own[i],
                crossed[i],
                self._store.audio(clip.info),
                self._store.audio(self._other(i).info),
                self._other(i).real,
            )
            for i, clip in enumerate(self._clips)
        ]
        self._folder.mkdir(parents=True, exist_ok=True)
        sheet = make_sheet(samples[:_SHOWN], self._folder / f"step_{step:06}.png")
        write_video(samples[:_SHOWN], self._folder / f"step_{step:06}.mp4")
        values = {name: float(value) for name, value in asdict(figures).items()}
        if self._further is not None:
            values |= self._further(samples)
        return Evaluation(values, _score(figures), _describe(figures), {"samples": sheet})

    def _other(self, index: int) -> _Clip:
        """The clip whose sound is taken for another: half a round on, which is another person's."""
        return self._clips[(index + max(1, len(self._clips) // 2)) % len(self._clips)]

    @torch.no_grad()
    def _draw(self, network: Wav2Lip, clip: _Clip, sounds: Sequence[_Clip]) -> list[Picture]:
        """Draw a clip with each sound, uint8 (T, COMPARED, COMPARED, 3), T the shorter's."""
        device, size = next(network.parameters()).device, network.config.size
        frames = read_crops(self._store, clip.info, range(clip.info.frames), size)
        rows = network.config.first_rows(self._top)
        drawn: list[list[Picture]] = [[] for _ in sounds]
        for first in range(0, len(frames), _AT_ONCE):
            part = frames[first : first + _AT_ONCE]
            pictures = to_pictures(torch.from_numpy(part)[None].to(device))[0]
            reference = to_pictures(torch.from_numpy(frames[:1])[None].to(device))[0]
            masked = pictures.clone()
            masked[:, :, size // 2 :] = 0
            face = torch.cat([masked, reference.expand_as(pictures)], 1)
            with autocast(self._loop.precision, device):
                features = network.encode_face(face)
                kept = [f[:, :, row:] for f, row in zip(features, rows, strict=True)]
                for made, sound in zip(drawn, sounds, strict=True):
                    at = np.arange(first, first + len(part)) + sound.info.offset
                    mel = mel_windows(sound.mel, at - network.config.lead)
                    heard = network.encode_audio(torch.from_numpy(mel)[:, None].to(device))
                    lower = network.decode(heard, kept, self._top).float().cpu()
                    made.append(_complete(part, lower, self._top))
        return [
            np.concatenate(parts)[: min(clip.info.frames, sound.info.frames)]
            for parts, sound in zip(drawn, sounds, strict=True)
        ]

    def _measure(
        self, own: list[Picture], crossed: list[Picture], device: torch.device
    ) -> LipFigures:
        far = [slice(_NEAR_REFERENCE, None)] * len(self._clips)
        half = COMPARED // 2
        real = [clip.real for clip in self._clips]
        l1 = [
            np.abs(a[s, half:].astype(np.float32) - b[s, half:]).mean() / 255
            for a, b, s in zip(own, real, far, strict=True)
        ]
        mouths = []
        for clip, made, part in zip(self._clips, own, far, strict=True):
            x0, y0, x1, y1 = clip.box
            mouths.append(psnr(made[part, y0:y1, x0:x1], clip.real[part, y0:y1, x0:x1]))
        looks = [
            self._compare(a[s, half:], b[s, half:], device)
            for a, b, s in zip(own, real, far, strict=True)
        ]
        nan = float("nan")
        likeness = (float(np.mean(l1)), float(np.mean(mouths)), float(np.mean(looks)))
        if self._expert is None:
            return LipFigures(*likeness, *[nan] * (len(fields(LipFigures)) - 4), len(real))
        if self._real_curves is None:
            self._real_curves = [self._curve(clip.real, clip, device)[1] for clip in self._clips]
        own_cosines, own_curves, crossed_curves = [], [], []
        for index, clip in enumerate(self._clips):
            cosines, curve = self._curve(own[index], clip, device)
            own_cosines.append(cosines)
            own_curves.append(curve)
            crossed_curves.append(self._curve(crossed[index], self._other(index), device)[1])
        middle = len(own_curves[0]) // 2
        sure = [
            float(np.mean([confidence(c) for c in curves]))
            for curves in (self._real_curves, own_curves, crossed_curves)
        ]
        at_zero = [
            float(np.mean([c[middle] for c in curves]))
            for curves in (self._real_curves, own_curves, crossed_curves)
        ]
        likely = np.clip(np.concatenate(own_cosines), 1e-4, 1)
        return LipFigures(
            *likeness,
            float(-np.log(likely).mean()),
            *at_zero,
            *sure,
            sure[1] / sure[0],
            sure[2] / sure[0],
            float(np.mean([abs(find_offset(c)) <= 1 for c in crossed_curves])),
            len(real),
        )

    @torch.no_grad()
    def _compare(self, made: Picture, real: Picture, device: torch.device) -> float:
        if self._lpips is None:
            return float("nan")
        pair = [to_pictures(torch.from_numpy(p)[None].to(device))[0] for p in (made, real)]
        return float(self._lpips(*pair).mean())

    @torch.no_grad()
    def _curve(
        self, pictures: Picture, sound: _Clip, device: torch.device
    ) -> tuple[Floats, Floats]:
        """Cosines in time, and the mean cosine at each offset, of pictures and a clip's sound."""
        assert self._expert is not None
        network = self._expert.network
        starts = np.arange(len(pictures) - WINDOW_FRAMES + 1)
        halves = pictures[:, COMPARED // 2 :]
        frames = to_pictures(torch.from_numpy(halves[window_frames(starts)]).to(device))
        rows = mel_rows(np.arange(sound.info.frames), sound.info.offset)
        inside = (rows >= 0) & (rows + WINDOW_ROWS <= len(sound.mel))
        windows = mel_windows(sound.mel, np.arange(sound.info.frames)[inside] + sound.info.offset)
        with autocast(self._loop.precision, device):
            faces = network.encode_face(fit_windows(frames, network.config.size))
            heard = network.encode_audio(torch.from_numpy(windows)[:, None].to(device))
        # What is not there stays unknown, in its place.
        speech = np.full((sound.info.frames, heard.shape[1]), np.nan, np.float32)
        speech[inside] = heard.float().cpu().numpy()
        seen = faces.float().cpu().numpy()
        count = min(len(seen), len(speech))
        cosines = (seen[:count] * speech[:count]).sum(1)
        return cosines[~np.isnan(cosines)], offset_curve(seen, speech)


def _read(store: Clips, clip: StoredClip) -> _Clip:
    real = read_crops(store, clip, range(clip.frames), COMPARED)
    points = store.landmarks(clip)[:, _CORNERS] * (COMPARED / store.frames(clip, [0]).shape[1])
    low, high = points.min((0, 1)), points.max((0, 1))
    margin = _AROUND * (high[0] - low[0])
    x0, y0 = np.clip(np.floor(low - margin), 0, COMPARED - 8).astype(int)
    x1, y1 = np.clip(np.ceil(high + margin), (x0 + 8, y0 + 8), COMPARED).astype(int)
    return _Clip(clip, real, store.mel(clip), (int(x0), int(y0), int(x1), int(y1)))


def _complete(frames: Picture, lower: torch.Tensor, top: int) -> Picture:
    """Put drawn rows (n, 3, S - top, S) under the frames' own, and scale to ``COMPARED``."""
    rows = (lower.permute(0, 2, 3, 1).clamp(0, 1) * 255).round().byte().numpy()
    whole = frames.copy()
    whole[:, top:] = rows
    return np.stack([resize_crop(picture, COMPARED) for picture in whole])


def _load_lpips() -> Lpips | None:
    try:
        return load_lpips()
    except MissingWeights as error:
        _log.warning("LPIPS is not measured: %s", error)
        return None


def _score(figures: LipFigures) -> float:
    """Higher is better: lips that fit any sound, up to what real video reaches, and look right."""
    looks = figures.l1 if np.isnan(figures.lpips) else figures.lpips
    fits = 0.0 if np.isnan(figures.sync_crossed) else min(1.0, figures.sync_crossed)
    return fits - 2 * looks


def _describe(figures: LipFigures) -> str:
    return (
        f"L1 {figures.l1:.4f}, mouth PSNR {figures.mouth_psnr:.2f} dB, LPIPS {figures.lpips:.4f};"
        f" sync against real video {figures.sync_own:.2f} with own sound,"
        f" {figures.sync_crossed:.2f} crossed (in time {figures.crossed_in_time:.0%}),"
        f" sync loss {figures.sync_loss:.3f}; {figures.clips} clips"
    )
