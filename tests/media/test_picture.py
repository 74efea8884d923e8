import contextlib
import io
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from visavis.core.errors import FileUnreadable, OutputUnwritable, PictureUnusable
from visavis.media.picture import read_picture, read_picture_alpha, write_png

COLOURS = [(230, 30, 30), (30, 200, 40), (40, 50, 220), (224, 172, 140)]


def sample(width=160, height=120) -> np.ndarray:
    """Four quarters of different colours: nothing symmetric about it."""
    image = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    image[:top, :left], image[:top, left:] = COLOURS[0], COLOURS[1]
    image[top:, :left], image[top:, left:] = COLOURS[2], COLOURS[3]
    return image


def quarters(picture):
    h, w = picture.shape[:2]
    return [picture[y, x] for y in (h // 4, 3 * h // 4) for x in (w // 4, 3 * w // 4)]


def assert_same(picture, tolerance=0, expected=COLOURS):
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    for found, wanted in zip(quarters(picture), expected, strict=True):
        assert np.abs(found.astype(int) - wanted).max() <= tolerance, (found, wanted)


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.png", {}, 0), ("a.bmp", {}, 0), ("a.tiff", {}, 0), ("a.webp", {"lossless": True}, 0),
        ("a.jpg", {"quality": 95}, 6), ("a.webp", {"quality": 95}, 6), ("a.ppm", {}, 0),
        ("a.tiff", {"compression": "tiff_lzw"}, 0),
    ],
)  # fmt: skip
def test_common_formats(tmp_path, name, options, tolerance):
    Image.fromarray(sample()).save(tmp_path / name, **options)
    assert_same(read_picture(tmp_path / name), tolerance)


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr"])
def test_colour_modes(tmp_path, mode):
    name = "a.png" if mode == "P" else "a.tiff"
    image = Image.fromarray(sample())
    (image.quantize(16) if mode == "P" else image.convert(mode)).save(tmp_path / name)
    assert_same(read_picture(tmp_path / name), 8)


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    Image.fromarray(sample()).convert("CMYK").save(tmp_path / "a.jpg", quality=97)
    assert_same(read_picture(tmp_path / "a.jpg"), 10)


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_sixteen_bits(tmp_path, name):
    deep = sample().astype(np.uint16) * 257
    assert cv2.imwrite(str(tmp_path / name), deep[..., ::-1])
    assert_same(read_picture(tmp_path / name), 1)
    assert cv2.imwrite(str(tmp_path / ("grey" + name)), deep[..., 0])
    read = read_picture(tmp_path / ("grey" + name))
    assert_same(read, 1, [(c[0],) * 3 for c in COLOURS])


def test_grey_bilevel_and_float(tmp_path):
    grey = [(c[1],) * 3 for c in COLOURS]
    Image.fromarray(sample()[..., 1]).save(tmp_path / "a.png")
    assert_same(read_picture(tmp_path / "a.png"), 0, grey)
    Image.fromarray(sample()[..., 1].astype(np.float32) / 255).save(tmp_path / "a.tiff")
    assert_same(read_picture(tmp_path / "a.tiff"), 1, grey)
    Image.fromarray(sample()[..., 0] > 128).save(tmp_path / "b.png")
    assert_same(read_picture(tmp_path / "b.png"), 0, [(255,) * 3, (0,) * 3, (0,) * 3, (255,) * 3])


def test_transparency_shows_the_background_or_is_given_back(tmp_path):
    alpha = np.full((120, 160), 255, np.uint8)
    alpha[:60] = 0
    alpha[60:, :80] = 128
    Image.fromarray(np.dstack([sample(), alpha])).save(tmp_path / "a.png")
    half = tuple(round((c * 128 + 255 * 127) / 255) for c in COLOURS[2])
    assert_same(read_picture(tmp_path / "a.png"), 1, [(255,) * 3, (255,) * 3, half, COLOURS[3]])
    assert_same(
        read_picture(tmp_path / "a.png", background=(0, 0, 0)), 1,
        [(0,) * 3, (0,) * 3, tuple(round(c * 128 / 255) for c in COLOURS[2]), COLOURS[3]],
    )  # fmt: skip
    _, found = read_picture_alpha(tmp_path / "a.png")
    np.testing.assert_array_equal(found, alpha)
    Image.fromarray(np.dstack([sample(), np.full_like(alpha, 255)])).save(tmp_path / "b.png")
    assert read_picture_alpha(tmp_path / "b.png")[1] is None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_every_exif_orientation_is_set_upright(tmp_path, orientation, name):
    store = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),  # shown after a clockwise quarter turn
        7: lambda a: np.rot90(a.transpose(1, 0, 2), 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(store(sample())))
    stored.save(tmp_path / name, exif=exif, **({"quality": 95} if name != "a.png" else {}))
    picture = read_picture(tmp_path / name)
    assert picture.shape == (120, 160, 3)
    assert_same(picture, 8)


