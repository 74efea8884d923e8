"""What is coded decodes to what was shown and said, at its time."""

import io

import av
import numpy as np
import pytest
from live_standin import Tick

from visavis.apps.server.transports import encoding
from visavis.apps.server.transports.encoding import LONGEST_GAP, SoundEncoder, TickEncoder
from visavis.apps.server.transports.fmp4 import Mp4Fragmenter, split_units

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "skin": (224, 172, 140)}


def tick(index, colour=(60, 60, 60), size=(128, 128), beep=False):
    image = np.full((*size, 3), colour, np.uint8)
    sound = np.zeros(960, np.float32)
    if beep:
        sound += (0.6 * np.sin(2 * np.pi * 1000 * np.arange(960) / 24_000)).astype(np.float32)
    return Tick(index, image, sound)


def decode(codec, coded):
    context = av.CodecContext.create("h264" if codec == "h264" else "libvpx", "r")
    frames = []
    for one in coded:
        frames += context.decode(av.Packet(one.picture))
    return frames + context.decode(None)


@pytest.mark.parametrize("codec", ["h264", "vp8"])
@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS)
def test_colours_survive(codec, colour):
    encoder = TickEncoder(codec, "opus")
    coded = [encoder.encode(tick(i, colour)) for i in range(5)]
    frame = decode(codec, coded)[-1]
    # What a player does with BT.601 in limited range, as the stream says.
    seen = frame.reformat(format="rgb24", src_colorspace=5, dst_colorspace=5).to_ndarray()
    assert np.abs(seen[64, 64].astype(int) - colour).max() <= 6


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_one_goes_in_and_one_comes_out(codec):
    encoder = TickEncoder(codec, "opus")
    coded = [encoder.encode(tick(i, (i * 9, 60, 60))) for i in range(20)]
    assert all(one.picture for one in coded), "the encoder keeps pictures back"
    assert [one.is_keyframe for one in coded] == [True] + [False] * 19
    assert len(decode(codec, coded)) == 20


def test_every_keyframe_can_be_begun_with():
    encoder = TickEncoder("h264", "opus", keyframe_every=10)
    coded = [encoder.encode(tick(i, (i * 6, 60, 60))) for i in range(30)]
    assert [one.index for one in coded if one.is_keyframe] == [0, 10, 20]
    for one in coded:
        kinds = {unit[0] & 31 for unit in split_units(one.picture)}
        assert {7, 8, 5} <= kinds if one.is_keyframe else kinds == {1}
    assert len(decode("h264", coded[20:])) == 10


def test_keyframes_that_are_asked_for_come_but_not_too_often():
    encoder = TickEncoder("h264", "opus")
    keys = []
    for i in range(40):
        if i in (20, 21, 22, 23):
            encoder.want_keyframe()
        keys.append(encoder.encode(tick(i)).is_keyframe)
    # The second wish is kept until half a second after the first was granted.
    assert [i for i, key in enumerate(keys) if key] == [0, 20, 32]


def test_a_lower_rate_is_kept():
    noise = np.random.default_rng(0).integers(0, 255, (40, 256, 256, 3), np.uint8)
    encoder = TickEncoder("h264", "opus")
    sizes = []
    for i in range(200):
        if i == 100:
            encoder.limit_rate(300_000)
        sizes.append(len(encoder.encode(Tick(i, noise[i % 40], np.zeros(960, np.float32))).picture))
    assert sum(sizes[50:100]) * 8 / 2 < 2_000_000
    assert sum(sizes[150:]) * 8 / 2 < 450_000


def test_odd_sizes_are_made_even_and_new_sizes_begin_anew():
    encoder = TickEncoder("h264", "opus")
    first = encoder.encode(tick(0, size=(127, 65)))
    assert first.size == (66, 128)
    second = encoder.encode(tick(1, size=(64, 96)))
    assert second.is_keyframe
    assert second.size == (96, 64)


@pytest.mark.parametrize("codec", ["opus", "aac"])
@pytest.mark.parametrize("missing", [0, 1, LONGEST_GAP, LONGEST_GAP + 1, 500])
def test_sound_is_where_its_tick_is_whatever_is_missing(codec, missing):
    encoder = TickEncoder("h264", codec)
    indices = [*range(30, 50), *range(50 + missing, 90 + missing)]
    beeps = {40, 70 + missing}
    coded = [encoder.encode(tick(i, beep=i in beeps)) for i in indices]
    packets = [packet for one in coded for packet in one.sound]
    starts = np.array([p.start for p in packets])
    steps = np.diff(starts) - packets[0].samples
    # Up to the longest gap silence stands in; beyond it a new stream begins.
    assert (steps != 0).sum() == (missing > LONGEST_GAP)
    fragmenter = Mp4Fragmenter(codec)
    begins = 0 if missing <= LONGEST_GAP else 20
    data = fragmenter.make_init(coded[begins])
    for at in range(begins, len(coded), 2):
        data += fragmenter.make_fragment(coded[at : at + 2])
    found = []
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()).max(axis=0) > 0.1)
            if len(loud):
                found.append(float(frame.pts * frame.time_base) + loud[0] / frame.sample_rate)
    wanted = [i / 25 for i in sorted(beeps) if begins == 0 or i > 50]
    for beep in wanted:
        assert min(abs(at - beep) for at in found) < 0.005


