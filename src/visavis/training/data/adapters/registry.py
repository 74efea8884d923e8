"""The adapters by name, and which of them a folder is for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from visavis.core.errors import ConfigError, FileUnreadable
from visavis.training.data.adapters import (
    avspeech,
    crema_d,
    grid,
    hdtf,
    lrc_ar,
    lrs2,
    lrs3,
    lrw,
    mead,
    modality,
    obama_set,
    voxceleb1,
    voxceleb2,
)
from visavis.training.data.adapters.record import Adapter

_MODULES = (
    grid, crema_d, modality, mead, obama_set, lrw, lrs2, lrs3, voxceleb1, voxceleb2, avspeech, hdtf,
    lrc_ar,
)  # fmt: skip
ADAPTERS: Mapping[str, Adapter] = MappingProxyType({m.ADAPTER.name: m.ADAPTER for m in _MODULES})


def find_adapter(root: Path, name: str | None = None) -> Adapter:
    """The adapter of a dataset's folder: by name, or by its layout.

    Raises:
        FileUnreadable: There is no such folder, no layout fits, or not the one that was named; the
            message says what was looked for.
        ConfigError: No adapter is called so, or several layouts fit.
    """
    if not root.is_dir():
        raise FileUnreadable(f"there is no folder {root}; name the root of a dataset")
    if name is not None:
        adapter = ADAPTERS.get(name)
        if adapter is None:
            raise ConfigError(f"no dataset is called {name!r}; there are: {', '.join(ADAPTERS)}")
        if not adapter.matches(root):
            raise FileUnreadable(
                f"{root} is not laid out as {name}: looked for {adapter.looks_for}; see"
                " docs/datasets.md"
            )
        return adapter
    found = [adapter for adapter in ADAPTERS.values() if adapter.matches(root)]
    if len(found) > 1:
        names = " and ".join(adapter.name for adapter in found)
        raise ConfigError(f"{root} looks like {names}; name one with --dataset")
    if not found:
        tried = "; ".join(f"{a.name}: {a.looks_for}" for a in ADAPTERS.values())
        raise FileUnreadable(
            f"{root} is no dataset that is known here. Looked for: {tried}. Name the folder that holds"
            " these, or give any folder of videos to `visavis prepare`"
        )
    return found[0]
