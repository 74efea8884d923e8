"""Ticks into coded pictures and sound, for whatever carries them.

Measured on a 512x512 face at 25 fps, one thread, milliseconds a frame: x264 superfast 1.2 at
500 kbit/s, libvpx's VP8 1.7 to 2.2 at 800; aiortc's own settings take 9.0 for H.264 and 2.6 for
VP8. Times are counted in ticks all along, so that picture and sound cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from visavis.core.types import FPS, Floats, Picture
from visavis.pipeline.ticks import SAMPLE_RATE, TICK_SAMPLES

if TYPE_CHECKING:
    from visavis.apps.server.transports.ticks import Tick

PictureCodec: TypeAlias = Literal["h264", "vp8"]
SoundCodec: TypeAlias = Literal["opus", "aac"]

HIGHEST_RATE = 1_500_000
"""Bits a second that a picture may take; a still face takes a third."""
LONGEST_GAP = FPS
"""Ticks that may be missing before the stream begins anew; fewer are filled with silence."""

_FRAME_SAMPLES: dict[SoundCodec, int] = {"opus": SAMPLE_RATE // 50, "aac": 1024}
_SOUND_BITS: dict[SoundCodec, int] = {"opus": 48_000, "aac": 64_000}
_SETTLED = 25
"""Equal packets of silence, one after the other, after which the last one is given again."""
_BT601 = 6
_LIMITED_RANGE = 1
_KEYFRAME_GAP = FPS // 2
"""Ticks between two keyframes that were asked for; each costs as much as a second of the rest."""


@dataclass(frozen=True, slots=True)
class CodedSound:
    """One packet of sound.

    Attributes:
        start: Sample at 24 kHz on the stream clock at which it is to be heard.
        samples: How many it decodes to.
        data: As the codec's RTP payload and MP4 sample want it.
    """

    start: int
    samples: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CodedTick:
    """One tick as it goes out.

    Attributes:
        index: The tick's.
        picture: H.264 with start codes and its parameter sets in every keyframe, or a VP8 frame.
        is_keyframe: Whether decoding may begin here.
        sound: Packets that were finished by now; they may begin a little earlier or later.
        size: Width and height in pixels.
    """

    index: int
    picture: bytes
    is_keyframe: bool
    sound: tuple[CodedSound, ...]
    size: tuple[int, int]


class TickEncoder:
    """Codes the ticks of one viewer. All calls belong on one thread.

    Args:
        picture: Codec of the pictures.
        sound: Codec of the sound.
        keyframe_every: Ticks from one keyframe to the next at most.
    """

    def __init__(
        self, picture: PictureCodec, sound: SoundCodec, keyframe_every: int = 10 * FPS
    ) -> None:
        self._pictures = PictureEncoder(picture, keyframe_every)
        self._sounds = SoundEncoder(sound)
        self._next: int | None = None
        self._keyframe_wanted = False

    def want_keyframe(self) -> None:
        """Let decoding be possible from the next picture on; may be called from any thread."""
        self._keyframe_wanted = True

    def limit_rate(self, bits: int) -> None:
        """Change the bits a second that pictures may take; from the next one on."""
        self._pictures.limit_rate(bits)

    def encode(
        self, tick: Tick, early: Callable[[tuple[CodedSound, ...]], None] | None = None
    ) -> CodedTick:
        """Code the next tick.

        A few that are missing before it become silence, and the last picture stays for longer;
        after more than ``LONGEST_GAP`` both begin anew.

        Args:
            tick: Later than the ones before.
            early: Gets the sound before the picture is coded, which takes ten times as long:
                players wait for sound as long as it is irregular.
        """
        missing = 0 if self._next is None else tick.index - self._next
        if self._next is None or not 0 <= missing <= LONGEST_GAP:
            self._sounds.restart(tick.index)
            self._keyframe_wanted, missing = True, 0
        self._next = tick.index + 1
        packets: list[CodedSound] = []
        if missing:
            packets += self._sounds.encode(np.zeros(missing * TICK_SAMPLES, np.float32))
        packets += self._sounds.encode(tick.sound)
        sound = tuple(packets)
        if early is not None:
            early(sound)
        picture, is_keyframe = self._pictures.encode(tick.image, tick.index, self._keyframe_wanted)
        if is_keyframe:
            self._keyframe_wanted = False
        return CodedTick(tick.index, picture, is_keyframe, sound, self._pictures.size)


class PictureEncoder:
    """RGB pictures into H.264 or VP8, without delay.

    A picture of another size begins a new stream within the stream.
    """

    def __init__(self, codec: PictureCodec, keyframe_every: int) -> None:
        self._codec = codec
        self._keyframe_every = keyframe_every
        self._rate = self._wanted_rate = HIGHEST_RATE
        self._context: Any = None
        self._last_keyframe = -_KEYFRAME_GAP
        self.size = (0, 0)

    def limit_rate(self, bits: int) -> None:
        """Change the bits a second that it may take."""
        self._wanted_rate = min(bits, HIGHEST_RATE)

    def encode(self, image: Picture, index: int, keyframe: bool) -> tuple[bytes, bool]:
        """Code a picture.

        Args:
            image: RGB uint8 (H, W, 3).
            index: Its tick; rises.
            keyframe: Whether decoding should be possible from here; a wish within half a second of
                the last such picture is not granted.

        Returns:
            The coded picture and whether it is a keyframe.
        """
        import av

        height, width = image.shape[0] + image.shape[0] % 2, image.shape[1] + image.shape[1] % 2
        if self._context is None or (width, height) != self.size or self._rate != self._wanted_rate:
            self._open(width, height)
            keyframe = True
        elif keyframe and 0 <= index - self._last_keyframe < _KEYFRAME_GAP:
            keyframe = False
        # The encoder makes its own copy. PyAV reads colours from the wrong place of other heights.
        wrap = av.VideoFrame.from_ndarray if height % 4 else av.VideoFrame.from_numpy_buffer
        frame = wrap(_to_yuv(image), "yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        kind = av.video.frame.PictureType
        frame.pict_type = kind.I if keyframe else kind.NONE
        packets = self._context.encode(frame)
        is_keyframe = any(packet.is_keyframe for packet in packets)
        if is_keyframe:
            self._last_keyframe = index
        return b"".join(bytes(packet) for packet in packets), is_keyframe

    def _open(self, width: int, height: int) -> None:
        import av

        self._rate, self.size = self._wanted_rate, (width, height)
        name = "libx264" if self._codec == "h264" else "libvpx"
        context: Any = av.CodecContext.create(name, "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.framerate, context.time_base = Fraction(FPS), Fraction(1, FPS)
        context.gop_size = self._keyframe_every
        context.thread_count = 1  # two would wait for each other, and the cores are busy anyway
        context.color_range = _LIMITED_RANGE
        context.colorspace = context.color_primaries = context.color_trc = _BT601
        kbits = f"{self._rate // 1000}k"
        if self._codec == "h264":
            context.options = {
                "preset": "superfast", "tune": "zerolatency", "profile": "baseline", "crf": "24",
                "maxrate": kbits, "bufsize": kbits, "forced-idr": "1", "sc_threshold": "0",
            }  # fmt: skip
        else:
            # Constrained quality: a still face takes less than it may.
            context.bit_rate = self._rate * 2 // 3
            context.qmin, context.qmax = 4, 56
            context.options = {
                "deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0", "crf": "18",
                "static-thresh": "1", "maxrate": kbits, "bufsize": kbits,
                "undershoot-pct": "100", "overshoot-pct": "15", "error-resilient": "default",
            }  # fmt: skip
        self._context = context


class SoundEncoder:
    """24 kHz sound into Opus (packets of 20 ms) or AAC (1024 samples).

    Each packet carries the time at which it is to be heard, with the codec's own delay taken off.
    Between turns there is nothing but zeros: once their packets stay the same, the last one is given
    again, and the codec stands still until there is something to code.
    """

    def __init__(self, codec: SoundCodec) -> None:
        self._codec = codec
        self._frame = _FRAME_SAMPLES[codec]
        self._context: Any = None
        self._origin = self._fed = self._spared = 0
        self._last: CodedSound | None = None
        self._alike = 0  # packets of silence like the last one
        self._waiting: Floats = np.zeros(0, np.float32)

    def restart(self, index: int) -> None:
        """Forget what came before; the next samples are those of this tick."""
        import av

        context: Any = av.CodecContext.create("libopus" if self._codec == "opus" else "aac", "w")
        context.sample_rate, context.layout = SAMPLE_RATE, "mono"
        context.format = "flt" if self._codec == "opus" else "fltp"
        context.time_base = Fraction(1, SAMPLE_RATE)
        context.bit_rate = _SOUND_BITS[self._codec]
        if self._codec == "opus":
            context.options = {"application": "voip", "frame_duration": "20"}
        self._context = context
        self._origin, self._fed, self._spared = index * TICK_SAMPLES, 0, 0
        self._last, self._alike = None, 0
        self._waiting = np.zeros(0, np.float32)

    def encode(self, samples: Floats) -> list[CodedSound]:
        """Code float32 (n,) samples that follow the ones before; returns finished packets."""
        self._waiting = np.concatenate([self._waiting, np.asarray(samples, np.float32)])
        whole = len(self._waiting) // self._frame * self._frame
        ready, self._waiting = self._waiting[:whole], self._waiting[whole:]
        packets: list[CodedSound] = []
        for start in range(0, whole, self._frame):
            piece = ready[start : start + self._frame]
            is_silent = not piece.any()
            if is_silent and self._alike >= _SETTLED and self._last is not None:
                coded = [replace(self._last, start=self._last.start + self._frame)]
                self._spared += self._frame
            else:
                coded = self._code(np.clip(np.nan_to_num(piece), -1, 1))
            if is_silent and len(coded) == 1 and self._last is not None:
                self._alike = self._alike + 1 if coded[0].data == self._last.data else 0
            else:
                self._alike = 0
            self._last = coded[-1] if coded else None
            packets += coded
        return packets

    def _code(self, piece: Floats) -> list[CodedSound]:
        import av

        frame = av.AudioFrame.from_ndarray(piece[None], self._context.format.name, "mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, self._fed
        frame.time_base = Fraction(1, SAMPLE_RATE)
        self._fed += self._frame
        return [
            CodedSound(self._origin + self._spared + packet.pts, self._frame, bytes(packet))
            for packet in self._context.encode(frame)
            # What begins before the first sample is the codec running in.
            if packet.pts >= 0
        ]


def _to_yuv(image: Picture) -> Any:
    """RGB (H, W, 3) to planar YUV 4:2:0, BT.601, limited range; three times as fast as swscale."""
    import cv2

    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2YUV_I420)
