from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tests.training.made_clips import MadeClip, MadeClips

from visavis.core.errors import InputError
from visavis.models.common import mesh
from visavis.models.common.mel import mel_windows
from visavis.training.data.lip_augmentation import LipAugmentation, augment_faces, to_pictures
from visavis.training.data.lip_batches import LipBatches, choose_reference, sound_starts


def batches(store: MadeClips, seed: int = 3, lead: int = 2) -> LipBatches:
    return LipBatches(store, store.clips, 96, lead, count=3, seed=seed)


def test_batch_is_a_function_of_its_number() -> None:
    store = MadeClips(train=5, val=0)
    one, other = batches(store), batches(store)
    for number in (4, 0):
        first, second = one.make(number), other.make(number)
        for name in ("frames", "references", "mel", "sync_mel"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        assert first.seed == second.seed
    assert not np.array_equal(one.make(0).frames, batches(store, seed=4).make(0).frames)


def test_batch_holds_frames_their_sound_and_other_frames() -> None:
    store = MadeClips(train=3, val=0, late=2)
    batch = batches(store).make(0)
    assert batch.frames.shape == batch.references.shape == (3, 5, 96, 96, 3)
    assert batch.mel.shape == (3, 5, 80, 16)
    clips = {clip.name: store.frames(clip) for clip in store.clips}
    for sample in range(3):
        found = [
            (name, start)
            for name, frames in clips.items()
            for start in range(27)
            if np.array_equal(frames[start : start + 5], batch.frames[sample])
        ]
        ((name, start),) = found
        clip = next(c for c in store.clips if c.name == name)
        mel = store.mel(clip)
        # Two frames of sound later, for it is late; and two before each frame, to be around it.
        at = np.arange(start, start + 5) + 2
        np.testing.assert_array_equal(batch.mel[sample], mel_windows(mel, at - 2))
        np.testing.assert_array_equal(batch.sync_mel[sample], mel_windows(mel, [start + 2])[0])
        references = [
            other
            for other in range(27)
            if np.array_equal(clips[name][other : other + 5], batch.references[sample])
        ]
        assert references
        assert all(abs(other - start) >= 9 for other in references)


class Talking(MadeClips):
    """Its landmarks say how far lips are apart."""

    def landmarks(self, clip: MadeClip) -> npt.NDArray[np.float32]:
        points = super().landmarks(clip)
        points[:, 263] = (self.size, 0)  # the eyes' outer corners, and 33 at 0, 0
        points[:, mesh.LIPS_INNER_LOWER, 1] = self.blendshapes(clip).max(1)[:, None] * self.size
        return points


@pytest.mark.parametrize("frames", [31, 9])
def test_reference_may_be_the_shut_mouth_as_an_avatars_is(frames: int) -> None:
    store = Talking(train=3, val=0, frames=frames)
    apart = {clip.name: store.blendshapes(clip).max(1) for clip in store.clips}
    seen = {clip.name: store.frames(clip) for clip in store.clips}
    given = LipBatches(store, store.clips, 96, 2, count=6, seed=3, shut_references=1.0)
    batch = given.make(0)
    for sample in range(6):
        references = batch.references[sample]
        assert all(np.array_equal(references[0], other) for other in references)
        ((name, start),) = [
            (name, start)
            for name, pictures in seen.items()
            for start in range(frames - 4)
            if np.array_equal(pictures[start : start + 5], batch.frames[sample])
        ]
        far = [i for i in range(frames) if not -5 < i - start < 9] or list(range(frames))
        shut = min(far, key=lambda i: apart[name][i])
        assert np.array_equal(references[0], seen[name][shut])
    some = LipBatches(store, store.clips, 96, 2, count=60, seed=3, shut_references=0.5).make(0)
    still = [all(np.array_equal(r[0], other) for other in r) for r in some.references]
    assert 15 < sum(still) < 45


def test_reference_is_elsewhere_as_far_as_the_clip_allows() -> None:
    rng = np.random.default_rng(0)
    assert {choose_reference(0, 31, rng) for _ in range(300)} == set(range(9, 27))
    # In a short clip the farthest there is.
    assert {choose_reference(1, 9, rng) for _ in range(50)} == {4}


def test_clips_without_sound_are_left_out() -> None:
    store = MadeClips(train=2, val=0, late=40)
    assert not len(sound_starts(store, store.clips[0]))
    with pytest.raises(InputError, match="no clip"):
        batches(store)


def test_stored_size_is_scaled() -> None:
    store = MadeClips(train=2, val=0, size=192)
    assert batches(store).make(0).frames.shape == (3, 5, 96, 96, 3)


def test_augmentation_treats_all_pictures_of_a_sample_alike() -> None:
    pixels = np.random.default_rng(0).integers(40, 200, (6, 1, 8, 8, 3), dtype=np.uint8)
    pictures = to_pictures(torch.from_numpy(pixels)).expand(-1, 4, -1, -1, -1)
    changed = augment_faces(pictures, LipAugmentation(), 5)
    torch.testing.assert_close(changed, changed[:, :1].expand_as(changed))
    torch.testing.assert_close(changed, augment_faces(pictures, LipAugmentation(), 5))
    assert (changed - augment_faces(pictures, LipAugmentation(), 6)).abs().max() > 0.01
    assert 0 <= changed.min() < changed.max() <= 1
    nothing = augment_faces(pictures, LipAugmentation(0, 0, 0), 5)
    torch.testing.assert_close(nothing, pictures)
    mirrored = augment_faces(pictures, LipAugmentation(1, 0, 0), 5)
    torch.testing.assert_close(mirrored, pictures.flip(-1))
