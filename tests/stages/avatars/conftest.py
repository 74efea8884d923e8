"""Faces of nobody, and videos made of them."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from nobodies import WriteVideo, face_of

from visavis.core.types import Picture
from visavis.models.face_landmarker.predictor import Face
from visavis.stages.avatars import store
from visavis.stages.avatars.reading import Readers, shared_readers


@pytest.fixture(scope="session")
def readers() -> Readers:
    return shared_readers()


@pytest.fixture(scope="session")
def mei() -> Picture:
    return face_of("mei")


@pytest.fixture(scope="session")
def adam() -> Picture:
    return face_of("adam")


@pytest.fixture(scope="session")
def mei_face(mei: Picture, readers: Readers) -> Face:
    face = readers.landmarker.detect(mei)
    assert face is not None
    return face


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a cache of the test's own; the models stay where they are."""
    monkeypatch.setenv("VISAVIS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "cache", lambda: tmp_path / "cache" / "avatars")
    return tmp_path / "home" / "avatars"


@pytest.fixture
def write_video(tmp_path: Path) -> WriteVideo:
    def write(frames: Iterable[Picture], name: str = "video.mp4", fps: int = 25) -> Path:
        import av

        path = tmp_path / name
        with av.open(str(path), "w") as out:
            stream = None
            for i, image in enumerate(frames):
                if stream is None:
                    options = {"crf": "16", "preset": "ultrafast"}
                    stream = out.add_stream("libx264", rate=fps, options=options)
                    stream.height, stream.width = image.shape[:2]
                    stream.pix_fmt = "yuv420p"
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
                frame.pts, frame.time_base = i, Fraction(1, fps)
                out.mux(stream.encode(frame))
            assert stream is not None
            out.mux(stream.encode(None))
        return path

    return write
