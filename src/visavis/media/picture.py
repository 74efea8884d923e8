"""Pictures in and out: whatever a camera, a phone or a scanner writes becomes RGB uint8."""

from __future__ import annotations

import io
import logging
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from visavis.core.errors import FileUnreadable, PictureUnusable
from visavis.core.types import Picture
from visavis.media.files import check_input, finish_or_discard, read_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["read_picture", "read_picture_alpha", "write_png"]

_LOG = logging.getLogger(__name__)

SMALLEST_SIDE = 64
"""Pixels below which there is no face to work with."""
LARGEST_SIDE = 4096
"""Pixels to which larger pictures are shrunk while they are read."""
MOST_PIXELS = 200_000_000
"""Refused above this, before anything is decoded."""
MOST_FILE_BYTES = 1 << 30
BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM")
_OPENING = threading.Lock()

_TURN: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
"""What sets a picture of each EXIF orientation upright."""


def read_picture(
    path: str | Path,
    *,
    background: tuple[int, int, int] = BACKGROUND,
    smallest_side: int = SMALLEST_SIDE,
    largest_side: int = LARGEST_SIDE,
) -> Picture:
    """Read a picture upright, as RGB uint8 (H, W, 3).

    CMYK, grey, 16-bit and palette pictures are converted, colour profiles are not applied, and
    transparent pixels show ``background``. Of an animation the first picture is taken.

    Raises:
        FileUnreadable: Missing, broken, cut off, or not a picture.
        PictureUnusable: A side is shorter than ``smallest_side``, or over 200 megapixels.
    """
    picture, alpha = read_picture_alpha(
        path, smallest_side=smallest_side, largest_side=largest_side
    )
    if alpha is None:
        return picture
    # A row at a time in 16 bits: half a gigabyte less than floats for the largest pictures.
    behind = np.array(background, np.uint16)
    for row, opacity in zip(picture, alpha, strict=True):
        a = opacity[:, None].astype(np.uint16)
        row[:] = (row * a + behind * (255 - a) + 127) // 255
    return picture


def read_picture_alpha(
    path: str | Path, *, smallest_side: int = SMALLEST_SIDE, largest_side: int = LARGEST_SIDE
) -> tuple[Picture, npt.NDArray[np.uint8] | None]:
    """Read a picture and its opacity (H, W) uint8, or None where all is opaque.

    Raises:
        FileUnreadable: Missing, broken, cut off, or not a picture.
        PictureUnusable: A side is shorter than ``smallest_side``, or over 200 megapixels.
    """
    if check_input(path) > MOST_FILE_BYTES:
        raise FileUnreadable(f"{path} is over a gigabyte, so no picture; give a JPEG or PNG")
    data = read_bytes(path)
    with warnings.catch_warnings():  # Pillow warns of odd EXIF blocks and the like
        warnings.simplefilter("ignore")
        return _read(path, data, smallest_side, largest_side)


def write_png(path: str | Path, picture: Picture) -> None:
    """Write RGB uint8 (H, W, 3) without loss. The file appears when it is complete.

    Raises:
        OutputUnwritable: The place is read-only, full or not a folder.
    """
    data = encode_png(picture)
    with finish_or_discard(path) as part:
        part.write_bytes(data)


def encode_png(picture: npt.NDArray[np.uint8]) -> bytes:
    """PNG of RGB (H, W, 3) or grey (H, W) uint8."""
    import cv2

    swapped = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    done, data = cv2.imencode(".png", swapped)
    assert done
    return bytes(data)


