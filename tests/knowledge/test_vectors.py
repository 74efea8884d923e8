import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from visavis.core.types import Floats
from visavis.knowledge.vectors import cache_folder, encode_cached

TEXTS = ["一", "two", "三"]


class CountingEncoder:
    """A real encoder of nothing: rows that depend on the text alone."""

    def __init__(self, fingerprint: str = "counting/1") -> None:
        self.fingerprint = fingerprint
        self.calls = 0

    def encode(self, texts: Sequence[str]) -> Floats:
        self.calls += 1
        rows = [np.random.default_rng(list(text.encode())).normal(size=8) for text in texts]
        return np.array(rows, np.float32)


def test_the_second_time_nothing_is_encoded(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    first = encode_cached(encoder, TEXTS, tmp_path)
    np.testing.assert_array_equal(encode_cached(encoder, TEXTS, tmp_path), first)
    assert encoder.calls == 1
    assert not list(tmp_path.glob("*.part"))


def test_other_texts_order_or_encoder_are_encoded_anew(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    encode_cached(encoder, TEXTS, tmp_path)
    encode_cached(encoder, TEXTS[::-1], tmp_path)
    encode_cached(encoder, ["一two", "", "三"], tmp_path)
    assert encoder.calls == 3
    other = CountingEncoder("counting/2")
    encode_cached(other, TEXTS, tmp_path)
    assert other.calls == 1


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text", "shape", "nan"])
def test_a_broken_cache_is_made_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = CountingEncoder()
    right = encode_cached(encoder, TEXTS, tmp_path)
    (path,) = tmp_path.glob("vectors-*.npz")
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("not vectors")
    elif damage == "shape":
        np.savez(path, vectors=right[:2])
    else:
        np.savez(path, vectors=np.full_like(right, np.nan))
    with caplog.at_level(logging.WARNING):
        again = encode_cached(encoder, TEXTS, tmp_path)
    np.testing.assert_array_equal(again, right)
    assert encoder.calls == 2
    assert "made again" in caplog.text
    np.testing.assert_array_equal(encode_cached(encoder, TEXTS, tmp_path), right)
    assert encoder.calls == 2


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    encoder = CountingEncoder()
    assert encode_cached(encoder, TEXTS, blocked / "below").shape == (3, 8)


def test_the_cache_does_not_grow_without_end(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    for number in range(40):
        encode_cached(encoder, [str(number)], tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 32


def test_the_cache_follows_the_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    assert cache_folder() == tmp_path / "visavis" / "knowledge"
