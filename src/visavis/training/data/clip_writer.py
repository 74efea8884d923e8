"""Writing a store of clips: each clip in one transaction, and what became of each source."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from visavis.core.errors import OutputUnwritable
from visavis.core.types import Floats, Picture
from visavis.media.files import unwritable
from visavis.training.data.clip_store import (
    DATABASE,
    ClipInfo,
    close_database,
    decode_info,
    encode_info,
    import_lmdb,
    iterate_info,
    key_of,
)

JPEG_QUALITY = 95
_FIRST_SIZE = 1 << 30
"""Bytes that the database may grow to before it is told of more; the file is only as long as its
content."""
_SOURCES = b"sources"
_SETTINGS = b"settings"


@dataclass(frozen=True, slots=True, eq=False)
class PackedClip:
    """A clip as it is stored: its description and its parts by name, as bytes."""

    info: ClipInfo
    parts: Mapping[str, bytes]


def pack_clip(
    info: ClipInfo,
    frames: Picture,
    sound: Floats,
    landmarks: Floats,
    blendshapes: Floats,
    pose: Floats,
    boxes: Floats,
    to_upright: Floats,
    upright: Picture | None = None,
    identity: Floats | None = None,
) -> PackedClip:
    """Code a clip.

    Args:
        info: Its description.
        frames: RGB uint8 (T, S, S, 3).
        sound: float32 (n,) at 16 kHz from ``info.lead`` samples before the first frame.
        landmarks: (T, 478, 2) pixels of the crop.
        blendshapes: (T, 52).
        pose: (T, 3) degrees.
        boxes: (T, 4) xyxy pixels of the source.
        to_upright: (T, 2, 3).
        upright: RGB uint8 (T, U, U, 3).
        identity: (128,) vector of the face, of any length.
    """
    parts = {
        "sound": np.clip(np.rint(sound * 32768), -32768, 32767).astype("<i2").tobytes(),
        "landmarks": landmarks.astype("<f4").tobytes(),
        "blendshapes": blendshapes.astype("<f2").tobytes(),
        "pose": pose.astype("<f2").tobytes(),
        "boxes": boxes.astype("<f4").tobytes(),
        "to_upright": to_upright.astype("<f4").tobytes(),
    }
    parts["frames"], parts["ends"] = _code(frames)
    if upright is not None:
        parts["upright"], parts["upright_ends"] = _code(upright)
    if identity is not None:
        unit = identity / max(float(np.linalg.norm(identity)), 1e-9)
        parts["identity"] = unit.astype("<f4").tobytes()
    return PackedClip(info, parts)


def _code(frames: Picture) -> tuple[bytes, bytes]:
    import cv2

    options = [
        cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]  # fmt: skip
    coded: list[npt.NDArray[np.uint8]] = []
    for frame in frames:
        done, data = cv2.imencode(".jpg", frame[..., ::-1], options)
        assert done
        coded.append(data)
    ends = np.cumsum([len(data) for data in coded], dtype="<i8")
    return b"".join(data.tobytes() for data in coded), ends.tobytes()


class ClipWriter:
    """Writes one store; a single process at a time does.

    Args:
        path: The folder, made where it is missing.

    Raises:
        OutputUnwritable: It cannot be made or written to, or the disk is full.
        MissingExtra: lmdb is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lmdb = import_lmdb()
        folder = self.path / DATABASE
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from error
        close_database(folder)
        try:
            # Without sync a power cut may cost the last clips, never the store's soundness
            # (metasync stays on); `close` syncs.
            self._database: Any = self._lmdb.open(
                str(folder), map_size=_FIRST_SIZE, max_dbs=2, metasync=True, writemap=False
            )
            size = max(_FIRST_SIZE, 2 * self._database.info()["map_size"])
            self._database.set_mapsize(size)
        except self._lmdb.Error as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, clip: PackedClip) -> None:
        """Store a clip, or replace the one of its name."""

        def write(transaction: Any) -> None:
            key = key_of(clip.info.name)
            for name, value in clip.parts.items():
                transaction.put(key + name.encode(), value)
            transaction.put(key + b"info", encode_info(clip.info))

        self._write(write)

    def remove(self, names: Iterator[str] | list[str]) -> None:
        """Delete clips; those that are not there are passed over."""

        def write(transaction: Any) -> None:
            for name in names:
                prefix = key_of(name)
                cursor = transaction.cursor()
                while cursor.set_range(prefix) and bytes(cursor.key()).startswith(prefix):
                    cursor.delete()

        names = list(names)
        self._write(write)

    def update_all(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change fields of clips' descriptions, by name.

        Raises:
            KeyError: There is no such clip.
        """

        def write(transaction: Any) -> None:
            for name, fields in changes.items():
                key = key_of(name) + b"info"
                value = transaction.get(key)
                if value is None:
                    raise KeyError(name)
                changed = replace(decode_info(bytes(value)), **fields)
                transaction.put(key, encode_info(changed))

        self._write(write)

    def clips(self) -> list[ClipInfo]:
        """What is stored, by name."""
        with self._database.begin() as transaction:
            found = [decode_info(value) for _, value in iterate_info(transaction)]
        return sorted(found, key=lambda clip: clip.name)

    def record(self, source: str, content: Mapping[str, Any]) -> None:
        """Note what became of a source."""

        def write(transaction: Any) -> None:
            key = _SOURCES + key_of(source)
            value = json.dumps({"source": source, **content}, ensure_ascii=False).encode()
            transaction.put(key, value)

        self._write(write)

    def identities(self) -> dict[str, Floats]:
        """Vectors of faces by clip, for the clips that have one."""
        found = {}
        with self._database.begin() as transaction:
            for key, value in iterate_info(transaction):
                vector = transaction.get(key + b"identity")
                if vector is not None:
                    found[decode_info(value).name] = np.frombuffer(vector, "<f4").astype(np.float32)
        return found

    def records(self) -> dict[str, dict[str, Any]]:
        """What became of each source so far."""
        found = {}
        with self._database.begin() as transaction:
            cursor = transaction.cursor()
            if cursor.set_range(_SOURCES):
                for key, value in cursor:
                    if not bytes(key).startswith(_SOURCES):
                        break
                    content = json.loads(bytes(value))
                    found[content.pop("source")] = content
        return found

    def settings(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What the store is made with; of a new one, what is wanted."""
        stored = dict(wanted)

        def write(transaction: Any) -> None:
            value = transaction.get(_SETTINGS)
            if value is None:
                transaction.put(_SETTINGS, json.dumps(wanted, ensure_ascii=False).encode())
            else:
                stored.clear()
                stored.update(json.loads(bytes(value)))

        self._write(write)
        return stored

    def close(self) -> None:
        """Write everything to disk."""
        if self._database is not None:
            with suppress(self._lmdb.Error):
                self._database.sync(True)
            self._database.close()
            self._database = None

    def _write(self, write: Callable[[Any], None]) -> None:
        while True:
            try:
                with self._database.begin(write=True) as transaction:
                    write(transaction)
                return
            except self._lmdb.MapFullError:
                self._database.set_mapsize(2 * self._database.info()["map_size"])
            except self._lmdb.Error as error:
                raise self._failed(error) from error

    def _failed(self, error: Exception) -> OutputUnwritable:
        for code in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG):
            if os.strerror(code) in str(error):
                return unwritable(self.path / DATABASE, OSError(code, str(error)))
        if os.strerror(errno.EIO) in str(error):  # what LMDB says when less was written than asked
            return OutputUnwritable(
                f"{self.path / DATABASE} could not be written to its end; free some space on the"
                " disk, or name a folder on another, and call it again: what is there is kept"
            )
        return OutputUnwritable(
            f"{self.path / DATABASE} cannot be written ({error}); name another folder"
        )
