"""Prepared clips of talking faces, packed so that training reads any frames of any clip fast.

A store is a folder with one LMDB database, ``clips.lmdb``: memory-mapped, so that many workers
share one copy in the page cache, and written clip by clip, so that what is in it is whole.

Keys are a clip's 16-byte hash and the name of a part. T frames at 25 a second:

    info         JSON, the fields of ClipInfo
    frames       JPEG (quality 95, no chroma subsampling), one after another
    ends         int64 (T,) where each JPEG ends
    sound        int16 (n,) at 16 kHz, from ``lead`` samples before the first frame
    landmarks    float32 (T, 478, 2) pixels of the crop
    blendshapes  float16 (T, 52)
    pose         float16 (T, 3) yaw, pitch, roll in degrees
    boxes        float32 (T, 4) xyxy pixels of the source: what was cropped
    to_upright   float32 (T, 2, 3) from pixels of the source to the upright square of 256
    identity     float32 (128,) vector of the face, where people were told by it
    upright, upright_ends   as frames, where they were asked for
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from visavis.core.errors import FileUnreadable, MissingExtra
from visavis.core.types import FPS, Floats, Picture

SAMPLE_RATE = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
DATABASE = "clips.lmdb"
LANDMARKS = 478
_KEY_BYTES = 16
_MEL_MEMORY = 4096
"""Clips whose mel is kept in each process: about 100 MB for clips of one second."""


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """What is known of a clip.

    Attributes:
        name: ``<source>@<first frame>``, unique in the store.
        person: Who it is; one person is in one split only.
        split: ``train``, ``val`` or ``test``.
        frames: How many, at 25 a second.
        size: Pixels of a side of the crop.
        source: The video, relative to the folder that was prepared.
        start: Frame of the source, at 25 a second, that is the clip's first.
        offset: Frames by which the sound comes after the picture in the recording, as the expert
            measured; 0 before that. See ``ClipStore``'s ``correct``.
        confidence: Of ``offset``, as the expert gives it; 0 where it was not measured.
        face_size: Side of the crop in the source, pixels, median.
        sharpness: See ``media.sharpness``; 0 is a blur.
        pose: Degrees of yaw, pitch and roll, medians; 0, 0, 0 is level and frontal.
        turned: Largest yaw or pitch of any frame, degrees.
        mouth_motion: Standard deviation of the opening between the lips, in face heights.
        loudness: dB below full scale.
        faces: Faces of about the same size in view at most, this one included.
        lead: Samples of sound stored before the first frame.
        upright: Pixels of a side of the upright crops, or 0 where there are none.
    """

    name: str
    person: str
    split: str
    frames: int
    size: int
    source: str
    start: int = 0
    offset: float = 0.0
    confidence: float = 0.0
    face_size: float = 0.0
    sharpness: float = 0.0
    pose: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turned: float = 0.0
    mouth_motion: float = 0.0
    loudness: float = 0.0
    faces: int = 1
    lead: int = 0
    upright: int = 0

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / FPS


def import_lmdb() -> Any:
    """The library, or an error that names the extra.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import lmdb
    except ImportError as error:
        raise MissingExtra(
            "prepared clips need the extra `train` (lmdb is missing): pip install 'visavis[train]'"
        ) from error
    return lmdb


def key_of(name: str) -> bytes:
    """The clip's part of its keys."""
    return hashlib.blake2b(name.encode(), digest_size=_KEY_BYTES).digest()


