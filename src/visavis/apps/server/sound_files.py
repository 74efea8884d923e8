"""Sound as a stream of bytes in a file format, while it is still being made."""

from __future__ import annotations

import io
import itertools
import struct
from fractions import Fraction
from typing import Any, Literal, Protocol, TypeAlias

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from visavis.core.types import Floats

SoundFormat: TypeAlias = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]

MEDIA_TYPES: dict[SoundFormat, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_CODERS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    # format: (container, codec, sample format, options of the container)
    "mp3": ("mp3", "libmp3lame", "s16p", {"write_xing": "0"}),
    "opus": ("ogg", "libopus", "s16", {"page_duration": "100000"}),
    "aac": ("adts", "aac", "fltp", {}),
    "flac": ("flac", "flac", "s16", {}),
}
_BIT_RATES = {"mp3": 64_000, "opus": 32_000, "aac": 64_000}
_UNKNOWN = 0xFFFFFFFF
"""Length of a WAV file that is still being written, as streams have it."""


class SoundEncoder(Protocol):
    """Turns samples into the bytes of a file, in order."""

    def feed(self, samples: Floats) -> bytes:
        """Take sound and give what bytes are complete."""
        ...

    def finish(self) -> bytes:
        """Give the rest."""
        ...


def open_encoder(format: SoundFormat, rate: int) -> SoundEncoder:
    """Open an encoder for mono sound at ``rate`` Hz."""
    if format in ("wav", "pcm"):
        return _Plain(rate, header=format == "wav")
    return _Coded(format, rate)


def to_pcm(samples: Floats) -> bytes:
    """Convert to 16-bit little-endian."""
    return np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2").tobytes()


class _Plain:
    def __init__(self, rate: int, *, header: bool) -> None:
        self._head = _wav_header(rate) if header else b""

    def feed(self, samples: Floats) -> bytes:
        head, self._head = self._head, b""
        return head + to_pcm(samples)

    def finish(self) -> bytes:
        head, self._head = self._head, b""
        return head


def _wav_header(rate: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    return (
        b"RIFF" + struct.pack("<I", _UNKNOWN) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
        + b"data" + struct.pack("<I", _UNKNOWN)
    )  # fmt: skip


class _Outlet(io.RawIOBase):
    """Where a muxer writes: what came since the last look can be taken away."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._bytes += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._bytes)
        self._bytes.clear()
        return taken


class _Coded:
    def __init__(self, format: SoundFormat, rate: int) -> None:
        kind, codec, layout, options = _CODERS[format]
        self._outlet = _Outlet()
        # Without flushing after each packet a listener would wait for a full buffer.
        options = {**options, "flush_packets": "1"}
        self._container: Any = av.open(self._outlet, "w", format=kind, options=options)
        stream = self._container.add_stream(codec, rate=rate)
        assert isinstance(stream, AudioStream)
        self._stream: AudioStream = stream
        self._stream.layout = "mono"
        self._stream.format = layout
        if format in _BIT_RATES:
            self._stream.bit_rate = _BIT_RATES[format]
        self._rate = rate
        self._position = 0

    def feed(self, samples: Floats) -> bytes:
        if len(samples):
            plain = np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16)
            frame = AudioFrame.from_ndarray(plain[None], format="s16", layout="mono")
            frame.sample_rate = self._rate
            frame.pts, frame.time_base = self._position, Fraction(1, self._rate)
            self._position += len(samples)
            self._mux(frame)
        return self._outlet.take()

    def finish(self) -> bytes:
        self._mux(None)
        self._container.close()
        return self._outlet.take()

    def _mux(self, frame: AudioFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


class Tempo:
    """Speeds speech up or slows it down, its pitch kept.

    Args:
        speed: 0.25..4; 1 changes nothing.
        rate: Hz.
    """

    def __init__(self, speed: float, rate: int) -> None:
        self._rate = rate
        self._graph: Any = None
        self._position = 0
        if speed != 1.0:
            self._graph = _open_tempo(speed, rate)

    def feed(self, samples: Floats) -> Floats:
        """Take sound and give what is ready."""
        if self._graph is None or not len(samples):
            return samples
        frame = AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = self._rate
        frame.pts, frame.time_base = self._position, Fraction(1, self._rate)
        self._position += len(samples)
        self._graph.push(frame)
        return self._pull()

    def finish(self) -> Floats:
        """Give the rest."""
        if self._graph is None:
            return np.zeros(0, np.float32)
        self._graph.push(None)
        return self._pull()

    def _pull(self) -> Floats:
        parts = [np.zeros(0, np.float32)]
        while True:
            try:
                parts.append(self._graph.pull().to_ndarray().reshape(-1))
            except (av.error.BlockingIOError, av.error.EOFError):
                return np.concatenate(parts)


def _open_tempo(speed: float, rate: int) -> Any:
    graph: Any = av.filter.Graph()
    links = [
        graph.add_abuffer(
            sample_rate=rate, format="flt", layout="mono", time_base=Fraction(1, rate)
        )
    ]
    while speed < 0.5:  # the filter's own lower end
        links.append(graph.add("atempo", "0.5"))
        speed /= 0.5
    links.append(graph.add("atempo", f"{speed:.6f}"))
    links.append(graph.add("aformat", "sample_fmts=flt:channel_layouts=mono"))
    links.append(graph.add("abuffersink"))
    for before, after in itertools.pairwise(links):
        before.link_to(after)
    graph.configure()
    return graph
