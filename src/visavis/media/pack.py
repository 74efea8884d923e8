"""An avatar as one file: a zip, stored, of what is compressed already.

=============== ================================================================================
avatar.json     format and version, name, size, voice, info
frame.png       a portrait's picture, lossless; or
frames.mp4      a video's, H.264 4:4:4 at crf 10: about 45 dB, 0.8 MB a second at 720x1280
matte.png       opacity of the portrait; or
mattes.mp4      of the video, lossless H.264 in grey; neither where all is foreground
track.npz       the arrays of the face track, float32
=============== ================================================================================

Nothing of a pack is ever unpacked into the file system, pickled or run.
"""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from visavis.core.errors import FileUnreadable
from visavis.core.types import FPS, Avatar, FaceTrack, Picture
from visavis.media.files import finish_or_discard, unreadable
from visavis.media.picture import encode_png

__all__ = ["load_avatar", "read_avatar_info", "read_avatar_preview", "save_avatar"]

_LOG = logging.getLogger(__name__)

SUFFIX = ".avatar"
FORMAT = "visavis avatar"
VERSION = 1
MOST_BYTES = 4 << 30
"""Decoded frames, mattes and track together; 4 GiB are a minute at 720x1280."""

_JSON_BYTES = 1 << 20
_CRF = "10"
_MATRIX = 1
"""BT.709, as ``av.video.reformatter.Colorspace`` numbers it."""
_REQUIRED = ("boxes", "landmarks", "scores", "to_crop")
_OPTIONAL = ("blendshapes", "pose")


def save_avatar(path: str | Path, avatar: Avatar) -> None:
    """Write a pack. The file appears when it is complete; the same avatar gives the same bytes.

    Raises:
        OutputUnwritable: The place is read-only, full or not a folder.
    """
    frames, mattes = avatar.frames, avatar.mattes
    about = {
        "format": FORMAT,
        "version": VERSION,
        "name": avatar.name,
        "count": len(frames),
        "height": frames.shape[1],
        "width": frames.shape[2],
        "fps": FPS,
        "has_mattes": mattes is not None,
        "voice": dict(avatar.voice),
        "info": dict(avatar.info),
    }
    entries = {"avatar.json": json.dumps(about, ensure_ascii=False, indent=1).encode()}
    if avatar.is_portrait:
        entries["frame.png"] = encode_png(frames[0])
        if mattes is not None:
            entries["matte.png"] = encode_png(mattes[0])
    else:
        entries["frames.mp4"] = _encode(frames, "rgb24", "yuv444p", {"crf": _CRF})
        if mattes is not None:
            entries["mattes.mp4"] = _encode(mattes, "gray", "gray", {"qp": "0"})
    entries["track.npz"] = _pack_track(avatar.track)
    with finish_or_discard(path) as part, zipfile.ZipFile(part, "w") as pack:
        for name, data in entries.items():
            pack.writestr(zipfile.ZipInfo(name), data)  # stored, dated 1980


def load_avatar(path: str | Path, most_bytes: int = MOST_BYTES) -> Avatar:
    """Read a pack whole: every frame is decoded to uint8, 2.8 MB each at 720x1280.

    Raises:
        FileUnreadable: Missing, damaged, of a newer version, no pack, or over ``most_bytes``.
    """
    with _Pack(path) as pack:
        about = pack.about
        count, height, width = about["count"], about["height"], about["width"]
        channels = 4 if about["has_mattes"] else 3
        if count * height * width * channels > most_bytes:
            raise FileUnreadable(
                f"{path} would fill {count * height * width * channels / 2**30:.1f} GiB of memory;"
                " make the avatar from a shorter or smaller video"
            )
        frames: npt.NDArray[np.uint8]
        mattes: npt.NDArray[np.uint8] | None = None
        if count == 1:
            frames = pack.picture("frame.png", (height, width, 3))[None]
            if about["has_mattes"]:
                mattes = pack.picture("matte.png", (height, width))[None]
        else:
            frames = pack.video("frames.mp4", (count, height, width, 3), most_bytes)
            if about["has_mattes"]:
                mattes = pack.video("mattes.mp4", (count, height, width), most_bytes)
        track = pack.track("track.npz", count, most_bytes)
    return Avatar(about["name"], frames, track, mattes, voice=about["voice"], info=about["info"])


def read_avatar_info(path: str | Path) -> dict[str, Any]:
    """The pack's ``avatar.json``, without decoding anything.

    Raises:
        FileUnreadable: Missing, damaged, of a newer version, or no pack.
    """
    with _Pack(path) as pack:
        return pack.about


def read_avatar_preview(path: str | Path) -> Picture:
    """The first frame, (H, W, 3).

    Raises:
        FileUnreadable: Missing, damaged, of a newer version, or no pack.
    """
    with _Pack(path) as pack:
        height, width = pack.about["height"], pack.about["width"]
        if pack.about["count"] == 1:
            return pack.picture("frame.png", (height, width, 3))
        first: Picture = pack.video("frames.mp4", (1, height, width, 3), MOST_BYTES)[0]
        return first


