import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from visavis.core.errors import (
    Cancelled,
    FileUnreadable,
    NoVideoStream,
    OutputUnwritable,
    StageError,
)
from visavis.core.types import Segment, VideoFrame, Waveform
from visavis.media.audio import read_audio, write_wav
from visavis.media.video import VideoWriter, probe, read_video


def resident() -> int:
    """Bytes of this process in memory now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def segments(frames: int, rate: int = 24000, size=(64, 64), step: int = 5, flash_every: int = 0):
    """Grey frames that brighten, and a beep with each white flash."""
    height, width = size
    for start in range(0, frames, step):
        count = min(step, frames - start)
        samples = np.zeros(count * rate // 25, np.float32)
        pictures = []
        for i in range(start, start + count):
            value = 40 + i % 100
            if flash_every and i % flash_every == 0:
                value = 255
                begin = (i - start) * rate // 25
                t = np.arange(rate // 25) / rate
                samples[begin : begin + rate // 25] = 0.8 * np.sin(2 * np.pi * 1000 * t)
            pictures.append(VideoFrame(np.full((height, width, 3), value, np.uint8), i))
        audio = Waveform(samples, rate, start * rate // 25)
        yield Segment(0, audio, tuple(pictures))


def write(path, frames=75, **options):
    settings = {k: options.pop(k) for k in ("rate", "size", "step", "flash_every") if k in options}
    with VideoWriter(path, **options) as writer:
        for segment in segments(frames, **settings):
            writer.write(segment)
    return path


def decode(path, **options):
    """Frames' times and brightness, and the sound with its first time, as a player gets them."""
    with av.open(str(path), options=options) as file:
        times, lights, sound, first = [], [], [], None
        for frame in file.decode(file.streams.video[0], file.streams.audio[0]):
            if isinstance(frame, av.VideoFrame):
                times.append(frame.time)
                lights.append(float(np.mean(frame.to_ndarray(format="gray"))))
            else:
                first = frame.time if first is None else first
                sound.append(frame.to_ndarray()[0])
    return np.array(times), np.array(lights), np.concatenate(sound), first


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
def test_sound_and_picture_begin_and_end_together(tmp_path, rate):
    path = write(tmp_path / "a.mp4", 75, rate=rate)
    info = probe(path)
    assert info.video_duration == pytest.approx(3.0, abs=1e-3)
    assert info.audio_duration == pytest.approx(3.0, abs=1e-3)
    times, _, sound, first = decode(path)
    assert len(times) == 75
    assert times[0] == 0
    assert first == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-6)
    assert 0 <= len(sound) / 48000 - 3.0 < 0.04  # what AAC pads is less than a frame
    assert len(read_audio(path, 48000).samples) == 144_000


def test_flashes_and_beeps_stay_together(tmp_path):
    path = write(tmp_path / "a.mp4", 250, rate=24000, flash_every=50, size=(128, 128))
    times, lights, sound, _ = decode(path)
    flashes = times[lights > 220]
    np.testing.assert_allclose(flashes, [0, 2, 4, 6, 8], atol=1e-6)
    loud = np.abs(sound).reshape(-1, 64).max(axis=1) > 0.3
    begins = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int)])) == 1) * 64 / 48000
    np.testing.assert_allclose(begins, flashes, atol=0.005)


def test_players_that_ignore_edit_lists_are_within_a_frame_too(tmp_path):
    path = write(tmp_path / "a.mp4", 250, flash_every=50)
    times, lights, sound, first = decode(path, ignore_editlist="1")
    loud = np.abs(sound) > 0.3
    assert abs((first + loud.argmax() / 48000) - times[lights.argmax()]) < 0.04


def test_segments_of_several_rates_join_exactly(tmp_path):
    with VideoWriter(tmp_path / "a.mp4") as writer:
        for rate in (24000, 16000, 48000, 22050, 24000):
            for segment in segments(25, rate=rate, flash_every=25):
                writer.write(segment)
        assert writer.duration == 5.0
    times, lights, sound, _ = decode(tmp_path / "a.mp4")
    assert len(times) == 125
    for second in range(5):
        beep = np.abs(sound[second * 48000 :][:1920]).max()
        rest = np.abs(sound[second * 48000 + 2400 :][:40000]).max()
        assert beep > 0.4
        assert rest < 0.05
        assert lights[second * 25] > 220


