"""Layers out of a TorchScript file, without torch and without running what is in it.

Such a file is a zip archive: ``data.pkl`` is a pickle of modules that names its tensors' numbers by
key, and ``data/KEY`` holds those. The modules' own code, which lies beside them, is not looked at.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from visavis.core.errors import ChecksumMismatch, FileUnreadable
from visavis.core.types import Floats

Layer: TypeAlias = dict[str, Any]
"""Tensors (float32), numbers and lists of a module by their names."""

_MOST_STRUCTURE = 1 << 24
"""Bytes of pickle that are read; that of Inception has 28 thousand."""


def read_layers(path: Path) -> dict[str, Layer]:
    """Read all modules that have tensors of their own.

    Args:
        path: What ``torch.jit.save`` wrote, with tensors in single precision.

    Returns:
        Layers by their place in the network, such as ``net.layers.mixed.tower.conv``.

    Raises:
        FileUnreadable: It is not such a file, or is cut short.
        ChecksumMismatch: It wants to load something else than modules and tensors; nothing of it
            was called.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = _read_structure(archive, path)
            return dict(_walk(root, ""))
    except (ChecksumMismatch, FileUnreadable):
        raise
    except FileNotFoundError as error:
        raise FileUnreadable(f"there is no file {path}") from error
    except Exception as error:
        # Unpickling garbage raises nearly anything.
        raise FileUnreadable(
            f"{path} is not a TorchScript file that can be read: {error}"
        ) from error


class _Module:
    """Stands for any module of the file."""

    parts: Mapping[str, Any] = {}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.parts = dict(state)


@dataclass(frozen=True, slots=True)
class _Storage:
    """Stands for the class of tensors' numbers, and then for some of them."""

    numbers: Floats | None = None


def _read_structure(archive: zipfile.ZipFile, path: Path) -> _Module:
    (name,) = (n for n in archive.namelist() if n.count("/") == 1 and n.endswith("/data.pkl"))
    if archive.getinfo(name).file_size > _MOST_STRUCTURE:
        raise FileUnreadable(f"{path} describes more modules than any network here has")
    folder = name.removesuffix("data.pkl") + "data/"

    def load_numbers(key: str, count: int) -> Floats:
        member = archive.getinfo(folder + key)
        if member.file_size != 4 * count:
            raise FileUnreadable(f"{path}: {member.filename} has not {count:,} numbers")
        return np.frombuffer(archive.read(member), "<f4")

    root = _ModuleUnpickler(io.BytesIO(archive.read(name)), load_numbers, path).load()
    if not isinstance(root, _Module):
        raise FileUnreadable(f"{path} holds no module")
    return root


class _ModuleUnpickler(pickle.Unpickler):
    """Everything that a file may name is given a stand-in, so that nothing is ever imported."""

    def __init__(
        self, stream: io.BytesIO, load_numbers: Callable[[str, int], Floats], path: Path
    ) -> None:
        super().__init__(stream)
        self._load_numbers = load_numbers
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        whole = f"{module}.{name}"
        if whole in _STAND_INS:
            return _STAND_INS[whole]
        if module.startswith("__torch__."):
            return _Module
        raise ChecksumMismatch(
            f"{self._path} wants to load {whole}, which a network has no need of; the file is not"
            " what it says, delete it"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, _device, count = pid
        if kind != "storage" or storage is not _Storage:
            raise FileUnreadable(f"{self._path} holds numbers of a kind that is not known here")
        return _Storage(self._load_numbers(key, count))


def _rebuild(
    storage: _Storage, offset: int, shape: tuple[int, ...], steps: tuple[int, ...], *_: Any
) -> Floats:
    whole = np.cumprod((1, *shape[:0:-1]))[::-1]
    if storage.numbers is None or steps != tuple(whole):
        raise ValueError(f"a tensor of shape {shape} has steps {steps}")
    # reshape refuses numbers that are too few.
    return storage.numbers[offset : offset + int(np.prod(shape))].reshape(shape)


_STAND_INS: Mapping[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch.FloatStorage": _Storage,
    "torch._utils._rebuild_tensor_v2": _rebuild,
    "torch.jit._pickle.build_intlist": list,
}


def _walk(module: _Module, place: str) -> Iterator[tuple[str, Layer]]:
    own = {name: part for name, part in module.parts.items() if not isinstance(part, _Module)}
    if any(isinstance(part, np.ndarray) for part in own.values()):
        yield place, own
    for name, part in module.parts.items():
        if isinstance(part, _Module):
            yield from _walk(part, f"{place}.{name}" if place else name)
