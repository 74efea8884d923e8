"""Sound that comes as bytes from a server, in whatever pieces the network makes of it.

Sources: RIFF WAVE as Microsoft and IBM describe it (1991, and WAVEFORMATEXTENSIBLE). A stream's header
cannot know its length: servers write 0, or the largest number that fits.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from visavis.core.types import Floats

SoundFormat: TypeAlias = Literal["wav", "pcm"]

_UNKNOWN = 0x7FFF_0000
"""Bytes from which a length is taken for unknown: no sentence has two gigabytes."""
_LONGEST_HEADER = 65_536
_SNIFFED = 16
"""Bytes of raw sound that are looked at before it is believed."""
_STRANGERS = {b"OggS": "Ogg", b"fLaC": "FLAC", b"ID3": "MP3", b"\x1aE\xdf\xa3": "WebM"}
_RATES = range(4_000, 192_001)


class GarbledSound(Exception):
    """The bytes are not sound as they should be; the message says what they look like."""


@dataclass(frozen=True, slots=True)
class _Form:
    rate: int
    channels: int
    dtype: str
    width: int


class SoundReader:
    """Turns a stream of bytes into mono samples.

    Args:
        format: ``wav``, or ``pcm`` for int16 little-endian mono without a header. A WAV file that
            comes where raw sound was expected is read as one.
        rate: Hz of raw sound; a WAV header says its own.
    """

    def __init__(self, format: SoundFormat, rate: int) -> None:
        self._format = format
        self._waiting = b""
        self._form: _Form | None = None
        self._raw = _Form(rate, 1, "<i2", 2)
        self._left: int | None = None
        self._known = 0
        self._is_over = False

    @property
    def rate(self) -> int:
        """Hz, once there are samples."""
        return self._known or self._raw.rate

    @property
    def is_cut(self) -> bool:
        """Whether a header is incomplete, or promised more than came."""
        if self._form is None:
            return bool(self._waiting) and self._format == "wav"
        return bool(self._left)

    def feed(self, data: bytes) -> Floats:
        """Take the next bytes and give the samples that are whole: float32 (n,) in [-1, 1].

        Raises:
            GarbledSound: They are no sound.
        """
        self._waiting += data
        parts: list[Floats] = []
        left = -1
        while left != len(self._waiting):
            left = len(self._waiting)
            if self._form is not None or self._begin(is_end=False):
                parts.append(self._take())
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def finish(self) -> Floats:
        """Give what a stream of a few bytes holds.

        Raises:
            GarbledSound: It is no sound.
        """
        if self._form is None and self._waiting and self._begin(is_end=True):
            return self._take()
        return np.zeros(0, np.float32)

    def _begin(self, *, is_end: bool) -> bool:
        """Find out what comes; False while too little is known."""
        head = self._waiting
        if self._is_over:
            return False
        if len(head) < _SNIFFED and not is_end:
            return False
        if head[:4] in (b"RIFF", b"RF64"):
            return self._read_header()
        for magic, name in _STRANGERS.items():
            if head.startswith(magic):
                raise GarbledSound(f"it is {name}")
        if head.lstrip()[:1] in (b"<", b"{", b"[") and _is_text(head[:_SNIFFED]):
            raise GarbledSound(f"it is text that begins with {head[:_SNIFFED].decode()!r}")
        if self._format == "wav":
            raise GarbledSound("it is no WAV file")
        self._form = self._raw
        return True

    def _read_header(self) -> bool:
        head, at, form = self._waiting, 12, None
        if head[8:12] != b"WAVE":
            raise GarbledSound("it is a RIFF file without WAVE in it")
        while len(head) >= at + 8:
            name, size = head[at : at + 4], int(struct.unpack_from("<I", head, at + 4)[0])
            if name == b"data":
                if form is None:
                    raise GarbledSound("its WAV header does not say how the sound is written")
                if self._known and form.rate != self._known:
                    raise GarbledSound("its sample rate changes within a sentence")
                self._form, self._known = form, form.rate
                self._left = None if size == 0 or size >= _UNKNOWN else size
                self._waiting = head[at + 8 :]
                return True
            end = at + 8 + size + size % 2
            if end > _LONGEST_HEADER:
                raise GarbledSound("its WAV header does not end")
            if name == b"fmt ":
                if len(head) < end:
                    return False
                form = _read_form(head[at + 8 : end])
            at = end
        return False

    def _take(self) -> Floats:
        assert self._form is not None
        form = self._form
        frame = form.channels * form.width
        have = len(self._waiting) if self._left is None else min(len(self._waiting), self._left)
        whole = have // frame * frame
        data, self._waiting = self._waiting[:whole], self._waiting[whole:]
        if self._left is not None:
            self._left -= whole
            if self._left < frame:
                # Some servers send each sentence as a file of its own; anything else is a footer.
                self._waiting = self._waiting[self._left :]
                self._left = 0
                if self._waiting[:4] == b"RIFF"[: len(self._waiting)] and self._waiting:
                    self._form, self._left = None, None
                elif self._waiting:
                    self._waiting, self._is_over = b"", True
        return _to_mono(data, form)


def _read_form(data: bytes) -> _Form:
    if len(data) < 16:
        raise GarbledSound("its WAV header is too short")
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data)
    if code == 0xFFFE and len(data) >= 26:
        code = struct.unpack_from("<H", data, 24)[0]
    dtypes = {
        (1, 8): "u1", (1, 16): "<i2", (1, 24): "i3", (1, 32): "<i4",
        (3, 32): "<f4", (3, 64): "<f8",
    }  # fmt: skip
    if (code, bits) not in dtypes:
        raise GarbledSound(f"its WAV header names the coding {code} with {bits} bits")
    if not 1 <= channels <= 8 or rate not in _RATES:
        raise GarbledSound(f"its WAV header names {channels} channels at {rate} Hz")
    return _Form(rate, channels, dtypes[code, bits], bits // 8)


def _to_mono(data: bytes, form: _Form) -> Floats:
    if form.dtype == "i3":
        raw = np.frombuffer(data, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(raw), 4), np.uint8)
        wide[:, 1:] = raw
        samples = wide.reshape(-1).view("<i4").astype(np.float32) / 2**31
    else:
        found = np.frombuffer(data, form.dtype)
        if form.dtype == "u1":
            samples = (found.astype(np.float32) - 128) / 128
        elif found.dtype.kind == "i":
            samples = found.astype(np.float32) / 2 ** (8 * form.width - 1)
        else:
            samples = np.nan_to_num(found.astype(np.float32), posinf=0.0, neginf=0.0)
    mono: Floats = samples.reshape(-1, form.channels).mean(axis=1, dtype=np.float32)
    return np.clip(mono, np.float32(-1), np.float32(1))


def _is_text(data: bytes) -> bool:
    return all(32 <= byte < 127 or byte in b"\t\r\n" for byte in data)