def test_it_is_h264_high_yuv420p_and_aac_with_the_index_first(tmp_path):
    path = write(tmp_path / "a.mp4")
    with av.open(str(path)) as file:
        video, audio = file.streams.video[0], file.streams.audio[0]
        assert video.codec_context.name == "h264"
        assert video.codec_context.profile == "High"
        assert video.codec_context.pix_fmt == "yuv420p"
        assert video.average_rate == 25
        assert (audio.codec_context.name, audio.codec_context.profile) == ("aac", "LC")
        assert (audio.sample_rate, audio.channels) == (48000, 1)
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_the_file_says_that_it_is_generated(tmp_path):
    path = write(tmp_path / "a.mp4", 5, metadata={"title": "答案"})
    info = probe(path)
    assert info.metadata["title"] == "答案"
    assert "AI generated" in info.metadata["comment"]
    stated = json.loads(info.metadata["description"])
    assert stated["ai_generated"] is True
    assert stated["AIGC"]["Label"] == "1"
    assert info.is_ai_generated
    assert not probe(write(tmp_path / "b.mp4", 5, generated=False)).is_ai_generated


def test_colours_come_back(tmp_path):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (224, 172, 140), (0, 0, 0), (255, 255, 255)]
    image = np.repeat(np.array(colours, np.uint8)[None], 64, axis=0).repeat(64, axis=1)
    with VideoWriter(tmp_path / "a.mp4", crf=10) as writer:
        writer.write(
            Segment(0, Waveform(np.zeros(960, np.float32), 24000), (VideoFrame(image, 0),))
        )
    read = next(read_video(tmp_path / "a.mp4")).image
    for i, colour in enumerate(colours):
        assert np.abs(read[32, i * 64 + 32].astype(int) - colour).max() <= 4


@pytest.mark.parametrize("size", [(65, 64), (64, 67), (33, 35)])
def test_odd_sizes_are_padded(tmp_path, size):
    info = probe(write(tmp_path / "a.mp4", 5, size=size))
    assert (info.height, info.width) == (size[0] + size[0] % 2, size[1] + size[1] % 2)


@pytest.mark.parametrize(
    "name", ["答案 😀.mp4", "a:b.mp4", "http:x.mp4", "-o.mp4", "%03d.mp4", "n" * 251 + ".mp4"]
)
def test_odd_names(tmp_path, name):
    write(tmp_path / name, 5)
    assert probe(tmp_path / name).frames == 5
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("error", [KeyboardInterrupt, Cancelled, ZeroDivisionError, StageError])
@pytest.mark.parametrize("after", [0, 10])
def test_an_interrupted_video_leaves_nothing_and_keeps_the_old_one(tmp_path, error, after):
    (tmp_path / "a.mp4").write_bytes(b"old")

    def render():
        with VideoWriter(tmp_path / "a.mp4") as writer:
            for i, segment in enumerate(segments(100)):
                if i == after:
                    raise error("stop")
                writer.write(segment)

    with pytest.raises(error):
        render()
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_nothing_appears_under_the_final_name_before_the_end(tmp_path):
    with VideoWriter(tmp_path / "a.mp4") as writer:
        for segment in segments(50):
            writer.write(segment)
            assert not (tmp_path / "a.mp4").exists()
            assert len(list(tmp_path.iterdir())) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_a_video_of_nothing_is_an_error(tmp_path):
    with pytest.raises(StageError, match="nothing to write"), VideoWriter(tmp_path / "a.mp4"):
        pass
    assert not list(tmp_path.iterdir())


def test_frames_that_do_not_fit_are_a_programming_error(tmp_path):
    writer = VideoWriter(tmp_path / "a.mp4")
    writer.write(next(segments(5)))
    with pytest.raises(ValueError, match="a frame is"):
        writer.write(next(segments(5, size=(32, 32))))
    assert not list(tmp_path.iterdir())
    writer.close()
    writer.abort()
    with pytest.raises(ValueError, match="closed"):
        writer.write(next(segments(5)))


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputUnwritable, match="not a folder"):
        VideoWriter(tmp_path / "none" / "a.mp4")
    with pytest.raises(OutputUnwritable, match="is a folder"):
        VideoWriter(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputUnwritable, match="not a folder"):
        VideoWriter(tmp_path / "file" / "a.mp4")
    with pytest.raises(OutputUnwritable, match="too long"):
        VideoWriter(tmp_path / ("n" * 300 + ".mp4"))


CHILD = """
    import os, resource, signal, sys
    sys.path[:0] = {paths!r}
    import av, numpy  # before the rights are given up
    from visavis.core.errors import OutputUnwritable
    from visavis.media.video import VideoWriter
    from test_video import segments
    {prepare}
    try:
        with VideoWriter({target!r}, crf=1, preset="ultrafast") as writer:
            rng = numpy.random.default_rng(0)
            for segment in segments({frames}, size=(256, 256)):
                for frame in segment.frames:
                    frame.image[:] = rng.integers(0, 255, frame.image.shape)
                writer.write(segment)
                print(writer.frames_written, flush=True)
    except OutputUnwritable as error:
        print("REFUSED", error)
"""


