"""Coded ticks into fragmented MP4 for Media Source Extensions (ISO/IEC 14496-12, -14, -15).

Written here and not by FFmpeg's muxer, because every decode time must be the stream clock's, from a
late start on and across what was left out; that muxer counts from its own first packet, and keeps
a packet back until it has seen the next.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from visavis.apps.server.transports.encoding import CodedSound, CodedTick, SoundCodec
from visavis.core.types import FPS
from visavis.pipeline.ticks import SAMPLE_RATE

VIDEO_SCALE = 90_000
"""Units a second of the picture's times."""
FRAME_UNITS = VIDEO_SCALE // FPS
_SOUND_SCALE = 48_000
"""Units a second of the sound's times; Opus has no other."""
_VIDEO_TRACK, _SOUND_TRACK = 1, 2
_SYNC_SAMPLE = 0x02000000
_DELTA_SAMPLE = 0x01010000
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_AAC_RATE_INDEX = {24_000: 6, 48_000: 3}[SAMPLE_RATE]


class Mp4Fragmenter:
    """Turns coded ticks into an initialisation segment and fragments.

    Args:
        sound: Codec of the sound.
    """

    def __init__(self, sound: SoundCodec) -> None:
        self._sound = sound
        self._number = 0
        self._end: int | None = None
        self.mime = ""
        """What a player is told; known from the first initialisation segment on."""

    def make_init(self, tick: CodedTick) -> bytes:
        """Make the initialisation segment for what begins with this keyframe.

        Raises:
            ValueError: The picture carries no parameter sets.
        """
        self._end = None
        units = list(split_units(tick.picture))
        sps = next((unit for unit in units if unit[0] & 31 == 7), None)
        pps = next((unit for unit in units if unit[0] & 31 == 8), None)
        if sps is None or pps is None:
            raise ValueError("decoding cannot begin here: the picture has no parameter sets")
        sound = {"opus": "opus", "aac": "mp4a.40.2"}[self._sound]
        self.mime = f'video/mp4; codecs="avc1.{sps[1:4].hex()},{sound}"'
        brands = struct.pack(">4sI4s4s4s", b"iso6", 0, b"iso6", b"avc1", b"mp41")
        return _box(b"ftyp", brands) + _box(
            b"moov",
            _movie_header(),
            _track(_VIDEO_TRACK, VIDEO_SCALE, b"vide", _avc1(sps, pps, tick.size), tick.size),
            _track(_SOUND_TRACK, _SOUND_SCALE, b"soun", self._sound_entry(), (0, 0)),
            _box(b"mvex", _track_defaults(_VIDEO_TRACK), _track_defaults(_SOUND_TRACK)),
        )

    def make_fragment(self, ticks: Sequence[CodedTick]) -> bytes:
        """Put ticks into one fragment.

        Where some are missing the picture before stays for longer; where they are missing between
        two fragments the picture after comes earlier, as a player would stop at a gap.
        """
        self._number += 1
        pictures = [_to_sample(tick.picture) for tick in ticks]
        starts = [tick.index for tick in ticks]
        if self._end is not None:
            starts[0] = self._end
        self._end = ticks[-1].index + 1
        rows = [
            (
                (end - start) * FRAME_UNITS,
                len(data),
                _SYNC_SAMPLE if tick.is_keyframe else _DELTA_SAMPLE,
            )
            for start, end, tick, data in zip(
                starts, [*starts[1:], self._end], ticks, pictures, strict=True
            )
        ]
        sounds = [packet for tick in ticks for packet in tick.sound]
        parts = [(_VIDEO_TRACK, starts[0] * FRAME_UNITS, rows, pictures)]
        if sounds:
            parts.append(self._sound_part(sounds))
        # The offsets count from the moof's first byte, so its length must be known: twice.
        length = len(self._moof(parts, 0))
        body = b"".join(data for part in parts for data in part[3])
        return self._moof(parts, length + 8) + _box(b"mdat", body)

    def _sound_part(
        self, sounds: Sequence[CodedSound]
    ) -> tuple[int, int, list[tuple[int, int, int]], list[bytes]]:
        units = _SOUND_SCALE // SAMPLE_RATE
        rows = [(packet.samples * units, len(packet.data), _SYNC_SAMPLE) for packet in sounds]
        return _SOUND_TRACK, sounds[0].start * units, rows, [packet.data for packet in sounds]

    def _moof(
        self,
        parts: Sequence[tuple[int, int, list[tuple[int, int, int]], list[bytes]]],
        offset: int,
    ) -> bytes:
        boxes = [_full(b"mfhd", 0, 0, struct.pack(">I", self._number))]
        for track, start, rows, data in parts:
            run = struct.pack(">Ii", len(rows), offset)
            run += b"".join(struct.pack(">III", *row) for row in rows)
            boxes.append(
                _box(
                    b"traf",
                    _full(b"tfhd", 0, 0x020000, struct.pack(">I", track)),
                    _full(b"tfdt", 1, 0, struct.pack(">Q", start)),
                    _full(b"trun", 0, 0x000701, run),
                )
            )
            offset += sum(map(len, data))
        return _box(b"moof", *boxes)

    def _sound_entry(self) -> bytes:
        rate = _SOUND_SCALE if self._sound == "opus" else SAMPLE_RATE
        head = struct.pack(">6xH8xHH4xI", 1, 1, 16, rate << 16)
        if self._sound == "opus":
            # No samples to skip: the encoder's delay is taken off the times already. The rate is
            # that of the sample entry, or Chromium refuses it.
            config = struct.pack(">BBHIhB", 0, 1, 0, rate, 0, 0)
            return _box(b"Opus", head, _box(b"dOps", config))
        specific = struct.pack(">H", 2 << 11 | _AAC_RATE_INDEX << 7 | 1 << 3)
        decoder = struct.pack(">BB3xII", 0x40, 0x15, 0, 0) + _descriptor(5, specific)
        stream = struct.pack(">HB", _SOUND_TRACK, 0) + _descriptor(4, decoder)
        stream += _descriptor(6, b"\2")
        return _box(b"mp4a", head, _full(b"esds", 0, 0, _descriptor(3, stream)))


