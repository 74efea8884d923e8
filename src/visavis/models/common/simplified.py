"""Traditional Chinese characters as simplified ones."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

_LOCK = threading.Lock()


def to_simplified(text: str, form: Literal["zh-cn", "zh-hans"] = "zh-hans") -> str:
    """Write traditional characters as simplified ones; ``zh-cn`` also takes the mainland's words."""
    if text.isascii():
        return text
    with _LOCK:
        convert = _load()
    return str(convert(text, form))


@lru_cache(maxsize=1)
def _load() -> Any:
    from zhconv import zhconv

    # By its full path the dictionary is read and closed; by default it is left open.
    zhconv.loaddict(str(Path(zhconv.__file__).with_name("zhcdict.json")))
    return zhconv.convert
