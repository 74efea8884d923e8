import errno
import os
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import FileUnreadable, OutputUnwritable
from visavis.core.types import Segment, VideoFrame, Waveform
from visavis.media.audio import read_audio, write_wav
from visavis.media.files import finish_or_discard, read_bytes, unreadable, unwritable
from visavis.media.picture import read_picture, write_png
from visavis.media.video import VideoWriter, read_video


def test_the_file_appears_whole_or_not_at_all(tmp_path):
    with finish_or_discard(tmp_path / "a") as part:
        part.write_bytes(b"new")
        assert not (tmp_path / "a").exists()
        assert part.parent == tmp_path
        assert part.suffix == ".part"
    assert (tmp_path / "a").read_bytes() == b"new"

    def fail():
        with finish_or_discard(tmp_path / "a") as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_two_writers_of_one_name_do_not_mix(tmp_path):
    with finish_or_discard(tmp_path / "a") as one, finish_or_discard(tmp_path / "a") as two:
        assert one != two
        one.write_bytes(b"1")
        two.write_bytes(b"2")
    assert (tmp_path / "a").read_bytes() == b"1"  # the one that ended last


def test_the_file_gets_the_usual_rights(tmp_path):
    with finish_or_discard(tmp_path / "a") as part:
        part.write_bytes(b"")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "file")
    with finish_or_discard(tmp_path / "link") as part:
        part.write_bytes(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").read_bytes() == b"new"


def test_a_device_is_never_renamed_over():
    with pytest.raises(OutputUnwritable, match="device"), finish_or_discard("/dev/null"):
        pass
    assert Path("/dev/null").is_char_device()


def test_a_full_device_is_a_full_disk(tmp_path):
    def write():
        with finish_or_discard(tmp_path / "a") as part, Path("/dev/full").open("wb") as full:
            part.write_bytes(b"x")
            full.write(b"x" * 100_000)

    with pytest.raises(OutputUnwritable, match="disk is full"):
        write()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("read", [read_bytes, read_audio, read_picture])
def test_devices_and_pipes_are_refused_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(FileUnreadable, match="device or a pipe"):
            read(path)


def test_every_trouble_has_its_own_sentence():
    codes = [errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EACCES, errno.ENOENT, errno.EISDIR,
             errno.ENAMETOOLONG, errno.EIO]  # fmt: skip
    said = {str(unwritable("/x/a.mp4", OSError(code, os.strerror(code)))) for code in codes}
    assert len(said) == len(codes)
    assert all("\n" not in line and "[Errno" not in line for line in said)
    codes = [errno.ENOENT, errno.EISDIR, errno.EACCES, errno.EIO]
    assert len({str(unreadable("/x", OSError(c, os.strerror(c)))) for c in codes}) == len(codes)


def test_names_that_are_no_unicode_work(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff\xfe")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has Unicode names only")
    tone = Waveform(np.full(1600, 0.1, np.float32), 16000)
    write_wav(folder / "a.wav", tone)
    assert read_audio(folder / "a.wav").duration == pytest.approx(0.1)
    image = np.zeros((64, 64, 3), np.uint8)
    with VideoWriter(folder / "a.mp4") as writer:
        writer.write(Segment(0, Waveform(tone.samples[:640], 16000), (VideoFrame(image, 0),)))
    assert len(list(read_video(folder / "a.mp4"))) == 1
    write_png(folder / "a.png", image)
    assert read_picture(folder / "a.png").shape == image.shape