def child(target, prepare="", frames=200, **options):
    code = textwrap.dedent(CHILD).format(
        paths=[str(Path(__file__).parent), *[p for p in sys.path if p]],
        prepare=prepare,
        target=str(target),
        frames=frames,
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **options
    )


def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o555)
    try:
        drop = "os.setgroups([]); os.setgid(65534); os.setuid(65534)" if os.getuid() == 0 else ""
        for parent in tmp_path.parents[:2]:  # so that the other user reaches the folder itself
            parent.chmod(0o755)
        out, _ = child(tmp_path / "a.mp4", drop).communicate(timeout=60)
    finally:
        tmp_path.chmod(0o755)
    assert "REFUSED" in out
    assert "may not be written to" in out
    assert not list(tmp_path.iterdir())


def test_a_file_size_limit_stands_for_a_full_disk(tmp_path):
    limit = (
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))"
    )
    out, _ = child(tmp_path / "a.mp4", limit).communicate(timeout=60)
    assert "REFUSED" in out
    assert "largest file size" in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", [900_000, 200_000, 20_000, 4096, -100_000])
def test_a_full_disk(tmp_path, missing):
    # Shortly before the end it is the moving of the index that meets the full disk.
    disk = tmp_path / "disk"
    disk.mkdir()
    child(tmp_path / "whole.mp4", frames=20).communicate(timeout=60)
    needed = (tmp_path / "whole.mp4").stat().st_size
    room = (needed - missing) // 4096 * 4096
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(disk)], capture_output=True
    )
    if mount.returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        out, _ = child(disk / "a.mp4", frames=20).communicate(timeout=60)
        left = list(disk.iterdir())
        if missing < 0:
            assert (disk / "a.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
        else:
            assert "REFUSED" in out
            assert "the disk is full" in out
            assert left == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_leaves_no_file_under_the_final_name(tmp_path, how):
    process = child(tmp_path / "a.mp4", frames=10_000, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 20:
        pass
    process.send_signal(how)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert not (tmp_path / "a.mp4").exists()
    if how == signal.SIGINT:
        assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_ten_minutes_stay_in_step_and_in_memory(tmp_path):
    began = time.process_time()
    with VideoWriter(tmp_path / "a.mp4", preset="ultrafast") as writer:
        settled = None
        for i, segment in enumerate(segments(15_000, flash_every=2500, step=25)):
            writer.write(segment)
            if i == 60:
                settled = resident()
        grown = resident() - settled
    assert grown < 20_000_000, grown
    info = probe(tmp_path / "a.mp4")
    assert info.video_duration == pytest.approx(600, abs=0.001)
    assert info.audio_duration == pytest.approx(600, abs=0.001)
    times, lights, sound, _ = decode(tmp_path / "a.mp4")
    assert len(times) == 15_000
    assert 0 <= len(sound) / 48000 - 600 < 0.04
    loud = np.abs(sound).reshape(-1, 64).max(axis=1) > 0.3
    begins = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int)])) == 1) * 64 / 48000
    np.testing.assert_allclose(begins, times[lights > 220], atol=0.005)
    assert begins[-1] == pytest.approx(500, abs=0.005)
    assert time.process_time() - began < 120