class ClipStore:
    """Reads a store. May be shared between threads and handed to worker processes.

    Args:
        path: The folder that ``visavis prepare`` made.
        correct: Whether ``audio`` and ``mel`` are moved by the clips' measured offsets. False gives
            them as recorded; who reads that takes the offset into account, or measures it.

    Raises:
        FileUnreadable: There is no store.
        MissingExtra: lmdb is not installed.
    """

    def __init__(self, path: str | Path, *, correct: bool = False) -> None:
        self.path = Path(path)
        self._correct = correct
        self.clips: tuple[ClipInfo, ...] = self._list()
        self._numbers = {clip.name: i for i, clip in enumerate(self.clips)}
        self._mel = functools.lru_cache(_MEL_MEMORY)(self._compute_mel)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_correct": self._correct, "clips": self.clips}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._numbers = {clip.name: i for i, clip in enumerate(self.clips)}
        self._mel = functools.lru_cache(_MEL_MEMORY)(self._compute_mel)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, name: str) -> ClipInfo:
        return self.clips[self._numbers[name]]

    def select(self, split: str | None = None, people: Iterable[str] = ()) -> tuple[ClipInfo, ...]:
        """Clips of a split, of some people, or both."""
        wanted = set(people)
        return tuple(
            clip
            for clip in self.clips
            if (split is None or clip.split == split) and (not wanted or clip.person in wanted)
        )

    def frames(self, clip: ClipInfo, indices: Sequence[int] | None = None) -> Picture:
        """Face crops RGB uint8 (n, S, S, 3); all of them where no indices are given.

        Raises:
            IndexError: The clip has no such frame.
        """
        return self._pictures(clip, "frames", "ends", indices, clip.size)

    def upright(self, clip: ClipInfo, indices: Sequence[int] | None = None) -> Picture:
        """Crops of the whole head set upright, RGB uint8 (n, U, U, 3).

        Raises:
            FileUnreadable: The store was prepared without them.
            IndexError: The clip has no such frame.
        """
        if not clip.upright:
            raise FileUnreadable(
                f"{self.path} has no upright crops; prepare it again with --upright 256"
            )
        return self._pictures(clip, "upright", "upright_ends", indices, clip.upright)

    def audio(self, clip: ClipInfo) -> Floats:
        """Sound float32 (frames * 640,) at 16 kHz that belongs to the frames."""
        sound = self._array(clip, "sound", np.int16)
        start = clip.lead
        if self._correct:
            start += round(clip.offset * SAMPLES_PER_FRAME)
        count = clip.frames * SAMPLES_PER_FRAME
        samples = np.zeros(count, np.float32)
        low, high = max(start, 0), min(start + count, len(sound))
        if low < high:
            samples[low - start : high - start] = sound[low:high] / np.float32(32768)
        return samples

    def recorded(self, clip: ClipInfo) -> tuple[Floats, int]:
        """All sound that is stored of a clip, float32 at 16 kHz, and the sample of its first frame."""
        sound = self._array(clip, "sound", np.int16)
        return np.asarray(sound / np.float32(32768), np.float32), clip.lead

    def mel(self, clip: ClipInfo) -> Floats:
        """Log-mel float32 (rows, 80) of ``audio``, 80 rows a second. Do not write into it."""
        computed: Floats = self._mel(clip.name)
        return computed

    def landmarks(self, clip: ClipInfo) -> Floats:
        """float32 (T, 478, 2) pixels of the crop."""
        return self._array(clip, "landmarks", np.float32).reshape(-1, LANDMARKS, 2)

    def blendshapes(self, clip: ClipInfo) -> Floats:
        """float32 (T, 52) in [0, 1], in the order of ``models.common.units.ARKIT_UNITS``."""
        stored = self._array(clip, "blendshapes", np.float16)
        return stored.astype(np.float32).reshape(clip.frames, -1)

    def pose(self, clip: ClipInfo) -> Floats:
        """float32 (T, 3) degrees: yaw, pitch, roll; zero is level and frontal."""
        return self._array(clip, "pose", np.float16).astype(np.float32).reshape(-1, 3)

    def boxes(self, clip: ClipInfo) -> Floats:
        """float32 (T, 4) xyxy pixels of the source that the crops were cut from."""
        return self._array(clip, "boxes", np.float32).reshape(-1, 4)

    def to_upright(self, clip: ClipInfo) -> Floats:
        """float32 (T, 2, 3) from pixels of the source to the upright square of 256 pixels."""
        return self._array(clip, "to_upright", np.float32).reshape(-1, 2, 3)

    def close(self) -> None:
        """Let go of the file, for all stores of this place in this process; it opens again by itself."""
        close_database(self.path / DATABASE)

    def identity(self, clip: ClipInfo) -> Floats:
        """float32 (128,) vector of the face, where the store was prepared with people told by face.

        Raises:
            FileUnreadable: It was not.
        """
        return self._array(clip, "identity", np.float32)

    def _compute_mel(self, name: str) -> Floats:
        from visavis.models.common.mel import log_mel

        return log_mel(self.audio(self[name]))

    def _pictures(
        self, clip: ClipInfo, part: str, ends: str, indices: Sequence[int] | None, size: int
    ) -> Picture:
        import cv2

        wanted = range(clip.frames) if indices is None else [int(i) for i in indices]
        stops = self._array(clip, ends, np.int64)
        pictures = np.empty((len(wanted), size, size, 3), np.uint8)
        with self._environment().begin(buffers=True) as transaction:
            packed = np.frombuffer(self._part(transaction, clip, part), np.uint8)
            for row, i in enumerate(wanted):
                if not 0 <= i < clip.frames:
                    raise IndexError(f"{clip.name} has frames 0 to {clip.frames - 1}, not {i}")
                coded = packed[stops[i - 1] if i else 0 : stops[i]]
                decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
                if decoded is None:
                    raise FileUnreadable(
                        f"frame {i} of {clip.name} in {self.path} is damaged; prepare it again"
                    )
                cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, dst=pictures[row])
        return pictures

    def _array(self, clip: ClipInfo, part: str, kind: npt.DTypeLike) -> npt.NDArray[Any]:
        with self._environment().begin(buffers=True) as transaction:
            return np.frombuffer(bytes(self._part(transaction, clip, part)), kind)

    def _part(self, transaction: Any, clip: ClipInfo, part: str) -> Any:
        value = transaction.get(key_of(clip.name) + part.encode())
        if value is None:
            raise FileUnreadable(f"{self.path} has no {part} of {clip.name}; prepare it again")
        return value

    def _list(self) -> tuple[ClipInfo, ...]:
        with self._environment().begin() as transaction:
            found = [decode_info(value) for _, value in iterate_info(transaction)]
        return tuple(sorted(found, key=lambda clip: clip.name))

    def _environment(self) -> Any:
        return _open(self.path / DATABASE)


