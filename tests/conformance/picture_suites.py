"""What every enhancer and every matting must do."""

import numpy as np

from visavis.core.protocols import Enhancer, Matting


class EnhancerSuite:
    """Subclass with the fixture ``enhancer``."""

    def faces(self, count: int = 2) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (count, 64, 48, 3), dtype=np.uint8)

    def test_keeps_batch_type_and_proportions(self, enhancer: Enhancer) -> None:
        assert isinstance(enhancer, Enhancer)
        faces = self.faces()
        better = enhancer.enhance(faces)
        assert better.dtype == np.uint8
        assert better.shape[0] == 2
        assert better.shape[3] == 3
        assert better.shape[1] * 48 == better.shape[2] * 64
        assert better.shape[1] >= 64

    def test_batched_equals_one_by_one(self, enhancer: Enhancer) -> None:
        faces = self.faces()
        single = np.concatenate([enhancer.enhance(face[None]) for face in faces])
        difference = single.astype(np.int16) - enhancer.enhance(faces).astype(np.int16)
        assert np.abs(difference).max() <= 1


class MattingSuite:
    """Subclass with the fixture ``matting``."""

    def test_alpha_has_the_pictures_size(self, matting: Matting) -> None:
        assert isinstance(matting, Matting)
        image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
        alpha, state = matting.matte(image, None)
        assert alpha.shape == (50, 70)
        assert alpha.dtype == np.uint8
        again, _ = matting.matte(image, state)
        assert again.shape == alpha.shape

    def test_a_new_state_forgets(self, matting: Matting) -> None:
        image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
        first, state = matting.matte(image, None)
        matting.matte(255 - image, state)
        again, _ = matting.matte(image, None)
        assert np.array_equal(first, again)
