"""Signed or unsigned weights of 8 bits: which of them this processor multiplies exactly and fast."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

_X86 = {"x86_64", "AMD64", "i686", "x86"}
_EXACT = {"avx512_vnni", "avx_vnni"}
_FLAGS = Path("/proc/cpuinfo")


@cache
def products_are_exact(machine: str = "", flags: Path = _FLAGS) -> bool:
    """Tell whether uint8 times int8 is exact in ONNX Runtime here.

    x86 processors without VNNI add such products in 16 bits, which overflow; unsigned weights are
    exact there, and slower. Where an x86 processor does not tell, it is taken to be such a one.

    Args:
        machine: As ``platform.machine()`` says it, by default this one's.
        flags: Where Linux lists what the processor can do.
    """
    if (machine or platform.machine()) not in _X86:
        return True
    try:
        words = flags.read_text().split()
    except OSError:
        return False
    return bool(_EXACT.intersection(words))


def as_signed(weight: Array, zero: Array) -> tuple[Array, Array]:
    """Bring weights of 8 bits, and the one that means 0, to int8."""
    if weight.dtype == np.uint8:
        weight, zero = weight.astype(np.int16) - 128, zero.astype(np.int16) - 128
    return weight.astype(np.int8), np.asarray(zero, np.int8).reshape(())


def as_unsigned(weight: Array, zero: Array) -> tuple[Array, Array]:
    """Bring weights of 8 bits, and the one that means 0, to uint8."""
    if weight.dtype == np.int8:
        weight, zero = weight.astype(np.int16) + 128, zero.astype(np.int16) + 128
    return weight.astype(np.uint8), np.asarray(zero, np.uint8).reshape(())
