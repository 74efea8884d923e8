"""Offsets of sound that were put in by hand, found again and taken out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from talkers import RATE, speech, talk, write_talk

from visavis.core.types import Floats, Picture
from visavis.models.common.mel import mel_windows
from visavis.training.data.clip_making import Making
from visavis.training.data.clip_offsets import SEARCHED, find_offset, measure_offsets
from visavis.training.data.clip_store import ClipStore
from visavis.training.data.prepare import PrepareSettings, prepare
from visavis.training.data.who_speaks import lip_correlation

SECONDS = 2.4
SHIFTS = {"late": 4, "early": -3, "even": 0}


class DarkMouths:
    """An expert that knows one thing: an open mouth is dark, and loud.

    Vectors are the five frames' darkness and the five frames' loudness, less their means.
    """

    size = 48

    def embed_faces(self, frames: Picture) -> Floats:
        mouth = frames[:, 29:40, 17:31].astype(np.float32)
        dark = (mouth.mean(-1) < 70).mean((1, 2))
        return unit(np.lib.stride_tricks.sliding_window_view(dark, 5))

    def embed_speech(self, mel: Floats) -> Floats:
        count = (len(mel) - 16) * 25 // 80 + 1
        windows = mel_windows(mel, np.arange(count)).mean(1)
        return unit(
            np.stack([windows[:, int(i * 3.2) : int(i * 3.2) + 4].mean(1) for i in range(5)], 1)
        )


def unit(rows: Floats) -> Floats:
    rows = rows - rows.mean(1, keepdims=True) + 1e-6
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Guessing(DarkMouths):
    """An expert that knows nothing."""

    def embed_speech(self, mel: Floats) -> Floats:
        rng = np.random.default_rng(0)
        return unit(rng.normal(size=super().embed_speech(mel).shape))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shifted")
    said = speech("en")[: round(SECONDS * RATE)]
    frames = talk("mei", said, SECONDS)
    for name, shift in SHIFTS.items():
        moved = np.roll(said, shift * 640)
        write_talk(root / "videos" / name / f"{name}.mp4", frames, moved)
    prepare([root / "videos"], root / "store", PrepareSettings(Making(size=96)), jobs=2)
    return root / "store"


@pytest.mark.assets
@pytest.mark.slow
def test_offsets_are_found_noted_and_taken_out(prepared: Path) -> None:
    told: list[tuple[int, int]] = []
    measured = measure_offsets(
        prepared, DarkMouths(), together="clip", told=lambda *at: told.append(at)
    )
    assert told[-1] == (3, 3)
    raw, store = ClipStore(prepared), ClipStore(prepared, correct=True)
    for clip in store.clips:
        shift = SHIFTS[clip.person]
        assert measured[clip.name].offset == pytest.approx(shift, abs=0.6)
        assert clip.offset == pytest.approx(measured[clip.name].offset, abs=1e-3)
        assert clip.confidence > 0.1
        count = clip.frames * 640
        if shift:
            before, after = raw.audio(clip), store.audio(clip)
            inner = slice(8 * 640, count - 8 * 640)
            wanted = np.roll(before, -round(clip.offset * 640))
            assert np.allclose(after[inner], wanted[inner], atol=1e-6)
        # Lips and sound now rise and fall together without any shift.
        assert lip_correlation(store.landmarks(clip), store.audio(clip)) > 0.6
    store.close()
    # Measuring again measures the recording, not what was corrected.
    again = measure_offsets(prepared, DarkMouths(), together="clip")
    assert again == measured


@pytest.mark.assets
@pytest.mark.slow
def test_what_is_not_sure_is_left_alone(prepared: Path) -> None:
    measured = measure_offsets(prepared, Guessing(), together="clip", sure=0.5)
    assert all(m.confidence < 0.5 for m in measured.values())
    assert all(clip.offset == 0 for clip in ClipStore(prepared).clips)


@pytest.mark.assets
@pytest.mark.slow
def test_clips_of_one_recording_have_one_offset(prepared: Path) -> None:
    from visavis.training.data.clip_writer import ClipWriter

    with ClipWriter(prepared) as writer:
        writer.update_all({f"late/late.mp4@{0:06d}": {"source": "even/even.mp4"}})
    measured = measure_offsets(prepared, DarkMouths(), together="source")
    one = measured["late/late.mp4@000000"], measured["even/even.mp4@000000"]
    assert one[0] == one[1]


def curve(best: float, count: float = 30) -> tuple[Floats, Floats]:
    at = np.arange(-SEARCHED, SEARCHED + 1)
    distances = 1.2 - 0.8 * np.exp(-0.5 * ((at - best) / 1.5) ** 2)
    return (distances * count).astype(np.float32), np.full(len(at), count, np.float32)


def test_offsets_are_found_to_a_fraction_of_a_frame() -> None:
    for best in (-6.3, 0.0, 2.5, 9.8):
        found = find_offset([curve(best)])
        assert found.offset == pytest.approx(best, abs=0.1)
        assert found.confidence > 0.7


def test_short_clips_tell_together_what_each_cannot() -> None:
    sums, counts = curve(3.0, count=5)
    assert find_offset([(sums, counts)]).confidence == 0
    together = find_offset([(sums, counts)] * 3)
    assert together.offset == pytest.approx(3, abs=0.1)
    assert together.confidence > 0.7


def test_offsets_that_were_hardly_tried_do_not_count() -> None:
    sums, counts = curve(0.0)
    sums[-1], counts[-1] = 0.0, 1.0
    assert find_offset([(sums, counts)]).offset == pytest.approx(0, abs=0.1)
