"""Sentence vectors that are computed once and kept in the user's cache."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from visavis.core.types import Floats

logger = logging.getLogger(__name__)

_KEPT = 32
"""Files in the cache; the oldest ones go."""


class Encoder(Protocol):
    """What makes vectors."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vectors do."""
        ...

    def encode(self, texts: Sequence[str]) -> Floats:
        """Encode n texts to float32 (n, d) rows of length 1."""
        ...


def cache_folder() -> Path:
    """Return the folder of cached vectors, following XDG_CACHE_HOME."""
    base = os.environ.get("XDG_CACHE_HOME", "").strip()
    root = Path(base).expanduser() if base else Path.home() / ".cache"
    return root / "visavis" / "knowledge"


def encode_cached(encoder: Encoder, texts: Sequence[str], folder: Path | None = None) -> Floats:
    """Encode texts, or read their vectors where the same texts were encoded before.

    The file is named by a hash of the encoder and of every text, and its content is checked by the
    archive's own checksum. A file that is broken is made again; a cache that cannot be written costs
    time, nothing else.

    Args:
        encoder: What makes the vectors.
        texts: n texts.
        folder: Of the cache; the user's own by default.

    Returns:
        float32 (n, d).
    """
    folder = folder or cache_folder()
    digest = hashlib.sha256(encoder.fingerprint.encode())
    for text in texts:
        raw = text.encode("utf-8")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    path = folder / f"vectors-{digest.hexdigest()[:32]}.npz"
    cached = _read(path, len(texts))
    if cached is not None:
        return cached
    vectors = encoder.encode(texts)
    _write(path, vectors)
    return vectors


def _read(path: Path, count: int) -> Floats | None:
    try:
        # From memory: numpy leaves the file open where the archive is broken.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            vectors: Floats = archive["vectors"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("the cached vectors in %s are broken (%s) and are made again", path, error)
        return None
    if vectors.ndim != 2 or len(vectors) != count or vectors.dtype != np.float32:
        logger.warning("the cached vectors in %s do not fit and are made again", path)
        return None
    if not np.isfinite(vectors).all():
        logger.warning("the cached vectors in %s are not finite and are made again", path)
        return None
    return vectors


def _write(path: Path, vectors: Floats) -> None:
    """Write under another name first, so that no reader meets half a file."""
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            np.savez(file, vectors=vectors)
        part.replace(path)
        _drop_oldest(path.parent)
    except OSError as error:
        logger.info("vectors are not cached: %s", error)
        if part is not None:
            part.unlink(missing_ok=True)


def _drop_oldest(folder: Path) -> None:
    files = sorted(folder.glob("vectors-*.npz"), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in files[_KEPT:]:
        old.unlink(missing_ok=True)