def _read(
    path: str | Path, data: bytes, smallest_side: int, largest_side: int
) -> tuple[Picture, npt.NDArray[np.uint8] | None]:
    from PIL import Image

    image = _open(path, data)
    width, height = image.size
    if min(width, height) < smallest_side:
        raise PictureUnusable(
            f"{path} is {width} x {height} pixels; each side needs at least {smallest_side}"
        )
    if width * height > MOST_PIXELS:
        raise PictureUnusable(
            f"{path} has {width * height / 1e6:.0f} megapixels; shrink it below"
            f" {MOST_PIXELS // 1_000_000}"
        )
    try:
        orientation = int(image.getexif().get(0x0112, 1))
    except Exception as error:  # a broken EXIF block is no reason to refuse the picture
        _LOG.debug("%s: EXIF cannot be read: %s", path, error)
        orientation = 1
    try:
        if image.mode in ("P", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
        if max(width, height) > largest_side and not image.mode.startswith(("I", "F")):
            # JPEG is decoded at a fraction of its size here, which is what saves the memory.
            if image.mode == "1":
                image = image.convert("L")
            image.thumbnail(
                (largest_side, largest_side), Image.Resampling.LANCZOS, reducing_gap=2.0
            )
        picture, alpha = _to_rgb(image)
    except MemoryError as error:
        raise PictureUnusable(f"{path} is too large for this machine's memory; shrink it") from (
            error
        )
    except Exception as error:  # Pillow's decoders raise a dozen kinds on damaged files
        _LOG.debug("%s: %s", path, error)
        raise FileUnreadable(
            f"{path} is a damaged or cut off picture; give a complete copy"
        ) from error
    turn = _TURN.get(orientation)
    if turn is not None:
        picture = np.ascontiguousarray(turn(picture))
        alpha = None if alpha is None else np.ascontiguousarray(turn(alpha))
    return picture, alpha


def _open(path: str | Path, data: bytes) -> Image:
    """Read the header only."""
    from PIL import Image, UnidentifiedImageError

    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1"):
        raise FileUnreadable(f"{path} is an HEIC picture, which cannot be read; save it as JPEG")
    try:
        with _OPENING:
            # Pillow's own limit lies below what phones make; ours is checked by the caller.
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                return Image.open(io.BytesIO(data), formats=_FORMATS)
            finally:
                Image.MAX_IMAGE_PIXELS = limit
    except UnidentifiedImageError as error:
        raise FileUnreadable(
            f"{path} is not a picture of a known kind; give a JPEG, PNG, WebP, BMP or TIFF"
        ) from error
    except Exception as error:  # damaged headers
        _LOG.debug("%s: %s", path, error)
        raise FileUnreadable(f"{path} is a damaged picture; give a complete copy") from error


def _to_rgb(image: Image) -> tuple[Picture, npt.NDArray[np.uint8] | None]:
    if image.mode.startswith(("I", "F")):
        return np.repeat(_deep_grey(image)[..., None], 3, axis=2), None
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        both = np.array(image.convert("RGBA"), np.uint8)
        alpha = np.ascontiguousarray(both[..., 3])
        return np.ascontiguousarray(both[..., :3]), None if alpha.min() == 255 else alpha
    return np.array(image.convert("RGB"), np.uint8), None


def _deep_grey(image: Image) -> npt.NDArray[np.uint8]:
    """Grey of 16 bits, 32 bits or floats into 8 bits."""
    import cv2

    values: npt.NDArray[Any] = np.asarray(image)
    longest = max(values.shape)
    if np.issubdtype(values.dtype, np.floating):
        values = np.nan_to_num(values)
        top = 1.0 if values.max(initial=0) <= 1 else max(255.0, float(values.max(initial=1)))
    else:
        # Pillow gives some 16-bit pictures as 32 bits; none of them has 8-bit content.
        top = 65535.0 if values.max(initial=0) <= 65535 else float(values.max())
    if longest > LARGEST_SIDE:
        scale = LARGEST_SIDE / longest
        size = (round(values.shape[1] * scale), round(values.shape[0] * scale))
        values = np.asarray(
            cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        )
    scaled = np.clip(values.astype(np.float32) * (255.0 / top), 0, 255)
    return np.asarray(np.rint(scaled), np.uint8)
