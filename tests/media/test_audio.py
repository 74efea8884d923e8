import itertools
import resource
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.core.errors import (
    AudioSilent,
    AudioTooLong,
    AudioTooShort,
    FileUnreadable,
    NoAudioStream,
    OutputUnwritable,
)
from visavis.core.types import Waveform
from visavis.media.audio import (
    Resampler,
    check_speech,
    clipped_fraction,
    is_silent,
    iterate_audio,
    peak,
    read_audio,
    resample,
    rms_dbfs,
    write_wav,
)
from visavis.media.resampling import output_count


def resident() -> int:
    """Bytes of this process in memory now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def sine(rate: int, seconds: float, hz: float = 440.0, amplitude: float = 0.5) -> Waveform:
    t = np.arange(round(rate * seconds)) / rate
    return Waveform((amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32), rate)


def encode(path, channels, rate, codec, format, layout, container=None):
    """Write channels (C, n) of float32 with FFmpeg."""
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        stream.format = format
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(channels), format="fltp", layout=layout
        )
        frame.sample_rate = rate
        frame.pts = 0
        resampler = av.AudioResampler(
            format=format, layout=layout, rate=rate, frame_size=stream.frame_size or 1024
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))


CODECS = [
    ("a.wav", "pcm_u8", "u8", 8000, "mono", 0.02),
    ("a.wav", "pcm_s16le", "s16", 44100, "stereo", 1e-3),
    ("a.wav", "pcm_s32le", "s32", 192000, "stereo", 1e-3),
    ("a.wav", "pcm_f32le", "flt", 48000, "5.1", 1e-3),
    ("a.wav", "pcm_f64le", "dbl", 96000, "mono", 1e-3),
    ("a.wav", "pcm_alaw", "s16", 8000, "mono", 0.02),
    ("a.flac", "flac", "s16", 24000, "stereo", 1e-3),
    ("a.m4a", "aac", "fltp", 44100, "stereo", 0.03),
    ("a.mp3", "libmp3lame", "fltp", 22050, "mono", 0.03),
    ("a.ogg", "libopus", "flt", 48000, "stereo", 0.03),
    ("a.webm", "libopus", "flt", 48000, "mono", 0.03),
]


@pytest.mark.parametrize(("name", "codec", "format", "rate", "layout", "tolerance"), CODECS)
def test_any_codec_rate_and_layout_becomes_the_same_mono(
    tmp_path, name, codec, format, rate, layout, tolerance
):
    try:
        av.codec.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this FFmpeg cannot write {codec}")
    wanted = sine(rate, 1.0)
    count = av.AudioLayout(layout).nb_channels
    encode(tmp_path / name, np.tile(wanted.samples, (count, 1)), rate, codec, format, layout)
    read = read_audio(tmp_path / name, 16000)
    assert read.sample_rate == 16000
    assert read.samples.dtype == np.float32
    assert abs(len(read.samples) - 16000) <= (0 if tolerance < 0.01 else 0.06 * 16000)
    reference = sine(16000, 1.0).samples
    middle = slice(4000, 12000)
    assert np.abs(read.samples[middle] - reference[middle]).max() < tolerance


def test_low_frequency_channel_is_left_out_and_front_kept(tmp_path):
    rate = 48000
    voice, rumble = sine(rate, 1.0, 1000).samples, sine(rate, 1.0, 40, 0.9).samples
    nothing = np.zeros_like(voice)
    channels = np.stack([nothing, nothing, voice, rumble, nothing, nothing])  # 5.1: FL FR FC LFE
    encode(tmp_path / "a.wav", channels, rate, "pcm_f32le", "flt", "5.1")
    spectrum = np.abs(np.fft.rfft(read_audio(tmp_path / "a.wav", 16000).samples))
    assert spectrum[1000] > 500
    assert spectrum[40] < 1


def test_out_of_range_and_nan_floats_are_tamed(tmp_path):
    samples = np.array([[2.0, -3.0, np.nan, np.inf, 0.5] * 400], np.float32)
    encode(tmp_path / "a.wav", samples, 16000, "pcm_f32le", "flt", "mono")
    read = read_audio(tmp_path / "a.wav", 16000)
    assert np.isfinite(read.samples).all()
    assert peak(read) <= 1.0


@pytest.mark.parametrize(
    "name", ["声音 😀.wav", "a:b.wav", "http:x.wav", "-o.wav", "%03d.wav", "a'b\"c.wav"]
)
def test_odd_names(tmp_path, name):
    write_wav(tmp_path / name, sine(16000, 0.5))
    assert len(read_audio(tmp_path / name).samples) == 8000


def test_write_wav_is_16_bit_and_reads_back(tmp_path):
    tone = sine(24000, 0.25)
    write_wav(tmp_path / "a.wav", tone)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
    read = read_audio(tmp_path / "a.wav", 24000)
    assert np.abs(read.samples - tone.samples).max() < 1e-4


def test_write_wav_clips_and_leaves_no_part(tmp_path):
    write_wav(tmp_path / "a.wav", Waveform(np.array([5, -5, np.nan], np.float32), 16000))
    assert read_audio(tmp_path / "a.wav").samples.tolist() == pytest.approx([1, -1, 0], abs=1e-3)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


def test_write_wav_into_nowhere(tmp_path):
    with pytest.raises(OutputUnwritable, match="not a folder"):
        write_wav(tmp_path / "no" / "a.wav", sine(16000, 0.1))
    with pytest.raises(OutputUnwritable, match="is a folder"):
        write_wav(tmp_path, sine(16000, 0.1))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty"),
        (b"hello, this is a letter\n" * 50, "text|unknown"),
        (bytes(range(256)) * 64, "broken or of a kind unknown"),
        (b"RIFF\x00\x00\x00\x00WAVE", "x"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "unknown"),
    ],
)
def test_what_is_no_sound_file_is_refused(tmp_path, content, match):
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises((FileUnreadable, AudioTooShort), match=match):
        read_audio(tmp_path / "x.wav")


def test_missing_folder_and_impossible_names(tmp_path):
    with pytest.raises(FileUnreadable, match="there is no file"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(FileUnreadable, match="folder"):
        read_audio(tmp_path)
    with pytest.raises(FileUnreadable, match="not a possible"):
        read_audio("a\0b.wav")


def test_a_picture_is_no_sound(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(FileUnreadable, match="picture"):
        read_audio(tmp_path / "a.png")


def test_video_without_sound_says_so(tmp_path):
    with av.open(str(tmp_path / "v.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25, width=64, height=64, pix_fmt="yuv420p")
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(NoAudioStream, match="no sound"):
        read_audio(tmp_path / "v.mp4")


def test_no_samples_is_too_short(tmp_path):
    write_wav(tmp_path / "a.wav", Waveform(np.zeros(0, np.float32), 16000))
    with pytest.raises(AudioTooShort):
        read_audio(tmp_path / "a.wav")


def test_too_long_is_refused_early(tmp_path):
    write_wav(tmp_path / "a.wav", sine(16000, 3.0))
    assert read_audio(tmp_path / "a.wav", max_seconds=3).duration == 3
    with pytest.raises(AudioTooLong, match=r"longer than 2\.5 seconds"):
        read_audio(tmp_path / "a.wav", max_seconds=2.5)


def test_a_truncated_file_gives_what_is_there(tmp_path):
    encode(tmp_path / "a.flac", sine(16000, 2.0).samples[None], 16000, "flac", "s16", "mono")
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "b.flac").write_bytes(data[: len(data) // 2])
    assert 0.4 < read_audio(tmp_path / "b.flac").duration < 1.6


def test_sound_that_begins_after_the_picture_is_padded(tmp_path):
    with av.open(str(tmp_path / "v.mkv"), "w") as out:
        video = out.add_stream("libx264", rate=25, width=64, height=64, pix_fmt="yuv420p")
        sound = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        for i in range(50):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
            frame.pts = i
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        tone = (sine(16000, 1.0).samples * 32767).astype(np.int16)
        for start in range(0, 16000, 1600):
            piece = av.AudioFrame.from_ndarray(tone[None, start : start + 1600], "s16", "mono")
            piece.sample_rate, piece.pts = 16000, 8000 + start
            out.mux(sound.encode(piece))
        out.mux(sound.encode(None))
    read = read_audio(tmp_path / "v.mkv")
    assert abs(len(read.samples) - 24000) <= 16
    assert np.abs(read.samples[:7900]).max() < 1e-3
    assert np.abs(read.samples[8100:9000]).max() > 0.4


def test_chunks_join_to_the_whole_and_offsets_are_exact(tmp_path):
    rng = np.random.default_rng(1)
    write_wav(
        tmp_path / "a.wav", Waveform(rng.uniform(-0.5, 0.5, 44100 * 3).astype(np.float32), 44100)
    )
    whole = read_audio(tmp_path / "a.wav", 16000)
    chunks = list(iterate_audio(tmp_path / "a.wav", 16000, chunk_seconds=0.17))
    assert {len(c.samples) for c in chunks[:-1]} == {round(0.17 * 16000)}
    position = 0
    for chunk in chunks:
        assert chunk.offset == position
        position += len(chunk.samples)
    np.testing.assert_allclose(
        np.concatenate([c.samples for c in chunks]), whole.samples, atol=1e-6
    )


def test_a_long_file_is_read_in_constant_memory(tmp_path):
    with wave.open(str(tmp_path / "long.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        minute = np.zeros(8000 * 60 * 2, "<i2").tobytes()
        for _ in range(30):
            file.writeframes(minute)
    total = 0
    after_a_minute = None
    for chunk in iterate_audio(tmp_path / "long.wav", 16000, chunk_seconds=5):
        total += len(chunk.samples)
        if after_a_minute is None and chunk.offset >= 60 * 16000:
            after_a_minute = resident()
    grown = resident() - after_a_minute
    assert total == 30 * 60 * 16000  # 115 MB as float32
    assert grown < 8_000_000, grown


def test_stopping_early_closes_the_file(tmp_path):
    write_wav(tmp_path / "a.wav", sine(16000, 5.0))
    chunks = iterate_audio(tmp_path / "a.wav", 16000, 0.1)
    assert next(chunks).offset == 0
    chunks.close()
    (tmp_path / "a.wav").unlink()


RATES = [8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000]


@settings(max_examples=40, deadline=None)
@given(
    from_rate=st.sampled_from(RATES),
    to_rate=st.sampled_from(RATES),
    count=st.integers(0, 6000),
    offset=st.integers(0, 10**9),
    cuts=st.lists(st.integers(0, 6000), max_size=8),
)
def test_chunked_resampling_equals_one_shot(from_rate, to_rate, count, offset, cuts):
    samples = np.random.default_rng(count).uniform(-1, 1, count).astype(np.float32)
    whole = resample(Waveform(samples, from_rate, offset), to_rate)
    resampler = Resampler(from_rate, to_rate, offset)
    edges = sorted({0, count, *(min(c, count) for c in cuts)})
    parts = [resampler.feed(samples[a:b]) for a, b in itertools.pairwise(edges)] + [
        resampler.flush()
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole.samples, atol=2e-6)
    end = output_count(offset + count, from_rate, to_rate)
    assert whole.offset == output_count(offset, from_rate, to_rate)
    assert whole.offset + len(whole.samples) == end


@given(frames=st.integers(0, 10**7), from_rate=st.sampled_from(RATES[:-1]))
def test_whole_video_frames_stay_whole(frames, from_rate):
    samples = frames * from_rate // 25 if from_rate % 25 == 0 else None
    assert samples is not None
    assert output_count(samples, from_rate, 48000) == frames * 1920


@pytest.mark.parametrize(
    ("from_rate", "to_rate"),
    [
        (24000, 48000),
        (16000, 48000),
        (44100, 16000),
        (8000, 16000),
        (192000, 16000),
        (47999, 16000),
    ],
)
def test_resampling_keeps_the_wave_and_where_it_is(from_rate, to_rate):
    hz = 0.4 * min(from_rate, to_rate) * 0.5
    converted = resample(sine(from_rate, 2.0, hz), to_rate).samples
    reference = sine(to_rate, 2.0, hz).samples
    middle = slice(to_rate // 2, -to_rate // 2)
    assert len(converted) == len(reference)
    assert np.abs(converted[middle] - reference[middle]).max() < 1e-5


def test_resampling_does_not_alias():
    converted = resample(sine(48000, 1.0, 9500, 1.0), 16000).samples
    assert np.abs(converted[2000:-2000]).max() < 10 ** (-80 / 20)


def test_offset_moves_the_grid_not_the_sound():
    whole = sine(44100, 1.0)
    cut = 12345  # no whole number of samples at 16 kHz
    late = resample(Waveform(whole.samples[cut:], 44100, cut), 16000)
    reference = sine(16000, 1.0).samples[late.offset :]
    assert np.abs(late.samples[300:-300] - reference[300:-300]).max() < 1e-4


def test_levels():
    tone = sine(16000, 1.0, amplitude=1.0)
    assert peak(tone) == pytest.approx(1, abs=1e-3)
    assert rms_dbfs(tone) == pytest.approx(-3.01, abs=0.01)
    nothing = Waveform(np.zeros(100, np.float32), 16000)
    assert rms_dbfs(nothing) == -float("inf")
    empty = Waveform(np.zeros(0, np.float32), 16000)
    assert (peak(empty), clipped_fraction(empty), is_silent(empty)) == (0, 0, True)


def test_clipped_is_told_from_loud():
    assert clipped_fraction(sine(16000, 1.0, 440, 1.0)) == 0.0
    loud = Waveform(np.clip(sine(16000, 1.0, 440, 3.0).samples, -1, 1), 16000)
    assert clipped_fraction(loud) > 0.5


def test_silence_is_found_whatever_its_offset_and_speech_is_kept():
    rng = np.random.default_rng(0)
    hiss = rng.normal(0, 10 ** (-70 / 20), 48000).astype(np.float32)
    assert is_silent(Waveform(hiss + 0.1, 16000))
    click = np.zeros(160000, np.float32)
    click[-900:] = 0.02 * np.sin(np.arange(900))
    assert not is_silent(Waveform(click, 16000))


def test_check_speech():
    check_speech(sine(16000, 0.2))
    with pytest.raises(AudioTooShort, match=r"0\.05 seconds"):
        check_speech(sine(16000, 0.05))
    with pytest.raises(AudioSilent, match="silent"):
        check_speech(Waveform(np.zeros(16000, np.float32), 16000))
