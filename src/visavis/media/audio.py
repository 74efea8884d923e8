"""Sound files in and out, levels, and whether there is anything to hear.

Whatever FFmpeg reads is read; inside visavis all sound is float32 mono in [-1, 1].
"""

from __future__ import annotations

import contextlib
import wave
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from visavis.core.errors import (
    AudioSilent,
    AudioTooLong,
    AudioTooShort,
    FileUnreadable,
    NoAudioStream,
)
from visavis.core.types import Floats, Waveform
from visavis.media.container import decode_frames, find_video, open_input
from visavis.media.files import finish_or_discard
from visavis.media.resampling import Resampler, resample

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

__all__ = [
    "Resampler",
    "check_speech",
    "clipped_fraction",
    "is_silent",
    "iterate_audio",
    "peak",
    "read_audio",
    "resample",
    "rms_dbfs",
    "write_wav",
]

SHORTEST_SPEECH = 0.1
"""Seconds below which no word can be heard."""
SILENCE_DBFS = -60.0
"""Loudest 50 ms below this is silence: 16-bit dither and idle microphones are quieter."""

_GAP = Fraction(1, 10)
"""Seconds without packets that are filled with silence (pauses of voice chats are not sent)."""
_LONGEST_GAP = 600
"""Seconds beyond which a jump of the timestamps is taken for damage, not for a pause."""
_MIX = {"FL": 0.71, "FR": 0.71, "FC": 1.0, "LFE": 0.0, "LFE2": 0.0}
_MIX_SURROUND = 0.5


def read_audio(
    path: str | Path, sample_rate: int = 16000, max_seconds: float | None = None
) -> Waveform:
    """Read all sound of an audio or video file.

    Two hours at 16 kHz take 460 MB; use ``iterate_audio`` where that is too much.

    Args:
        path: Any container and codec that FFmpeg knows, any rate and channel layout.
        sample_rate: Hz of the result.
        max_seconds: Refuse what is longer.

    Raises:
        FileUnreadable: Missing, broken, or neither sound nor video.
        NoAudioStream: A video without sound.
        AudioTooShort: No sample in it.
        AudioTooLong: Longer than ``max_seconds``.
    """
    limit = None if max_seconds is None else round(max_seconds * sample_rate)
    collected = bytearray()  # grows in place, where a list of chunks would need the memory twice
    count = 0
    with contextlib.closing(iterate_audio(path, sample_rate, chunk_seconds=10.0)) as chunks:
        for chunk in chunks:
            count += len(chunk.samples)
            if limit is not None and count > limit:
                raise AudioTooLong(
                    f"{path} is longer than {max_seconds:g} seconds, the limit here; shorten it"
                )
            collected += chunk.samples.tobytes()
    return Waveform(np.frombuffer(collected, np.float32), sample_rate)


def iterate_audio(
    path: str | Path, sample_rate: int = 16000, chunk_seconds: float = 1.0
) -> Generator[Waveform, None, None]:
    """Read sound in chunks of equal length (the last is shorter), in constant memory.

    Chunks follow one another without gap: ``offset`` of each is the end of the one before. Time 0
    is the file's beginning: where a video's sound begins later than its picture, or pauses,
    silence stands in, so that both stay together.

    Raises:
        FileUnreadable: Missing, broken, or neither sound nor video.
        NoAudioStream: A video without sound.
        AudioTooShort: No sample in it.
    """
    size = max(1, round(chunk_seconds * sample_rate))
    waiting: list[Floats] = []
    have = offset = 0
    for part in _resampled(path, sample_rate):
        waiting.append(part)
        have += len(part)
        if have < size:
            continue
        joined = np.concatenate(waiting)
        whole = have // size * size
        for start in range(0, whole, size):
            yield Waveform(joined[start : start + size].copy(), sample_rate, offset)
            offset += size
        waiting, have = [joined[whole:]], have - whole
    if have:
        yield Waveform(np.concatenate(waiting), sample_rate, offset)
    elif offset == 0:
        raise AudioTooShort(f"{path} has no sound in it (0 seconds); give a longer recording")


def write_wav(path: str | Path, waveform: Waveform) -> None:
    """Write 16-bit PCM. The file appears when it is complete.

    Raises:
        OutputUnwritable: The place is read-only, full or not a folder.
    """
    samples = np.nan_to_num(waveform.samples.astype(np.float32, copy=False))
    pcm = np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2")
    with finish_or_discard(path) as part, part.open("wb") as file, wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(waveform.sample_rate)
        out.writeframes(pcm.tobytes())


def peak(waveform: Waveform) -> float:
    """Largest magnitude of a sample; 0 for no samples."""
    return float(np.abs(waveform.samples).max(initial=0.0))


def rms_dbfs(waveform: Waveform) -> float:
    """Level in dB below a full-scale square wave; -inf for digital silence."""
    if not len(waveform.samples):
        return -float("inf")
    power = float(np.mean(np.square(waveform.samples, dtype=np.float64)))
    return 10 * float(np.log10(power)) if power > 0 else -float("inf")


def clipped_fraction(waveform: Waveform, level: float = 0.999) -> float:
    """Share of samples, 0..1, in runs of three or more at the limits: a clipped recording.

    One or two samples at full scale are a normalised recording, not a clipped one.
    """
    if not len(waveform.samples):
        return 0.0
    at_limit = np.abs(waveform.samples) >= level
    edges = np.flatnonzero(np.diff(np.concatenate([[0], at_limit.view(np.int8), [0]])))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= 3].sum() / len(at_limit))


