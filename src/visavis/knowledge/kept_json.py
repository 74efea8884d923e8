"""Small results that are kept as JSON in a cache folder."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def write_kept(path: Path, value: Any) -> None:
    """Write a value whole or not at all; a cache that cannot be written costs time, nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(value), "utf-8")
        part.replace(path)
    except OSError as error:
        logger.info("what was learnt is not cached: %s", error)
