"""An HNSW graph (Malkov and Yashunin, TPAMI 2020) in a file beside the database, by usearch.

The file is a cache: whatever is wrong with it, it is made again of the tables. After the graph, as
usearch writes it, come a line of JSON that says what it was built of, its length (8 bytes) and a
mark. The checksum is looked at before usearch reads anything: it trusts what it reads.
"""

from __future__ import annotations

import contextlib
import glob
import json
import logging
import mmap
import os
import secrets
import struct
import threading
import time
import zlib
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats

logger = logging.getLogger(__name__)

_MARK = b"visavis1"
_TAIL = struct.Struct("<Q8s")
_CHUNK = 1 << 24
_NUMBERS = "i8"
"""Eight bits find as many of the nearest as halves do, once the candidates are compared again by
their halves, and the graph is built in a quarter of the time (30,000 clustered vectors of 512)."""
_CONNECTIVITY = 16
_EXPANSION_ADD = 64
_EXPANSION_SEARCH = 128
_ABANDONED = 86_400
"""Seconds after which nobody writes to a file any more."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a graph was built of.

    Attributes:
        fingerprint: Of the encoder.
        dimension: Of the vectors.
        newest: Highest id of a vector in it.
        newest_text: Text of that vector: another database, or an older copy, has another there.
        count: Vectors in it.
    """

    fingerprint: str
    dimension: int
    newest: int
    newest_text: int
    count: int


class Graph:
    """A graph that is searched and not changed; from a file, mapped into memory."""

    def __init__(self, index: Any, built: Built, source: object = None) -> None:
        """Wrap an index of usearch.

        Args:
            index: Keys are ids of texts.
            built: Of what.
            source: The memory that the index looks at; kept as long as it.
        """
        self.built = built
        self._index = index
        self._source = source
        # usearch has as many places for searches as there are cores, and fails beyond them.
        self._lock = threading.Lock()
        index.expansion_search = _EXPANSION_SEARCH

    def search(self, vector: Floats, count: int) -> tuple[npt.NDArray[np.int64], Floats]:
        """Return about the ``count`` nearest texts and, roughly, their cosines, best first."""
        with self._lock:
            found = self._index.search(vector, min(count, self.built.count))
        keys = np.asarray(found.keys, np.int64)
        return keys, (1 - np.asarray(found.distances)).astype(np.float32)


def new_index(dimension: int) -> Any:
    """Make an empty index of usearch."""
    # Loaded after usearch, ONNX Runtime crashes the process.
    with contextlib.suppress(ImportError):
        import onnxruntime  # noqa: F401

    # Not at import: it starts threads of its own.
    from usearch.index import Index

    return Index(
        ndim=dimension,
        metric="cos",
        dtype=_NUMBERS,
        connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION_ADD,
        expansion_search=_EXPANSION_SEARCH,
    )


def open_graph(path: Path, fingerprint: str, dimension: int) -> Graph | None:
    """Map a file, if it is whole and of these vectors."""
    opened = _map(path, fingerprint, dimension)
    if opened is None:
        return None
    built, content, source = opened
    index = new_index(dimension)
    try:
        index.view(content)
    except (RuntimeError, ValueError) as error:
        logger.warning("the index %s cannot be used (%s) and is made again", path, error)
        return None
    if len(index) != built.count:
        logger.warning("the index %s does not fit and is made again", path)
        return None
    return Graph(index, built, (source, content))


def load_index(path: Path, fingerprint: str, dimension: int) -> tuple[Any, Built] | None:
    """Read a file into memory, so that vectors can be added."""
    opened = _map(path, fingerprint, dimension)
    if opened is None:
        return None
    built, content, _ = opened
    index = new_index(dimension)
    try:
        index.load(content)
    except (RuntimeError, ValueError) as error:
        logger.warning("the index %s cannot be used (%s) and is made again", path, error)
        return None
    return index, built


def save_index(path: Path, index: Any, built: Built) -> bool:
    """Write a file under another name and rename it: no reader meets half of it.

    Returns:
        Whether it could be written; the index works without.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        _sweep(path)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        index.save(str(part))
        with part.open("r+b") as file:
            check = 0
            while chunk := file.read(_CHUNK):
                check = zlib.crc32(chunk, check)
            head = {**asdict(built), "maker": _maker(), "length": file.tell(), "crc32": check}
            line = json.dumps(head).encode()
            file.write(line + _TAIL.pack(len(line), _MARK))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        return True
    except (OSError, RuntimeError) as error:
        logger.warning("the index %s cannot be written (%s); it is kept in memory", path, error)
        return False
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Delete what processes that were killed while writing left behind."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()


def _map(
    path: Path, fingerprint: str, dimension: int
) -> tuple[Built, npt.NDArray[np.uint8], object] | None:
    try:
        with path.open("rb") as file:
            source = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        size, mark = _TAIL.unpack(source[-_TAIL.size :])
        line = source[len(source) - _TAIL.size - size : len(source) - _TAIL.size]
        if mark != _MARK:
            raise ValueError("it is cut off")
        head = json.loads(line)
        if head.pop("maker") != _maker():
            raise ValueError("it was made by another version")
        length, check = head.pop("length"), head.pop("crc32")
        built = Built(**head)
        if length + len(line) + _TAIL.size != len(source):
            raise ValueError("its length is wrong")
        content = np.frombuffer(source, np.uint8, length)
        if _checksum(content) != check:
            raise ValueError("its checksum is wrong")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        logger.warning("the index %s is broken (%s) and is made again", path, error)
        return None
    if (built.fingerprint, built.dimension) != (fingerprint, dimension):
        logger.warning("the index %s is of other vectors and is made again", path)
        return None
    return built, content, source


def _maker() -> str:
    """What must be the same for a file to be read."""
    return f"usearch {version('usearch')}, {_NUMBERS}, {_CONNECTIVITY}, {_EXPANSION_ADD}"


def _checksum(content: npt.NDArray[np.uint8]) -> int:
    check = 0
    for start in range(0, len(content), _CHUNK):
        check = zlib.crc32(content[start : start + _CHUNK].data, check)
    return check