def make_video(path, times_ms, size=(64, 96), rotation=0, sample_aspect=None, codec="libx264"):
    """Frames at given times, each with its number as eight bits along the lower edge."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=1000, options={"crf": "5", "bf": "0"})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if sample_aspect:
            stream.codec_context.sample_aspect_ratio = sample_aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for i, ms in enumerate(times_ms):
            image = np.full((*size, 3), 60, np.uint8)
            bits = np.unpackbits(np.array([i], np.uint8)) * 200
            image[-size[0] // 4 :] = bits.repeat(size[1] // 8)[None, :, None]
            image[: size[0] // 4, : size[1] // 4] = 255  # marks the top left corner
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = ms, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def numbers(path, **options):
    read = []
    for frame in read_video(path, **options):
        bits = frame.image[-6, 6::12].mean(axis=1) > 100
        read.append(int(np.packbits(bits)[0]))
    return read


def test_equal_rate_gives_every_frame(tmp_path):
    path = make_video(tmp_path / "v.mkv", [i * 40 for i in range(50)])
    assert numbers(path) == list(range(50))
    assert [f.index for f in read_video(path)] == list(range(50))


def test_faster_and_slower_video_keep_their_time(tmp_path):
    fast = make_video(tmp_path / "fast.mkv", [i * 20 for i in range(100)])
    assert len(numbers(fast)) == 50
    assert max(abs(n - 2 * i) for i, n in enumerate(numbers(fast))) <= 1
    slow = make_video(tmp_path / "slow.mkv", [i * 100 for i in range(20)])
    assert 48 <= len(numbers(slow)) <= 50
    assert all(-0.81 < n - i * 0.4 < 0.21 for i, n in enumerate(numbers(slow)[:48]))


def test_variable_rate_is_placed_by_timestamps(tmp_path):
    times = [0, 40, 80, 1000, 1033, 1500, 2000]
    read = numbers(make_video(tmp_path / "v.mkv", times))
    for k, shown in enumerate(read[:50]):
        at = k * 40
        nearest = max(i for i, t in enumerate(times) if t < at + 20)
        assert shown == nearest, k


def test_a_picture_that_begins_late_is_held_from_the_start(tmp_path):
    with av.open(str(tmp_path / "v.mkv"), "w") as out:
        video = out.add_stream("libx264", rate=25, width=64, height=64, pix_fmt="yuv420p")
        sound = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), "s16", "mono")
        quiet.sample_rate, quiet.pts = 16000, 0
        out.mux(sound.encode(quiet))
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 10 + 20 * i, np.uint8))
            frame.pts = 10 + i
            out.mux(video.encode(frame))
        out.mux([*video.encode(None), *sound.encode(None)])
    lights = [int(f.image.mean()) for f in read_video(tmp_path / "v.mkv")]
    np.testing.assert_allclose(lights, [10] * 10 + [10 + 20 * i for i in range(10)], atol=3)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_honoured(tmp_path, rotation):
    path = make_video(tmp_path / "v.mp4", [0, 40, 80], rotation=rotation)
    image = next(read_video(path)).image
    size = (64, 96) if rotation == 180 else (96, 64)
    assert image.shape[:2] == size
    assert (probe(path).height, probe(path).width) == size
    corners = {
        "top left": image[5, 5], "top right": image[5, -5],
        "bottom left": image[-5, 5], "bottom right": image[-5, -5],
    }  # fmt: skip
    bright = [name for name, value in corners.items() if value.mean() > 200]
    # set_display_rotation counts counterclockwise.
    assert bright[:1] == [{90: "bottom left", 180: "bottom right", 270: "top right"}[rotation]]


def test_wide_pixels_are_made_square(tmp_path):
    path = make_video(tmp_path / "v.mkv", [0, 40], sample_aspect=Fraction(2))
    assert next(read_video(path)).image.shape == (64, 192, 3)


def test_max_side_shrinks_and_never_enlarges(tmp_path):
    path = make_video(tmp_path / "v.mkv", [0, 40])
    assert next(read_video(path, max_side=48)).image.shape == (32, 48, 3)
    assert next(read_video(path, max_side=480)).image.shape == (64, 96, 3)


def test_video_is_read_lazily(tmp_path):
    path = make_video(tmp_path / "v.mkv", [i * 40 for i in range(50)])
    frames = read_video(path)
    next(frames)
    frames.close()
    path.unlink()


def test_what_is_no_video_is_refused(tmp_path):
    write_wav(tmp_path / "a.wav", Waveform(np.zeros(1600, np.float32), 16000))
    with pytest.raises(NoVideoStream, match="no moving picture"):
        next(read_video(tmp_path / "a.wav"))
    assert probe(tmp_path / "a.wav").sample_rate == 16000
    (tmp_path / "t.mp4").write_bytes(os.urandom(5000))
    with pytest.raises(FileUnreadable):
        next(read_video(tmp_path / "t.mp4"))
    with pytest.raises(FileUnreadable):
        probe(tmp_path / "t.mp4")
    path = write(tmp_path / "v.mp4", 50)
    data = path.read_bytes()
    (tmp_path / "head.mp4").write_bytes(data[:200])
    with pytest.raises(FileUnreadable):
        next(read_video(tmp_path / "head.mp4"))


def test_a_cut_off_video_gives_what_is_there(tmp_path):
    path = write(tmp_path / "v.mp4", 100, size=(128, 128))
    data = path.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    assert 20 < len(list(read_video(tmp_path / "cut.mp4"))) <= 100


def test_encoding_is_far_faster_than_real_time(tmp_path):
    rng = np.random.default_rng(0)
    low = rng.integers(0, 255, (64, 64, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    began = time.process_time()
    with VideoWriter(tmp_path / "a.mp4") as writer:
        for i in range(50):
            image = np.roll(low, i, axis=1)
            audio = Waveform(np.zeros(960, np.float32), 24000, i * 960)
            writer.write(Segment(0, audio, (VideoFrame(image, i),)))
    assert time.process_time() - began < 1.5  # two seconds of hard video