def is_silent(waveform: Waveform, threshold_dbfs: float = SILENCE_DBFS) -> bool:
    """Whether no 50 ms of it are louder than the threshold. A constant offset is silence too."""
    samples = waveform.samples
    if not len(samples):
        return True
    window = max(1, waveform.sample_rate // 20)
    loudest = 0.0
    for start in range(0, len(samples), window * 1200):  # a minute at a time
        part = samples[start : start + window * 1200].astype(np.float64)
        whole = len(part) // window * window
        rows = part[:whole].reshape(-1, window)
        if len(rows):
            loudest = max(loudest, float(rows.var(axis=1).max()))
        if whole < len(part):
            loudest = max(loudest, float(part[whole:].var()))
    return loudest <= 10 ** (threshold_dbfs / 10)


def check_speech(waveform: Waveform, shortest: float = SHORTEST_SPEECH) -> None:
    """Refuse what cannot be speech.

    Raises:
        AudioTooShort: Under ``shortest`` seconds.
        AudioSilent: Nothing louder than ``SILENCE_DBFS``.
    """
    if waveform.duration < shortest:
        raise AudioTooShort(
            f"the sound is {waveform.duration:.2f} seconds long; speech needs at least"
            f" {shortest:g} seconds"
        )
    if is_silent(waveform):
        raise AudioSilent(
            "the recording is silent; check the microphone or the input level and record again"
        )


def _resampled(path: str | Path, sample_rate: int) -> Iterator[Floats]:
    """Decode, mix, place in time and convert the rate."""
    with open_input(path) as container:
        stream = _audio_stream(path, container)
        resampler: Resampler | None = None
        waiting: list[Floats] = []  # packets may be 10 ms; converting half a second costs no more
        have = 0
        for samples, rate in _placed(path, container, stream):
            if resampler is None or resampler.from_rate != rate:
                if resampler is not None:  # the rate changes in the middle of some broadcasts
                    if waiting:
                        yield resampler.feed(np.concatenate(waiting))
                    yield resampler.flush()
                resampler, waiting, have = Resampler(rate, sample_rate), [], 0
            waiting.append(samples)
            have += len(samples)
            if have * 2 >= rate:
                yield resampler.feed(np.concatenate(waiting))
                waiting, have = [], 0
        if resampler is not None:
            if waiting:
                yield resampler.feed(np.concatenate(waiting))
            yield resampler.flush()


def _audio_stream(path: str | Path, container: InputContainer) -> AudioStream:
    if container.streams.audio:
        best = container.streams.best("audio")
        stream: Any = best if best is not None else container.streams.audio[0]
        if stream.codec_context is None:
            raise FileUnreadable(f"{path} has sound in a coding unknown here; convert it to WAV")
        found: AudioStream = stream
        return found
    if find_video(container) is not None:
        raise NoAudioStream(f"{path} has a picture and no sound; give a file that has sound")
    raise FileUnreadable(f"{path} is not a sound file ({container.format.name}); give one")


def _placed(
    path: str | Path, container: InputContainer, stream: AudioStream
) -> Iterator[tuple[Floats, int]]:
    """Decoded sound with silence where timestamps say that nothing was sent."""
    moving = find_video(container) is not None
    origin = Fraction(container.start_time or 0, 1_000_000) if moving else None
    end = _end(container, stream)
    played = Fraction(0)
    frame: AudioFrame
    for frame in decode_frames(path, container, stream):
        rate = frame.sample_rate
        mono = mix_to_mono(frame)
        if frame.pts is not None and frame.time_base is not None:
            time = Fraction(frame.pts) * frame.time_base
            if origin is None:
                origin = time
            gap = time - origin - played
            threshold = _GAP if played else Fraction(0)
            if threshold < gap <= _LONGEST_GAP:
                silence = round(gap * rate)
                for start in range(0, silence, rate):
                    yield np.zeros(min(rate, silence - start), np.float32), rate
                played += Fraction(silence, rate)
            elif gap > _LONGEST_GAP or gap < -_GAP:
                origin = time - played
            if end is not None:
                mono = mono[: max(0, round((end - time) * rate))]
        yield mono, rate
        played += Fraction(len(mono), rate)


def _end(container: InputContainer, stream: AudioStream) -> Fraction | None:
    """Where the sound ends by the container's word, in seconds.

    MP4 knows it to the sample; what the last packet decodes to beyond is the encoder's padding.
    """
    if "mp4" not in container.format.name or not stream.duration or stream.time_base is None:
        return None
    return (Fraction(stream.start_time or 0) + stream.duration) * stream.time_base


def mix_to_mono(frame: AudioFrame) -> Floats:
    """Turn a decoded frame of any sample format and layout into float32 (n,) in [-1, 1].

    Front channels count for more than surround ones and the low-frequency channel for nothing; the
    weights sum to 1, so that nothing clips.
    """
    array: npt.NDArray[Any] = frame.to_ndarray()
    names = [channel.name for channel in frame.layout.channels]
    if not frame.format.is_planar:
        array = array.reshape(-1, len(names)).T
    kind = array.dtype
    floats: npt.NDArray[Any]
    if kind == np.uint8:
        floats = (array.astype(np.float32) - 128) / 128
    elif np.issubdtype(kind, np.integer):
        floats = array.astype(np.float32) / -float(np.iinfo(kind).min)
    else:
        floats = np.nan_to_num(array.astype(np.float32, copy=False), posinf=0.0, neginf=0.0)
    if len(floats) == 1:
        mono = floats[0]
    else:
        weights = np.array([_MIX.get(n, _MIX_SURROUND) for n in names], np.float32)
        if not weights.any():
            weights[:] = 1
        mono = (weights / weights.sum()) @ floats
    return np.clip(np.asarray(mono, np.float32), -1.0, 1.0)
