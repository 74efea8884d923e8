from __future__ import annotations

import numpy as np
import pytest
from tests.training.made_clips import MadeClips

from visavis.core.errors import InputError
from visavis.models.common.mel import mel_windows
from visavis.training.data.sync_batches import SyncBatches
from visavis.training.data.sync_clips import (
    MARGIN,
    SyncClip,
    load_sync_clips,
    lower_half,
    window_frames,
    window_starts,
)


def test_mouths_are_the_lower_halves() -> None:
    store = MadeClips(train=4, val=0)
    clips = load_sync_clips(store, "train", 96)
    assert clips[0].mouths.shape == (31, 48 + MARGIN, 96, 3)
    whole = store.frames(store.clips[0])
    np.testing.assert_array_equal(lower_half(clips[0].mouths), whole[:, 48:])
    np.testing.assert_array_equal(clips[0].mouths[:, :MARGIN], whole[:, 48 - MARGIN : 48])
    assert [clip.name for clip in clips] == ["clip0", "clip1", "clip2", "clip3"]


def test_stored_size_is_scaled() -> None:
    large = load_sync_clips(MadeClips(train=2, val=0, size=192), "train", 96)
    small = load_sync_clips(MadeClips(train=2, val=0, size=96), "train", 96)
    difference = np.abs(large[0].mouths.astype(int) - small[0].mouths)
    assert difference.mean() < 2


def test_sound_of_a_window_is_what_the_network_hears_elsewhere() -> None:
    store = MadeClips(train=2, val=0)
    clip = load_sync_clips(store, "train", 96)[0]
    wanted = mel_windows(store.mel(store.clips[0]), clip.starts)
    np.testing.assert_array_equal(clip.mel_windows(clip.starts), wanted)
    assert clip.starts.tolist() == list(range(27))


@pytest.mark.parametrize(
    ("rows", "offset", "first", "last"),
    [
        (100, 0.0, 0, 26),
        (100, -0.4, 1, 26),
        (100, 0.6, 0, 25),
        (96, 0.0, 0, 25),
        (100, -12, 12, 26),
    ],
)
def test_windows_that_would_need_padding_are_left_out(
    rows: int, offset: float, first: int, last: int
) -> None:
    starts = window_starts(31, rows, offset)
    assert (starts[0], starts[-1]) == (first, last)


def test_offset_is_corrected() -> None:
    plain = load_sync_clips(MadeClips(train=1, val=0), "train", 96)[0]
    late = load_sync_clips(MadeClips(train=1, val=0, late=3), "train", 96)[0]
    left = load_sync_clips(MadeClips(train=1, val=0, late=3), "train", 96, use_offsets=False)[0]
    assert late.starts.tolist() == list(range(24))
    assert len(left.starts) == 27
    # The noise is not the same three frames later, but how it swells is.
    loud = [c.mel_windows(np.arange(6, 20)).mean((1, 2)) for c in (plain, late, left)]
    assert np.corrcoef(loud[0], loud[1])[0, 1] > 0.98
    assert np.corrcoef(loud[0], loud[2])[0, 1] < 0.8


def test_short_clips_and_missing_splits() -> None:
    store = MadeClips(train=2, val=1, frames=12)
    assert len(load_sync_clips(store, "train", 96, fewest=8)) == 2
    with pytest.raises(InputError, match="'train' with 10 windows"):
        load_sync_clips(store, "train", 96)
    with pytest.raises(InputError, match="splits: train, val"):
        load_sync_clips(store, "test", 96)


def test_limit_takes_evenly() -> None:
    clips = load_sync_clips(MadeClips(train=8, val=0), "train", 96, limit=4)
    assert [clip.name for clip in clips] == ["clip0", "clip2", "clip4", "clip6"]


@pytest.fixture(scope="module")
def clips() -> list[SyncClip]:
    return load_sync_clips(MadeClips(train=10, val=0), "train", 96)


def test_batch_is_a_function_of_its_number(clips: list[SyncClip]) -> None:
    one, other = (SyncBatches(clips, 4, 3, 8, seed=5) for _ in range(2))
    for number in (7, 0, 3):
        first, second = one.make(number), other.make(number)
        np.testing.assert_array_equal(first.mouths, second.mouths)
        np.testing.assert_array_equal(first.mel, second.mel)
        assert first.seed == second.seed
    assert one.make(1).seed != one.make(2).seed
    assert not np.array_equal(one.make(1).seen, SyncBatches(clips, 4, 3, 8, seed=6).make(1).seen)


def test_batch_holds_what_it_says(clips: list[SyncClip]) -> None:
    batch = SyncBatches(clips, 4, 3, 8, seed=5).make(2)
    assert batch.mouths.shape == (4, 3, 5, 52, 96, 3)
    assert batch.mel.shape == (4, 8, 80, 16)
    np.testing.assert_array_equal(batch.heard[:, :3], batch.seen)
    for k, number in enumerate(batch.clips):
        clip = clips[number]
        assert len(set(batch.heard[k])) == 8
        np.testing.assert_array_equal(batch.mouths[k], clip.mouths[window_frames(batch.seen[k])])
        np.testing.assert_array_equal(batch.mel[k], clip.mel_windows(batch.heard[k]))
        assert batch.people[k] == clip.person


def test_every_clip_comes_once_an_epoch(clips: list[SyncClip]) -> None:
    batches = SyncBatches(clips, 2, 1, 4, seed=5)
    epochs = [
        [int(n) for i in range(5 * e, 5 * e + 5) for n in batches.make(i).clips] for e in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10))
    assert epochs[0] != epochs[1]


def test_short_clips_repeat_their_sounds() -> None:
    short = load_sync_clips(MadeClips(train=2, val=0, frames=14), "train", 96)
    batch = SyncBatches(short, 1, 4, 16, seed=0).make(0)
    assert batch.heard.shape == (1, 16)
    assert len(set(batch.heard[0])) == 10
