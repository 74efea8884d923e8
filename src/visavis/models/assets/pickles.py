"""Reading pickles that nobody here made, without running what is in them."""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection
from pathlib import Path
from typing import Any

from visavis.core.errors import ChecksumMismatch, FileUnreadable

NUMPY_GLOBALS = frozenset(
    {
        "numpy.ndarray",
        "numpy.dtype",
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "numpy._core.numeric._frombuffer",
        "numpy.core.numeric._frombuffer",
        "_codecs.encode",
        "collections.OrderedDict",
    }
)
"""What a pickle of numpy arrays in dicts and lists needs."""


class _RestrictedUnpickler(pickle.Unpickler):
    def __init__(self, stream: io.BufferedIOBase, allowed: Collection[str], path: Path) -> None:
        super().__init__(stream)
        self._allowed = allowed
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        # A dotted name walks attributes ("os.path.os.system" of an allowed module), so it never is
        # among the allowed ones even when its module is.
        if "." in name or f"{module}.{name}" not in self._allowed:
            raise ChecksumMismatch(
                f"{self._path} wants to load {module}.{name}, which weights have no need of;"
                " the file is not what it says, delete it"
            )
        # numpy 2 keeps the old path alive with a warning; old weights name it.
        return super().find_class(module.replace("numpy.core.", "numpy._core.", 1), name)


def load_pickle_restricted(path: Path, allowed: Collection[str] = NUMPY_GLOBALS) -> Any:
    """Load a pickle in which only named classes and functions may occur.

    Args:
        path: The file.
        allowed: Full names such as ``numpy.ndarray``.

    Raises:
        ChecksumMismatch: It refers to anything else; nothing of it was called.
        FileUnreadable: It is not a pickle, or is cut short.
    """
    try:
        with path.open("rb") as stream:
            return _RestrictedUnpickler(stream, allowed, path).load()
    except ChecksumMismatch:
        raise
    except FileNotFoundError as error:
        raise FileUnreadable(f"there is no file {path}") from error
    except Exception as error:
        # Unpickling garbage raises nearly anything: EOFError, IndexError, UnicodeDecodeError …
        raise FileUnreadable(f"{path} is not a pickle that can be read: {error}") from error