_OPENED: dict[str, Any] = {}
"""Handles by place: LMDB allows one of each file in a process. A forked worker goes on with its
parent's, which is sound for one that is read only and has no lock: it is a mapping of the file."""
_OPENING = threading.Lock()
if hasattr(os, "register_at_fork"):
    # A fork while another thread opens a file would leave the lock shut in the child.
    os.register_at_fork(
        before=_OPENING.acquire,
        after_in_parent=_OPENING.release,
        after_in_child=_OPENING.release,
    )


def _open(folder: Path) -> Any:
    """This process's handle of a database, for reading."""
    key = str(folder.resolve())
    with _OPENING:
        environment = _OPENED.get(key)
        if environment is None:
            if not (folder / "data.mdb").is_file():
                raise FileUnreadable(
                    f"{folder.parent} holds no prepared clips; make them with `visavis prepare`"
                )
            lmdb = import_lmdb()
            try:
                environment = lmdb.open(
                    str(folder), readonly=True, lock=False, readahead=False, max_readers=1024
                )
            except lmdb.Error as error:
                raise FileUnreadable(
                    f"{folder} cannot be opened ({error}); prepare the videos again"
                ) from error
            _OPENED[key] = environment
    return environment


def close_database(folder: Path) -> None:
    """Let go of a database in this process, so that it can be opened for writing."""
    with _OPENING:
        environment = _OPENED.pop(str(folder.resolve()), None)
    if environment is not None:
        environment.close()


def iterate_info(transaction: Any) -> Iterable[tuple[bytes, bytes]]:
    """Key and description of each clip of an open transaction."""
    cursor = transaction.cursor()
    at = b""
    while cursor.set_range(at):
        prefix = bytes(cursor.key())[:_KEY_BYTES]
        value = transaction.get(prefix + b"info")
        if value is not None:
            yield prefix, bytes(value)
        # Other keys may be shorter than a clip's.
        following = int.from_bytes(prefix.ljust(_KEY_BYTES, b"\xff"), "big") + 1
        if following >> (8 * _KEY_BYTES):
            return
        at = following.to_bytes(_KEY_BYTES, "big")


def encode_info(clip: ClipInfo) -> bytes:
    """As JSON."""
    return json.dumps(asdict(clip), ensure_ascii=False).encode()


def decode_info(value: bytes) -> ClipInfo:
    """Of JSON; fields that are not known here are left out."""
    known = {field.name for field in fields(ClipInfo)}
    content = {name: v for name, v in json.loads(value).items() if name in known}
    content["pose"] = tuple(content.get("pose", (0.0, 0.0, 0.0)))
    return ClipInfo(**content)
