"""Arrays that take long to make, in one file of the user's cache that is mapped into memory.

Memory is taken by what is read alone, and once for all processes. After the arrays, each at a multiple
of 64 bytes, come a line of JSON that says where each is, its length (8 bytes) and a mark. The checksum
is looked at before anything is used: whatever is wrong with a file, it is made again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import mmap
import os
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.knowledge.postings import Arrays

logger = logging.getLogger(__name__)

Array: TypeAlias = npt.NDArray[Any]
Parts: TypeAlias = Iterable[tuple[str, Iterator[Array]]]
"""Names, and arrays in blocks: all of one name have the same type and the same shape but for their
first axis."""

ENDING = ".arrays"
_MARK = b"visavis2"
_TAIL = struct.Struct("<Q8s")
_ALIGNED = 64
_CHUNK = 1 << 20
_KEPT = 3
"""Files in the cache; those that were not used for longest go."""
_ABANDONED = 86_400
"""Seconds after which nobody writes to a file any more."""


def keep_arrays(path: Path, make: Callable[[], Parts]) -> Arrays:
    """Map a file's arrays; make and write them where it is not there or broken.

    Args:
        path: Of the file, with `ENDING`; others beside it are dropped where there are too many.
        make: Gives the arrays; called again where they cannot be written.

    Returns:
        The arrays by name; read-only, or in memory where the file cannot be written.
    """
    kept = map_arrays(path)
    if kept is not None:
        return kept
    try:
        write_arrays(path, make())
        _drop_oldest(path.parent)
    except OSError as error:
        logger.info("what an index is made of is not cached: %s", error)
    else:
        kept = map_arrays(path)
    return collect_arrays(make()) if kept is None else kept


def collect_arrays(parts: Parts) -> Arrays:
    """Put arrays together in memory."""
    made: dict[str, Array] = {}
    for name, blocks in parts:
        some = list(blocks)
        made[name] = some[0] if len(some) == 1 else np.concatenate(some)
    return made


def write_arrays(path: Path, parts: Parts) -> None:
    """Write arrays under another name first, so that no reader meets half a file.

    Raises:
        OSError: The file cannot be written; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            _write(file, parts)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    try:
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _write(file: IO[bytes], parts: Parts) -> None:
    check, place = 0, 0
    heads: list[dict[str, Any]] = []
    for name, blocks in parts:
        padding = bytes(-place % _ALIGNED)
        check = zlib.crc32(padding, check)
        place += file.write(padding)
        head: dict[str, Any] = {"name": name, "at": place}
        rows = 0
        for block in blocks:
            raw = np.ascontiguousarray(block).data.cast("B") if block.size else b""
            check = zlib.crc32(raw, check)
            place += file.write(raw)
            rows += len(block)
            head |= {"type": block.dtype.str, "shape": [rows, *block.shape[1:]]}
        heads.append(head)
    line = json.dumps({"arrays": heads, "length": place, "crc32": check}).encode()
    file.write(line + _TAIL.pack(len(line), _MARK))


def map_arrays(path: Path) -> Arrays | None:
    """Map the arrays of a file into memory, if it is there and whole."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _TAIL.size, 0))
            length, mark = _TAIL.unpack(file.read())
            if mark != _MARK:
                raise ValueError("it is cut off, or of another version")
            file.seek(size - _TAIL.size - length)
            head = json.loads(file.read(length))
            if head["length"] + length + _TAIL.size != size:
                raise ValueError("its length is wrong")
            # Read and not mapped: a page that is looked at once is not to stay in memory.
            if _checksum(file, head["length"]) != head["crc32"]:
                raise ValueError("its checksum is wrong")
            source = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        found = {one["name"]: _read(source, one) for one in head["arrays"]}
        os.utime(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        logger.warning("the cached arrays in %s are broken (%s) and are made again", path, error)
        return None
    return found


def _read(source: mmap.mmap, head: dict[str, Any]) -> Array:
    shape = tuple(int(size) for size in head["shape"])
    count = int(np.prod(shape))
    if not count:
        return np.zeros(shape, head["type"])
    return np.frombuffer(source, head["type"], count, head["at"]).reshape(shape)


def _checksum(file: IO[bytes], length: int) -> int:
    file.seek(0)
    check = 0
    while length > 0:
        chunk = file.read(min(_CHUNK, length))
        if not chunk:
            return -1
        check = zlib.crc32(chunk, check)
        length -= len(chunk)
    return check


def _drop_oldest(folder: Path) -> None:
    """Delete what was not used for longest, and what processes that were killed left behind."""
    # Other processes drop files too.
    with contextlib.suppress(OSError):
        files = sorted(folder.glob(f"*{ENDING}"), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in files[_KEPT:]:
            old.unlink(missing_ok=True)
        for left in folder.glob("*.part"):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink(missing_ok=True)