def test_sound_is_given_before_the_picture_is_coded():
    encoder = TickEncoder("h264", "opus")
    encoder.encode(tick(0))
    early = []
    code = encoder._pictures.encode
    order = []
    encoder._pictures.encode = lambda *a: (order.append("picture"), code(*a))[1]
    coded = encoder.encode(tick(1), lambda sound: (order.append("sound"), early.append(sound)))
    assert order == ["sound", "picture"]
    assert early == [coded.sound]


def make_syllables(seconds):
    """Something like a voice: a hundred hertz and its harmonics, four syllables a second."""
    t = np.arange(int(seconds * 24_000)) / 24_000
    buzz = sum(np.sin(2 * np.pi * 100 * k * t) / k for k in range(1, 20))
    return 0.2 * buzz * np.sin(np.pi * 4 * t) ** 2


def hear(codec, packets):
    """Decode packets, each at its time, into mono 24 kHz."""
    decoder = av.CodecContext.create("libopus" if codec == "opus" else "aac", "r")
    resampler = av.AudioResampler("flt", "mono", 24_000)
    heard = np.zeros(packets[-1].start + 4 * 1024, np.float32)
    for packet in packets:
        pieces = [p for f in decoder.decode(av.Packet(packet.data)) for p in resampler.resample(f)]
        if pieces:
            piece = np.concatenate([p.to_ndarray()[0] for p in pieces])
            heard[packet.start : packet.start + len(piece)] = piece
    return heard


def test_silence_is_not_coded_again_and_what_follows_sounds_the_same(monkeypatch):
    voice = make_syllables(1.2)
    still = [960 * 150, 960 * 400]
    sound = np.concatenate([voice, np.zeros(still[0]), voice, np.zeros(still[1]), voice])
    ticks = sound.astype(np.float32).reshape(-1, 960)

    def code():
        encoder = SoundEncoder("opus")
        encoder.restart(0)
        work, coded = encoder._code, []
        encoder._code = lambda piece: (coded.append(1), work(piece))[1]
        return [packet for samples in ticks for packet in encoder.encode(samples)], len(coded)

    spared, few = code()
    monkeypatch.setattr(encoding, "_SETTLED", 10**9)
    full, many = code()
    assert few < 0.4 * many
    assert [(p.start, p.samples) for p in spared] == [(p.start, p.samples) for p in full]
    for begin in (len(voice) + still[0], 2 * len(voice) + sum(still)):
        for length in (2_400, len(voice) - 2_000):
            part = slice(begin, begin + length)
            wanted = np.abs(np.fft.rfft(sound[part]))
            off = [
                np.linalg.norm(np.abs(np.fft.rfft(hear("opus", packets)[part])) - wanted)
                for packets in (spared, full)
            ]
            assert off[0] < 1.1 * off[1] + 0.01 * np.linalg.norm(wanted)
    quiet = slice(len(voice) + 960 * 10, len(voice) + still[0] - 960)
    assert np.abs(hear("opus", spared)[quiet]).max() < 1e-3


@pytest.mark.parametrize("codec", ["h264", "vp8"])
@pytest.mark.parametrize("size", [(300, 402), (302, 402), (64, 64), (98, 66), (100, 66)])
def test_every_plane_of_any_size_is_where_it_belongs(codec, size):
    y, x = np.mgrid[: size[0], : size[1]]
    image = np.stack(
        [60 + x * 120 // size[1], 60 + y * 120 // size[0], 180 - x * 90 // size[1]], -1
    )
    encoder = TickEncoder(codec, "opus")
    sound = np.zeros(960, np.float32)
    coded = [encoder.encode(Tick(i, image.astype(np.uint8), sound)) for i in range(5)]
    seen = decode(codec, coded)[-1]
    seen = seen.reformat(format="rgb24", src_colorspace=5, dst_colorspace=5).to_ndarray()
    assert np.abs(seen.astype(int) - image).mean() < 3


def test_noise_and_worse_do_not_stop_it():
    encoder = TickEncoder("h264", "opus")
    bad = np.array([np.nan, np.inf, -np.inf, 5.0] * 240, np.float32)
    coded = encoder.encode(Tick(0, np.zeros((64, 64, 3), np.uint8), bad))
    assert coded.picture


def test_a_stream_cannot_begin_without_its_parameters():
    encoder = TickEncoder("h264", "opus")
    encoder.encode(tick(0))
    with pytest.raises(ValueError, match="parameter sets"):
        Mp4Fragmenter("opus").make_init(encoder.encode(tick(1)))
