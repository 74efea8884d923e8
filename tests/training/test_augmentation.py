from __future__ import annotations

import numpy as np
import pytest

from visavis.training.data.augmentation import (
    NOISES,
    RATE,
    Noise,
    colour,
    level_db,
    make_babble,
    make_noise,
)


@pytest.mark.parametrize("kind", NOISES)
def test_noise_is_steady_and_seeded(kind: Noise) -> None:
    noise = make_noise(kind, 2 * RATE, np.random.default_rng(1))
    assert noise.dtype == np.float32
    assert level_db(noise) == pytest.approx(-20, abs=0.1)
    # A brown noise's slow waves make a second of it vary.
    assert abs(level_db(noise[:RATE]) - level_db(noise[RATE:])) < 4
    np.testing.assert_array_equal(noise, make_noise(kind, 2 * RATE, np.random.default_rng(1)))


def test_noises_have_their_colours() -> None:
    def slope(kind: Noise) -> float:
        noise = make_noise(kind, 8 * RATE, np.random.default_rng(2))
        power = np.abs(np.fft.rfft(noise)) ** 2
        hz = np.fft.rfftfreq(len(noise), 1 / RATE)
        low, high = ((hz > a) & (hz < 2 * a) for a in (250, 2000))
        return float(10 * np.log10(power[high].mean() / power[low].mean()) / 3)  # dB an octave

    assert slope("white") == pytest.approx(0, abs=0.5)
    assert slope("pink") == pytest.approx(-3, abs=0.5)
    assert slope("brown") == pytest.approx(-6, abs=0.7)


def test_colour_keeps_length_and_time() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        click = np.zeros(RATE, np.float32)
        click[5000:5040] = np.random.default_rng(0).standard_normal(40)
        heard = colour(click, rng)
        assert heard.shape == click.shape
        assert np.isfinite(heard).all()
        assert abs(int(np.abs(heard).argmax()) - 5020) < 60


def test_babble_is_of_the_asked_length() -> None:
    rng = np.random.default_rng(0)
    voices = [rng.standard_normal(n).astype(np.float32) for n in (4000, 9000)]
    babble = make_babble(voices, RATE, rng)
    assert babble.shape == (RATE,)
    assert level_db(babble) == pytest.approx(-20, abs=0.1)
