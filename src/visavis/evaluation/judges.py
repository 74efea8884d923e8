"""The networks that measure, and the protocol that follows from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from visavis.core.types import Waveform
from visavis.evaluation.clip_reading import ALIGNED
from visavis.evaluation.clip_task import Options
from visavis.evaluation.metrics import METRICS
from visavis.evaluation.protocol import Protocol

Recognise: TypeAlias = Callable[[Waveform], str]
"""What is heard in a sound."""


@dataclass(eq=False)
class Judges:
    """The networks, each loaded when it is first needed.

    Attributes:
        recognise: Hears words; without it none are counted.
        syncnet: The published SyncNet v2, where the user has it.
        expert: Folder of the sync expert; None is the one that comes with visavis.
    """

    recognise: Recognise | None = None
    syncnet: Any = None
    expert: Path | None = None

    @cached_property
    def detector(self) -> Any:
        """Finds faces."""
        from visavis.models.yunet.predictor import FaceDetector

        return FaceDetector()

    @cached_property
    def landmarker(self) -> Any:
        """Reads faces."""
        from visavis.models.face_landmarker.predictor import FaceLandmarker

        return FaceLandmarker(threads=2)

    @cached_property
    def identity(self) -> Any:
        """Tells people apart."""
        from visavis.models.sface.predictor import FaceIdentity

        return FaceIdentity()

    @cached_property
    def perceptual(self) -> Any:
        """LPIPS."""
        from visavis.models.lpips.predictor import PerceptualDistance

        return PerceptualDistance()

    @cached_property
    def inception(self) -> Any:
        """Features for FID."""
        from visavis.models.inception.predictor import InceptionFeatures

        return InceptionFeatures()

    @cached_property
    def video(self) -> Any:
        """Features for FVD."""
        from visavis.models.i3d.predictor import VideoFeatures

        return VideoFeatures()

    @cached_property
    def sync(self) -> Any:
        """The sync expert."""
        from visavis.models.syncnet.predictor import SyncExpert

        return SyncExpert(self.expert or _locate("syncnet"))

    @cached_property
    def emotions(self) -> Any:
        """Tells emotions."""
        from visavis.models.face_emotion.predictor import FaceEmotion

        return FaceEmotion()


def protocol_of(options: Options, judges: Judges) -> Protocol:
    """How these options measure."""
    networks = {}
    for metric in METRICS:
        if metric.group not in options.groups:
            continue
        if metric.network == "syncnet":
            folder = judges.expert or _locate("syncnet")
            networks[metric.name] = f"syncnet {_digest(folder / 'face_encoder.onnx')}"
        elif metric.network:
            networks[metric.name] = f"{metric.network} {_hash_of(metric.network)}"
        elif metric.group == "lse" and judges.syncnet is not None:
            networks[metric.name] = str(judges.syncnet.network)
    detector = f"yunet {_hash_of('yunet')}, face-landmarker {_hash_of('face-landmarker')}"
    crop = (
        f"face, aligned by the eyes, {ALIGNED} pixels; against a reference, cut where the"
        " reference's is"
    )
    return Protocol(detector, crop, options.every, networks=networks)


def _locate(asset: str) -> Path:
    from visavis.models.assets import locate

    return locate(asset)


def _hash_of(asset: str) -> str:
    """Of the first file of an asset, shortened."""
    from visavis.models import assets

    return assets.get(asset).files[0].sha256[:16]


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