class _Pack:
    """An open pack, whose every trouble is a FileUnreadable."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise FileUnreadable(f"{path} is no avatar pack, or a damaged one") from error
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error

    def __enter__(self) -> _Pack:
        try:
            self.about = self._about()
        except BaseException:
            self._zip.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def _about(self) -> dict[str, Any]:
        try:
            about = json.loads(self._read("avatar.json", _JSON_BYTES))
        except ValueError as error:
            raise self._damaged("avatar.json is not JSON") from error
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            raise FileUnreadable(f"{self.path} is a zip, but no avatar pack")
        version = about.get("version")
        if not isinstance(version, int) or version > VERSION:
            raise FileUnreadable(
                f"{self.path} has pack version {version}, this program knows up to {VERSION};"
                " update visavis or make the avatar again"
            )
        sizes = [about.get(key) for key in ("count", "height", "width")]
        whole = all(type(n) is int and 0 < n < 1 << 20 for n in sizes)
        mappings = isinstance(about.get("voice"), dict) and isinstance(about.get("info"), dict)
        if not whole or not mappings or not isinstance(about.get("name"), str):
            raise self._damaged("avatar.json lacks a field")
        about["has_mattes"] = bool(about.get("has_mattes"))
        return about

    def picture(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        import cv2

        data = np.frombuffer(self._read(name, MOST_BYTES), np.uint8)
        grey = len(shape) == 2
        try:
            image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
        except cv2.error as error:
            raise self._damaged(name) from error
        if image is None or image.shape != shape:
            raise self._damaged(name)
        return np.asarray(image if grey else cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    def video(self, name: str, shape: tuple[int, ...], most_bytes: int) -> npt.NDArray[np.uint8]:
        frames = np.empty(shape, np.uint8)
        count = 0
        for image in _decode(self._read(name, most_bytes), grey=len(shape) == 3):
            if image.shape != shape[1:]:
                raise self._damaged(name)
            frames[count] = image
            count += 1
            if count == len(frames):
                return frames
        raise self._damaged(f"{name} ends after {count} of {len(frames)} frames")

    def track(self, name: str, count: int, most_bytes: int) -> FaceTrack:
        data = self._read(name, most_bytes)
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as inner:
                if sum(entry.file_size for entry in inner.infolist()) > most_bytes:
                    raise self._damaged(f"{name} is too large")
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                read = {
                    key: np.asarray(arrays[key], np.float32)
                    for key in (*_REQUIRED, *_OPTIONAL)
                    if key in arrays or key in _REQUIRED
                }
        except (zipfile.BadZipFile, ValueError, KeyError, OSError, EOFError) as error:
            raise self._damaged(name) from error
        landmarks = read["landmarks"].shape
        wanted = {
            "boxes": (count, 4),
            "landmarks": (count, *landmarks[1:]),
            "scores": (count,),
            "to_crop": (count, 2, 3),
            "blendshapes": (count, 52),
            "pose": (count, 3),
        }
        if len(landmarks) != 3 or any(a.shape != wanted[key] for key, a in read.items()):
            raise self._damaged(f"{name} does not fit the frames")
        return FaceTrack(**read)

    def _read(self, name: str, most: int) -> bytes:
        try:
            if self._zip.getinfo(name).file_size > most:
                raise self._damaged(f"{name} is too large")
            return self._zip.read(name)
        except KeyError as error:
            raise self._damaged(f"{name} is missing") from error
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise self._damaged(name) from error
        except OSError as error:
            raise unreadable(self.path, error) from error

    def _damaged(self, what: str) -> FileUnreadable:
        return FileUnreadable(
            f"the avatar pack {self.path} is damaged ({what}); make or copy it again"
        )


def _pack_track(track: FaceTrack) -> bytes:
    arrays: dict[str, Any] = {k: getattr(track, k) for k in (*_REQUIRED, *_OPTIONAL)}
    present: dict[str, Any] = {
        k: np.asarray(a, np.float32) for k, a in arrays.items() if a is not None
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, **present)
    return stream.getvalue()


def _encode(
    pictures: Iterable[npt.NDArray[np.uint8]], source: str, stored: str, options: dict[str, str]
) -> bytes:
    """H.264 in an MP4 in memory."""
    import av
    from av.video.reformatter import VideoReformatter

    swscale = VideoReformatter()
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4", container_options={"fflags": "+bitexact"}) as out:
        settings = {"preset": "veryfast", "bf": "0", "threads": "2", **options}
        video: Any = None
        for i, picture in enumerate(pictures):
            if video is None:
                video = out.add_stream("libx264", rate=FPS, options=settings)
                video.height, video.width = picture.shape[:2]
                video.pix_fmt = stored
                video.gop_size = FPS
                video.codec_context.time_base = Fraction(1, FPS)
                if stored != source:
                    context = video.codec_context
                    context.color_range = context.colorspace = 1  # limited, BT.709
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), source)
            if stored != source:
                frame = swscale.reformat(
                    frame, format=stored, dst_colorspace=_MATRIX, dst_color_range="MPEG"
                )
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return stream.getvalue()


def _decode(data: bytes, *, grey: bool) -> Iterator[npt.NDArray[np.uint8]]:
    """Frames of an MP4 in memory; ends early where it is damaged."""
    import av
    from av.video.reformatter import VideoReformatter

    swscale = VideoReformatter()
    try:
        with av.open(
            io.BytesIO(data), "r", format="mp4", container_options={"protocol_whitelist": "none"}
        ) as file:
            stream = file.streams.video[0]
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = 2
            for frame in file.decode(stream):
                if grey:
                    # Decoders give grey as such or as luma with empty colour planes.
                    luma = frame.planes[0]
                    rows = np.frombuffer(bytes(luma), np.uint8).reshape(-1, luma.line_size)
                    yield rows[: frame.height, : frame.width]
                else:
                    rgb = swscale.reformat(frame, format="rgb24", src_colorspace=_MATRIX)
                    yield np.asarray(rgb.to_ndarray(), np.uint8)
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        _LOG.debug("a video in a pack: %s", error)
