"""A recording from the microphone, through what FFmpeg has for this system."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from visavis.core.errors import FileUnreadable
from visavis.core.types import Waveform
from visavis.media.audio import write_wav

if TYPE_CHECKING:
    from av.container import InputContainer

_RATE = 32_000
_SYSTEMS = {
    "linux": ("alsa", ("default", "plughw:0", "hw:0")),
    "darwin": ("avfoundation", (":default", ":0")),
}
"""FFmpeg's input, and the names of the usual device, of which the first that opens is taken."""
_ALSA = Path("/usr/share/alsa")
"""PyAV brings an ALSA of its own, which looks for its settings at a place that is nowhere."""


def record(
    path: Path,
    seconds: float,
    *,
    source: tuple[str, str] | None = None,
    told: Callable[[float], None] = lambda seconds: None,
) -> None:
    """Record into a WAV file, which appears when it is complete.

    Args:
        path: Of the file.
        seconds: How long.
        source: FFmpeg's input format and device; this system's microphone by default.
        told: Told the seconds recorded.

    Raises:
        FileUnreadable: No microphone can be opened, or it stopped.
        OutputUnwritable: The file cannot be written.
    """
    import av

    form, devices = (source[0], (source[1],)) if source else _find()
    parts: list[Any] = []
    count, wanted = 0, round(seconds * _RATE)
    try:
        with _open(form, devices) as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE)
            for frame in container.decode(audio=0):
                for made in resampler.resample(frame):
                    parts.append(made.to_ndarray().reshape(-1))
                    count += made.samples
                told(min(count / _RATE, seconds))
                if count >= wanted:
                    break
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise FileUnreadable(
            f"no microphone can be opened ({form}: {_reason(error)});"
            " record with another program and give the file"
        ) from error
    if count < wanted:
        raise FileUnreadable(
            f"the microphone stopped after {count / _RATE:.1f} seconds; plug it in again, or give a"
            " file"
        )
    sound = np.asarray(np.clip(np.concatenate(parts)[:wanted], -1, 1), np.float32)
    write_wav(path, Waveform(sound, _RATE))


def _find() -> tuple[str, tuple[str, ...]]:
    import av

    found = _SYSTEMS.get(sys.platform)
    if found is None or found[0] not in av.formats_available:
        raise FileUnreadable(
            "there is no way to reach a microphone on this system; record with another program and"
            " give the file"
        )
    if found[0] == "alsa" and _ALSA.is_dir():
        os.environ.setdefault("ALSA_CONFIG_DIR", str(_ALSA))
        os.environ.setdefault("ALSA_CONFIG_PATH", str(_ALSA / "alsa.conf"))
    return found


def _open(form: str, devices: tuple[str, ...]) -> InputContainer:
    import av

    for device in devices[:-1]:
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            return av.open(device, "r", format=form)
    return av.open(devices[-1], "r", format=form)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