@pytest.mark.parametrize("name", ["照片 😀.png", "a:b.png", "http:x.png", "%s.png", "-.png"])
def test_odd_names(tmp_path, name):
    write_png(tmp_path / name, sample())
    assert_same(read_picture(tmp_path / name))


def test_small_pictures_are_refused_with_their_size(tmp_path):
    write_png(tmp_path / "a.png", sample(50, 400))
    with pytest.raises(PictureUnusable, match="50 x 400"):
        read_picture(tmp_path / "a.png")
    write_png(tmp_path / "b.png", sample(64, 64))
    assert read_picture(tmp_path / "b.png").shape == (64, 64, 3)


LARGE = """
import resource, sys
sys.path[:0] = {paths!r}
import PIL.Image, PIL.JpegImagePlugin, PIL.PngImagePlugin, cv2
from visavis.media.picture import read_picture
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
picture = read_picture({path!r})
print(*picture.shape, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(("name", "most_mb"), [("a.jpg", 250), ("a.png", 420)])
def test_fifty_megapixels_are_shrunk_without_filling_the_memory(tmp_path, name, most_mb):
    Image.fromarray(sample(8660, 5774)).save(tmp_path / name)
    code = LARGE.format(paths=[p for p in sys.path if p], path=str(tmp_path / name))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    height, width, _, kilobytes = map(int, run.stdout.split())
    assert (width, height) == (4096, 2731)
    assert kilobytes < most_mb * 1000, f"{kilobytes} kB"


def png_header(width, height):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_bombs_are_refused_before_they_are_decoded(tmp_path):
    (tmp_path / "a.png").write_bytes(png_header(30_000, 30_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PictureUnusable, match="900 megapixels"):
        read_picture(tmp_path / "a.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    assert Image.MAX_IMAGE_PIXELS is not None


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff", "a.bmp"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.8])
def test_cut_off_pictures_are_refused(tmp_path, name, part):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * part)])
    with pytest.raises(FileUnreadable, match=r"complete copy|not a picture"):
        read_picture(tmp_path / name)


def test_damage_never_ends_in_another_error(tmp_path):
    rng = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"):
        stream = io.BytesIO()
        Image.fromarray(sample()).save(stream, kind)
        whole = np.frombuffer(stream.getvalue(), np.uint8)
        for _ in range(25):
            broken = whole.copy()
            where = rng.integers(0, min(len(broken), 400), 8)
            broken[where] = rng.integers(0, 255, 8)
            (tmp_path / "x").write_bytes(broken.tobytes())
            with contextlib.suppress(FileUnreadable, PictureUnusable):
                assert read_picture(tmp_path / "x", smallest_side=1).ndim == 3


@pytest.mark.parametrize("content", [b"not a picture at all", b"\x00" * 5000, b"%PDF-1.7\n..."])
def test_what_is_no_picture_says_so(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(FileUnreadable, match="not a picture"):
        read_picture(tmp_path / "a.jpg")


def test_heic_empty_missing_and_folder(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(500))
    with pytest.raises(FileUnreadable, match="HEIC"):
        read_picture(tmp_path / "a.heic")
    (tmp_path / "e.png").write_bytes(b"")
    with pytest.raises(FileUnreadable, match="empty"):
        read_picture(tmp_path / "e.png")
    with pytest.raises(FileUnreadable, match="no file"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(FileUnreadable, match="folder"):
        read_picture(tmp_path)


def test_write_png_keeps_every_bit_and_refuses_bad_places(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (70, 90, 3), np.uint8)
    write_png(tmp_path / "a.png", noise)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), noise)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(OutputUnwritable):
        write_png(Path("/proc/none/a.png"), noise)
