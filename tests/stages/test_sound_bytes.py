"""Sound from bytes, in whatever pieces they come."""

import struct

import numpy as np
import pytest
from service_server import tone, wav

from visavis.stages.synthesizers.sound_bytes import GarbledSound, SoundReader

SAMPLES = tone("hello", 24_000, 0.05)
EXPECTED = SAMPLES.astype(np.float32) / 32768


def read(data: bytes, size: int, format: str = "wav") -> tuple[np.ndarray, SoundReader]:
    reader = SoundReader(format, 24_000)  # type: ignore[arg-type]
    parts = [reader.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return np.concatenate([*parts, reader.finish()]), reader


@pytest.mark.parametrize("size", [1, 3, 7, 1_001, 100_000])
@pytest.mark.parametrize("length", [None, 0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_wav_of_known_and_unknown_length_in_any_pieces(size: int, length: int | None) -> None:
    heard, reader = read(wav(SAMPLES, 32_000, length), size)
    np.testing.assert_array_equal(heard, EXPECTED)
    assert reader.rate == 32_000
    assert not reader.is_cut


@pytest.mark.parametrize("size", [1, 5, 16, 999])
def test_raw_sound_in_odd_pieces(size: int) -> None:
    heard, reader = read(SAMPLES.tobytes(), size, "pcm")
    np.testing.assert_array_equal(heard, EXPECTED)
    assert reader.rate == 24_000


def test_raw_sound_of_a_few_bytes() -> None:
    heard, _ = read(SAMPLES[5:8].tobytes(), 2, "pcm")
    np.testing.assert_array_equal(heard, EXPECTED[5:8])


def test_wav_where_raw_sound_was_expected() -> None:
    heard, reader = read(wav(SAMPLES, 16_000), 50, "pcm")
    np.testing.assert_array_equal(heard, EXPECTED)
    assert reader.rate == 16_000


def test_stereo_is_mixed() -> None:
    both = np.stack([SAMPLES, np.zeros_like(SAMPLES)], axis=1)
    heard, _ = read(wav(both), 777)
    np.testing.assert_allclose(heard, EXPECTED / 2, atol=1e-6)


def made(code: int, bits: int, data: bytes, extra: bytes = b"") -> bytes:
    width = bits // 8
    form = struct.pack("<HHIIHH", code, 1, 24_000, 24_000 * width, width, bits) + extra
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"LIST" + struct.pack("<I", 3) + b"abc\0"
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("size", [3, 10_000])
@pytest.mark.parametrize("coding", ["u8", "i24", "i32", "f32", "f64", "extensible"])
def test_codings(coding: str, size: int) -> None:
    wide = np.round(EXPECTED.astype(np.float64) * 2**31).astype("<i4")
    data = {
        "u8": made(1, 8, (np.round(EXPECTED * 127) + 128).astype(np.uint8).tobytes()),
        "i24": made(1, 24, wide.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()),
        "i32": made(1, 32, wide.tobytes()),
        "f32": made(3, 32, EXPECTED.tobytes()),
        "f64": made(3, 64, EXPECTED.astype("<f8").tobytes()),
        "extensible": made(
            0xFFFE, 16, SAMPLES.tobytes(), struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14)
        ),
    }[coding]
    heard, reader = read(data, size)
    np.testing.assert_allclose(heard, EXPECTED, atol=0.01 if coding == "u8" else 1e-6)
    assert not reader.is_cut


def test_broken_numbers_become_silence_and_loud_ones_are_limited() -> None:
    data = np.array([np.nan, np.inf, -np.inf, 5.0, -5.0, 0.5], "<f4")
    heard, _ = read(made(3, 32, data.tobytes()), 100)
    np.testing.assert_array_equal(heard, np.array([0, 0, 0, 1, -1, 0.5], np.float32))


def test_what_follows_the_sound_is_not_heard() -> None:
    footer = b"LIST" + struct.pack("<I", 400) + b"\x7f" * 400
    for size in (1, 10_000):
        heard, reader = read(wav(SAMPLES) + footer, size)
        np.testing.assert_array_equal(heard, EXPECTED)
        assert not reader.is_cut


@pytest.mark.parametrize("size", [1, 13, 100_000])
def test_one_file_after_the_other(size: int) -> None:
    heard, reader = read(wav(SAMPLES) + wav(SAMPLES), size)
    np.testing.assert_array_equal(heard, np.concatenate([EXPECTED, EXPECTED]))
    assert not reader.is_cut


def test_a_rate_that_changes() -> None:
    with pytest.raises(GarbledSound, match="rate changes"):
        read(wav(SAMPLES, 24_000) + wav(SAMPLES, 16_000), 100_000)


@pytest.mark.parametrize("left", [20, 43, 60, 1_000])
def test_a_cut_file_is_known_to_be_cut(left: int) -> None:
    heard, reader = read(wav(SAMPLES)[:left], 100)
    assert reader.is_cut
    np.testing.assert_array_equal(heard, EXPECTED[: max(0, (left - 44) // 2)])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"<!DOCTYPE html><html>busy</html>", "text that begins"),
        (b'{"error": "no such voice"}', "text that begins"),
        (b"OggS" + bytes(60), "Ogg"),
        (b"ID3\x04" + bytes(60), "MP3"),
        (b"fLaC" + bytes(60), "FLAC"),
        (b"RIFF\x00\x00\x00\x00AVI LIST" + bytes(60), "without WAVE"),
        (wav(SAMPLES)[:12] + b"data" + bytes(60), "does not say"),
        (wav(SAMPLES)[:16] + b"\x04\x00\x00\x00" + bytes(60), "too short"),
        (wav(SAMPLES)[:12] + b"junk" + b"\xff\xff\xff\x00" + bytes(60), "does not end"),
        (made(85, 16, bytes(100)), "coding 85"),
        (made(1, 16, bytes(100)).replace(b"\xc0\x5d\x00\x00", bytes(4)), "0 Hz"),
    ],
)
@pytest.mark.parametrize("format", ["wav", "pcm"])
def test_garbage(data: bytes, told: str, format: str) -> None:
    with pytest.raises(GarbledSound, match=told):
        read(data, 10, format)


def test_noise_is_no_wav_file() -> None:
    with pytest.raises(GarbledSound, match="no WAV"):
        read(bytes(range(100, 200)), 9)