def split_units(picture: bytes) -> Iterator[bytes]:
    """Give the NAL units of H.264 with start codes, without those."""
    at = picture.find(b"\0\0\1")
    while at >= 0:
        start = at + 3
        at = picture.find(b"\0\0\1", start)
        yield picture[start : at if at >= 0 else len(picture)].rstrip(b"\0")


def _to_sample(picture: bytes) -> bytes:
    """Lengths in place of start codes; parameter sets are in the initialisation segment."""
    return b"".join(
        struct.pack(">I", len(unit)) + unit
        for unit in split_units(picture)
        if unit[0] & 31 not in (7, 8, 9)
    )


def _box(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", len(body) + 8, name) + body


def _full(name: bytes, version: int, flags: int, *content: bytes) -> bytes:
    return _box(name, struct.pack(">I", version << 24 | flags), *content)


def _descriptor(tag: int, content: bytes) -> bytes:
    return struct.pack(">BB", tag, len(content)) + content


def _movie_header() -> bytes:
    body = struct.pack(">IIIIIH10x", 0, 0, 1000, 0, 0x10000, 0x100)
    return _full(b"mvhd", 0, 0, body, _MATRIX, struct.pack(">24xI", 3))


def _track_defaults(track: int) -> bytes:
    return _full(b"trex", 0, 0, struct.pack(">IIIII", track, 1, 0, 0, 0))


def _track(track: int, scale: int, kind: bytes, entry: bytes, size: tuple[int, int]) -> bytes:
    volume = 0x100 if kind == b"soun" else 0
    header = struct.pack(">IIIII8xHHHH", 0, 0, track, 0, 0, 0, 0, volume, 0)
    header += _MATRIX + struct.pack(">II", size[0] << 16, size[1] << 16)
    media = _full(b"vmhd", 0, 1, bytes(8)) if kind == b"vide" else _full(b"smhd", 0, 0, bytes(4))
    table = _box(
        b"stbl",
        _full(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        _full(b"stts", 0, 0, bytes(4)),
        _full(b"stsc", 0, 0, bytes(4)),
        _full(b"stsz", 0, 0, bytes(8)),
        _full(b"stco", 0, 0, bytes(4)),
    )
    here = _full(b"dref", 0, 0, struct.pack(">I", 1), _full(b"url ", 0, 1))
    undetermined = struct.pack(">HH", 0x55C4, 0)
    return _box(
        b"trak",
        _full(b"tkhd", 0, 3, header),
        _box(
            b"mdia",
            _full(b"mdhd", 0, 0, struct.pack(">IIII", 0, 0, scale, 0), undetermined),
            _full(b"hdlr", 0, 0, struct.pack(">4x4s12x", kind), b"visavis\0"),
            _box(b"minf", media, _box(b"dinf", here), table),
        ),
    )


def _avc1(sps: bytes, pps: bytes, size: tuple[int, int]) -> bytes:
    head = struct.pack(">6xH16xHHII4xH32xHh", 1, *size, 0x480000, 0x480000, 1, 24, -1)
    config = struct.pack(">B3sBBH", 1, sps[1:4], 0xFF, 0xE1, len(sps)) + sps
    config += struct.pack(">BH", 1, len(pps)) + pps
    return _box(b"avc1", head, _box(b"avcC", config))
