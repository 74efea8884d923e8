"""The list of Chinese words that texts are cut by, loaded once."""

from __future__ import annotations

import logging
import threading
from typing import Any

_lock = threading.Lock()


def load_jieba() -> Any:
    """Return the package jieba with its dictionary loaded; half a second the first time."""
    import jieba

    with _lock:
        if not jieba.dt.initialized:
            # It reports the loading of its dictionary to stderr otherwise.
            jieba.setLogLevel(logging.WARNING)
            jieba.initialize()
    return jieba
